//! Backups that go wrong: each ends in one clear message, with nothing published, and the next one succeeds.

use understudy_bus::error::Error;
use understudy_wire::{BLOCK, Outcome, Report};

use crate::agent::Agent;
use crate::stage::Stage;

/// Checks how a job has failed, and that the next backup is whole.
async fn assert_failed_clean(stage: &Stage, agent: &Agent, job: &str, words: &[&str]) {
    let ended = stage.ended(job).await;
    assert_eq!(ended.step, "failed");
    for word in words {
        assert!(ended.message.contains(word), "{word:?} is not in: {}", ended.message);
    }
    assert_eq!(agent.outcome(job).await, Outcome::Failed { message: ended.message });
    assert!(!agent.progress(job, 1).await, "the agent is told that the job is no longer wanted");
    stage.world.assert_clean();
    agent.back_up(stage).await;
    agent.assert_newest_point_is_this();
    stage.world.assert_clean();
}

#[tokio::test]
async fn a_flipped_bit_is_noticed_before_the_snapshot() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    let sent = agent.copy_all(&order).await;
    let disk = order.disks[1].disk.to_string();
    stage.world.damage(&agent.machine, &disk, 3 * BLOCK + 17);
    agent.report(&job, &sent).await;
    assert_failed_clean(&stage, &agent, &job, &["block 3 ", &disk]).await;
    assert_eq!(stage.people.points("mail").await.unwrap().len(), 1);
}

#[tokio::test]
async fn lost_block_records_are_noticed() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    let mut sent = agent.copy_all(&order).await;
    *sent.values_mut().next().unwrap() += BLOCK;
    agent.report(&job, &sent).await;
    assert_failed_clean(&stage, &agent, &job, &["distinct bytes"]).await;
}

#[tokio::test]
async fn what_the_agent_says_went_wrong_is_what_people_read() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    agent.order().await;
    agent.progress(&job, 0).await;
    let error = Some("the agent was restarted in mid-copy".to_owned());
    agent.send_report(&job, &Report { error, frozen_seconds: 0.0, disks: Default::default() }).await;
    assert_failed_clean(&stage, &agent, &job, &["restarted in mid-copy"]).await;
}

#[tokio::test]
async fn an_agent_that_falls_silent_is_given_up() {
    let stage = Stage::impatient().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    agent.copy_blocks(&job, order.disks[0].disk, &[0, 1]).await.unwrap();
    assert_failed_clean(&stage, &agent, &job, &["no progress for 1 s"]).await;
}

#[tokio::test]
async fn an_agent_that_never_begins_is_given_up() {
    let stage = Stage::impatient().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    assert_failed_clean(&stage, &agent, &job, &["did not begin", "mail"]).await;
}

#[tokio::test]
async fn a_second_backup_while_one_runs_is_refused_and_names_the_job() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let other = Agent::new(&stage, "files").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    match stage.people.start_backup("mail").await {
        Err(Error::Busy(text)) => assert!(text.contains(&job), "{text}"),
        answer => panic!("{answer:?}"),
    }
    other.back_up(&stage).await;
    let order = agent.order().await;
    let sent = agent.copy_all(&order).await;
    agent.report(&job, &sent).await;
    assert_eq!(stage.ended(&job).await.step, "done");
}

#[tokio::test]
async fn a_target_that_does_not_go_away_is_reported_and_tried_again_until_it_does() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    let sent = agent.copy_all(&order).await;
    stage.world.state().withdrawals_to_fail = 3;
    agent.report(&job, &sent).await;
    let stuck = stage.job(&job, "says why it is stuck", |job| job.stage.contains("lost session")).await;
    assert_eq!(stuck.step, "withdrawing");
    assert_eq!(stage.ended(&job).await.step, "done");
    stage.world.assert_clean();
}

#[tokio::test]
async fn a_cancelled_backup_leaves_nothing() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    agent.copy_blocks(&job, order.disks[0].disk, &[0, 1]).await.unwrap();
    stage.people.cancel_job(&job).await.unwrap();
    assert_failed_clean(&stage, &agent, &job, &["cancelled"]).await;
    assert!(matches!(
        agent.copy_blocks(&job, order.disks[0].disk, &[]).await,
        Err(Error::NotReady(text)) if text.contains("cancelled")
    ));
}

#[tokio::test]
async fn a_service_that_is_away_for_a_moment_fails_nothing() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    let sent = agent.copy_all(&order).await;
    for name in crate::world::NAMES {
        stage.world.leave(name).await;
    }
    agent.report(&job, &sent).await;
    stage.job(&job, "waits for iscsi-manager", |job| job.stage.contains("cannot be withdrawn yet")).await;
    for name in crate::world::NAMES {
        stage.world.come_back(name).await;
    }
    assert_eq!(stage.ended(&job).await.step, "done");
}

#[tokio::test]
async fn a_machine_that_told_no_disks_cannot_be_backed_up_yet() {
    let stage = Stage::new().await;
    let agent = Agent::silent(&stage, "mail").await;
    assert!(matches!(stage.people.start_backup(&agent.machine).await, Err(Error::NotReady(_))));
    match stage.people.start_backup("nobody").await {
        Err(Error::NotFound(text)) => assert!(text.contains("mail"), "{text}"),
        answer => panic!("{answer:?}"),
    }
}
