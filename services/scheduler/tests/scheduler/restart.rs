//! The scheduler dies at bad moments.

use understudy_bus::iscsi::Request;

use crate::agent::{Agent, Sent};
use crate::stage::{Stage, within};

#[tokio::test]
async fn a_backup_goes_on_when_the_scheduler_was_killed_in_mid_copy() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    let (first, second) = (order.disks[0].disk, order.disks[1].disk);
    let blocks = |index: usize| (0..order.disks[index].size.blocks()).collect::<Vec<_>>();
    agent.copy_blocks(&job, first, &blocks(0)).await.unwrap();
    stage.kill();
    stage.start().await;
    assert_eq!(agent.ask("192.0.2.7").await.unwrap(), order, "the order and its secrets are the same");
    agent.copy_blocks(&job, second, &blocks(1)).await.unwrap();
    let sent: Sent = order.disks.iter().map(|disk| (disk.disk, disk.size.0)).collect();
    agent.report(&job, &sent).await;
    assert_eq!(stage.ended(&job).await.step, "done");
    agent.assert_newest_point_is_this();
    stage.world.assert_clean();
}

#[tokio::test]
async fn a_backup_whose_targets_are_gone_after_a_restart_fails_and_the_next_succeeds() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    agent.copy_blocks(&job, order.disks[0].disk, &[0, 3]).await.unwrap();
    stage.kill();
    stage.world.state().published.clear();
    stage.start().await;
    let ended = stage.ended(&job).await;
    assert_eq!(ended.step, "failed");
    assert!(ended.message.contains("restarted while the agent copied"), "{}", ended.message);
    agent.back_up(&stage).await;
    agent.assert_newest_point_is_this();
    stage.world.assert_clean();
}

#[tokio::test]
async fn a_recovery_point_taken_just_before_the_crash_is_found_again() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    stage.world.state().swallow_snapshot_answers = true;
    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    let sent = agent.copy_all(&order).await;
    let mut snapshots = stage.world.snapshots.subscribe();
    agent.report(&job, &sent).await;
    within("the snapshot is taken", snapshots.wait_for(|count| *count == 1)).await.unwrap();
    stage.kill();
    stage.world.state().swallow_snapshot_answers = false;
    stage.start().await;
    let ended = stage.ended(&job).await;
    assert_eq!(ended.step, "done");
    let points = stage.people.points("mail").await.unwrap();
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].point, ended.point);
    assert_eq!(stage.world.state().points.len(), 1);
    agent.back_up(&stage).await;
}

#[tokio::test]
async fn what_nobody_knows_of_is_withdrawn_and_destroyed() {
    let mut stage = Stage::without_scheduler(120).await;
    let stray = "f".repeat(32);
    {
        let mut state = stage.world.state();
        let request = Request {
            job: stray.clone(),
            disk: stray.clone(),
            device: String::new(),
            initiator: String::new(),
            address: String::new(),
        };
        state.published.insert(stray.clone(), vec![request]);
        state.clones.insert(stray.clone(), (stray.clone(), stray.clone()));
    }
    stage.start().await;
    within("the strays are gone", async {
        loop {
            {
                let state = stage.world.state();
                if state.published.is_empty() && state.clones.is_empty() {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_lost_catalogue_is_rebuilt_from_the_pool() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    agent.back_up(&stage).await;
    let before = stage.people.points("mail").await.unwrap();
    stage.kill();
    std::fs::remove_dir_all(stage.state()).unwrap();
    stage.start().await;
    let after = within("the point is adopted", async {
        loop {
            let points = stage.people.points("").await.unwrap();
            if !points.is_empty() {
                return points;
            }
        }
    })
    .await;
    assert_eq!(after, before);
    assert_eq!(stage.people.machines().await.unwrap()[0].name, "mail");
}

#[tokio::test]
async fn a_scheduler_that_starts_before_the_others_waits_for_them() {
    let mut stage = Stage::without_scheduler(120).await;
    for name in crate::world::NAMES {
        stage.world.leave(name).await;
    }
    stage.start().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    for name in crate::world::NAMES {
        stage.world.come_back(name).await;
    }
    let order = agent.order().await;
    let sent = agent.copy_all(&order).await;
    agent.report(&job, &sent).await;
    assert_eq!(stage.ended(&job).await.step, "done");
}
