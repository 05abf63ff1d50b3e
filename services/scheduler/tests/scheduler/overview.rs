//! What a console shows.

use crate::agent::Agent;
use crate::stage::{Stage, next, within};

#[tokio::test]
async fn a_machine_is_protected_once_it_has_a_timetable_and_a_point_and_not_while_its_backups_fail() {
    let stage = Stage::new().await;
    assert_eq!(stage.people.overview().await.unwrap(), []);
    let mut changes = stage.people.receive_machines_changed().await.unwrap();
    let agent = Agent::new(&stage, "mail").await;
    within("a new machine is told", next(&mut changes)).await;
    let one = async || stage.people.overview().await.unwrap().remove(0);
    let at_first = one().await;
    assert_eq!((at_first.name.as_str(), &at_first.machine), ("mail", &agent.machine));
    assert_eq!((at_first.protected, at_first.backed_up, at_first.due), (false, 0, 0));

    let job = stage.people.start_backup("mail").await.unwrap();
    let order = agent.order().await;
    let waiting = one().await;
    assert_eq!((waiting.job.as_str(), waiting.percent), (job.as_str(), 0));
    agent.progress(&job, 50).await;
    let half = one().await;
    assert_eq!((half.step.as_str(), half.percent), ("copying", 50));
    let sent = agent.copy_all(&order).await;
    agent.report(&job, &sent).await;
    stage.ended(&job).await;
    let done = one().await;
    assert_eq!((done.protected, done.backed_up), (false, 1_800_000_000), "no timetable yet");
    assert_eq!((done.job.as_str(), done.step.as_str(), done.percent), ("", "", 0));

    stage.people.set_timetable("mail", "0 30 2 * * *", "").await.unwrap();
    let timetabled = one().await;
    assert!(timetabled.protected && timetabled.due > 1_700_000_000);

    let job = stage.people.start_backup("mail").await.unwrap();
    assert!(one().await.protected, "a running job has not failed");
    stage.people.cancel_job(&job).await.unwrap();
    stage.ended(&job).await;
    let failed = one().await;
    assert!(!failed.protected && failed.failure.contains("cancelled"), "{}", failed.failure);
    assert_eq!(failed.backed_up, 1_800_000_000);
    agent.back_up(&stage).await;
    assert!(one().await.protected);
}
