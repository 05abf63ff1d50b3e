//! Timetables.

use understudy_bus::error::Error;

use crate::agent::Agent;
use crate::stage::Stage;

#[tokio::test]
async fn a_due_time_starts_a_backup_by_itself() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    stage.people.set_timetable("mail", "* * * * * *", "Europe/Berlin").await.unwrap();
    let order = agent.order().await;
    stage.people.set_timetable("mail", "", "").await.unwrap();
    let sent = agent.copy_all(&order).await;
    agent.report(&order.job.to_string(), &sent).await;
    let ended = stage.ended(&order.job.to_string()).await;
    assert_eq!((ended.step.as_str(), ended.cause.as_str()), ("done", "timetable"));
    let machine = &stage.people.machines().await.unwrap()[0];
    assert_eq!((machine.timetable.as_str(), machine.due), ("", 0));
}

#[tokio::test]
async fn a_timetable_survives_a_restart_and_is_kept() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    stage.kill();
    stage.start().await;
    stage.people.set_timetable("mail", "0 0 3 1 1 *", "UTC").await.unwrap();
    let due = stage.people.machines().await.unwrap()[0].due;
    stage.kill();
    stage.start().await;
    assert_eq!(stage.people.machines().await.unwrap()[0].due, due);
    stage.people.set_timetable("mail", "* * * * * *", "UTC").await.unwrap();
    agent.order().await;
}

#[tokio::test]
async fn what_is_no_timetable_is_refused_and_changes_nothing() {
    let stage = Stage::new().await;
    Agent::new(&stage, "mail").await;
    for (times, zone) in [("every night", "UTC"), ("0 2 * * *", "UTC"), ("0 0 2 * * *", "Nowhere/Land")] {
        let refused = stage.people.set_timetable("mail", times, zone).await;
        assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{times}: {refused:?}");
    }
    assert_eq!(stage.people.machines().await.unwrap()[0].timetable, "");
}
