//! Backups that go well.

use understudy_wire::{BLOCK, Outcome};

use crate::agent::Agent;
use crate::stage::Stage;

#[tokio::test]
async fn a_first_backup_becomes_a_recovery_point() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup(&agent.machine).await.unwrap();
    let order = agent.order().await;
    assert_eq!(order.disks.len(), 2);
    assert!(order.disks.iter().all(|disk| disk.base.is_none()));
    assert_eq!(agent.ask("192.0.2.7").await.unwrap(), order, "asking twice gives the same order");
    {
        let state = stage.world.state();
        let requests = &state.published[&job];
        assert!(requests.iter().all(|request| request.address == "192.0.2.7"));
        assert!(requests.iter().all(|request| request.initiator == order.initiator));
    }
    let sent = agent.copy_all(&order).await;
    let running = stage.job(&job, "shows what was sent", |job| job.sent == sent.values().sum::<u64>()).await;
    assert_eq!((running.step.as_str(), running.stage.as_str()), ("copying", "copying"));
    assert_eq!(agent.outcome(&job).await, Outcome::Running);
    agent.report(&job, &sent).await;
    let ended = stage.ended(&job).await;

    assert_eq!((ended.step.as_str(), ended.message.as_str()), ("done", ""));
    assert!(ended.seconds > 0.0 && ended.report.contains("frozen_seconds"));
    agent.assert_newest_point_is_this();
    let points = stage.people.points("mail").await.unwrap();
    assert_eq!(points.len(), 1);
    assert_eq!((&points[0].point, &points[0].job), (&ended.point, &job));
    let Outcome::Done { point, disks } = agent.outcome(&job).await else { panic!("not done") };
    assert_eq!(point.to_string(), ended.point);
    let guids: Vec<u64> = stage.world.state().points[0].0.disks.iter().map(|disk| disk.guid).collect();
    assert_eq!(disks.iter().map(|disk| disk.snapshot_guid).collect::<Vec<_>>(), guids);
    assert!(!stage.state().join("jobs").join(&job).exists(), "the block hashes are removed");
    stage.world.assert_clean();
}

#[tokio::test]
async fn a_second_backup_starts_from_the_first_and_serves_its_hashes() {
    let stage = Stage::new().await;
    let mut agent = Agent::new(&stage, "mail").await;
    agent.back_up(&stage).await;
    let before = agent.disks.clone();
    let (&disk, contents) = agent.disks.iter_mut().next().unwrap();
    contents[BLOCK as usize + 5] ^= 0xff;

    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    let base = order.disks[0].base.unwrap();
    assert_eq!(base.point.to_string(), stage.people.points("").await.unwrap()[0].point);
    assert_eq!(base.snapshot_guid, stage.world.state().points[0].0.disks[0].guid);
    agent.copy_blocks(&job, disk, &[1]).await.unwrap();
    let expected: Vec<u8> =
        before[&disk].chunks(BLOCK as usize).flat_map(|block| *blake3::hash(block).as_bytes()).collect();
    assert_eq!(
        agent.hashes(&job, disk, 0, 1000).await,
        expected,
        "hashes are of the base, not of what was written"
    );
    let sent = order.disks.iter().map(|row| (row.disk, if row.disk == disk { BLOCK } else { 0 })).collect();
    agent.report(&job, &sent).await;
    assert_eq!(stage.ended(&job).await.step, "done");
    agent.assert_newest_point_is_this();
    assert_eq!(
        stage.world.state().points[0].1[&disk.to_string()],
        before[&disk],
        "the first point is untouched"
    );
    stage.world.assert_clean();
}

#[tokio::test]
async fn an_agent_that_moves_before_it_begins_is_published_to_where_it_is_now() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let first = agent.order().await;
    assert_eq!(agent.ask("192.0.2.99").await, None);
    stage.job(&job, "is published anew", |job| job.step == "waiting").await;
    let second = agent.ask("192.0.2.99").await.unwrap();
    assert_ne!(first.disks[0].target.secret, second.disks[0].target.secret);
    assert!(stage.world.state().published[&job].iter().all(|request| request.address == "192.0.2.99"));
    let sent = agent.copy_all(&second).await;
    agent.report(&job, &sent).await;
    assert_eq!(stage.ended(&job).await.step, "done");
}
