//! The catalogue is on the pool as well, and can be made anew from there.

use understudy_bus::error::Error;

use crate::agent::Agent;
use crate::rows::{count, rows};
use crate::stage::{Stage, next, within};

#[tokio::test]
async fn a_machine_is_on_the_pool_with_all_that_people_and_its_agent_say_of_it() {
    let stage = Stage::new().await;
    let agent = Agent::silent(&stage, "mail").await;
    let has = |machine: &str, words: &str| {
        let (machine, words) = (machine.to_owned(), words.to_owned());
        move |records: &std::collections::BTreeMap<String, String>| {
            records.get(&machine).is_some_and(|record| record.contains(&words))
        }
    };
    stage.world.records("it is there once paired", has(&agent.machine, &agent.key)).await;
    agent.tell_inventory().await;
    let disk = agent.inventory.disks[0].id.to_string();
    stage.world.records("its disks are there", has(&agent.machine, &disk)).await;
    stage.people.set_timetable("mail", "0 30 2 * * *", "Europe/Berlin").await.unwrap();
    stage.world.records("its timetable is there", has(&agent.machine, "Europe/Berlin")).await;
    assert!(stage.world.state().volumes.is_empty(), "no volume is needed for it");
}

#[tokio::test]
async fn a_record_that_cannot_be_written_is_written_later_and_fails_no_backup() {
    let stage = Stage::new().await;
    stage.world.state().records_to_fail = 2;
    let agent = Agent::new(&stage, "mail").await;
    agent.back_up(&stage).await;
    let disk = agent.inventory.disks[0].id.to_string();
    stage
        .world
        .records("it is there in the end", |records| {
            records.get(&agent.machine).is_some_and(|record| record.contains(&disk))
        })
        .await;
    assert_eq!(stage.world.state().records_to_fail, 0);
}

#[tokio::test]
async fn a_record_that_differs_is_written_again_when_the_service_starts() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let disk = agent.inventory.disks[0].id.to_string();
    let whole = |records: &std::collections::BTreeMap<String, String>| {
        records.get(&agent.machine).is_some_and(|record| record.contains(&disk))
    };
    stage.world.records("it is there", whole).await;
    stage.kill();
    stage.world.state().records.insert(agent.machine.clone(), "e30=".into());
    stage.start().await;
    stage.world.records("it is there again", whole).await;
}

#[tokio::test]
async fn a_record_that_is_too_long_is_written_without_the_inventory() {
    let stage = Stage::new().await;
    let mut agent = Agent::silent(&stage, "mail").await;
    agent.inventory.os = "x".repeat(100_000);
    agent.tell_inventory().await;
    stage.people.set_timetable("mail", "0 30 2 * * *", "").await.unwrap();
    stage
        .world
        .records("who it is and its timetable are there", |records| {
            records.get(&agent.machine).is_some_and(|record| {
                record.contains(&agent.key) && record.contains("0 30 2") && record.len() < 1000
            })
        })
        .await;
}

#[tokio::test]
async fn a_rebuilt_catalogue_is_row_by_row_the_same_and_everything_goes_on() {
    let stage = Stage::new().await;
    let (mail, files) = (Agent::new(&stage, "mail").await, Agent::new(&stage, "files").await);
    Agent::silent(&stage, "new").await;
    stage.people.set_timetable("mail", "0 30 2 * * *", "Europe/Berlin").await.unwrap();
    for agent in [&mail, &files, &mail] {
        agent.back_up(&stage).await;
    }
    let file = stage.state().join("catalogue.sqlite");
    let (before, points) = (rows(&file), stage.people.points("").await.unwrap());
    assert_eq!((before.machines.len(), before.points.len(), before.point_disks.len()), (3, 3, 6));

    let mut changes = stage.people.receive_machines_changed().await.unwrap();
    let rebuilt = stage.people.rebuild_catalogue().await.unwrap();
    assert_eq!((rebuilt.machines, rebuilt.points, rebuilt.unreadable.len()), (3, 3, 0));
    within("it is told", next(&mut changes)).await;
    assert_eq!(rows(&file), before);
    assert_eq!(stage.people.points("").await.unwrap(), points);
    assert_eq!((count(&file, "jobs"), count(&file, "job_steps")), (0, 0), "history begins anew");

    // The old one is kept whole, history and all.
    assert!(rebuilt.kept.contains("before-rebuild"), "{}", rebuilt.kept);
    let kept = std::path::Path::new(&rebuilt.kept);
    assert_eq!(rows(kept), before);
    assert_eq!(count(kept, "jobs"), 3);

    // The agent goes on without pairing, and its marks still count.
    let newest = points.iter().rev().find(|point| point.machine == mail.machine).unwrap().point.clone();
    let order = mail.back_up_as_ordered(&stage).await;
    for disk in &order.disks {
        let base = disk.base.unwrap();
        assert_eq!(base.point.to_string(), newest);
        assert_ne!(base.snapshot_guid, 0);
    }
    assert_eq!(rows(&file).points.len(), 4);
    assert_eq!(rows(kept), before, "nothing is written to the old one any more");
    within("the timetable is due again", async {
        while stage.people.machines().await.unwrap().iter().all(|machine| machine.due == 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stage.world.assert_clean();
}

#[tokio::test]
async fn nothing_is_rebuilt_while_a_job_runs_or_before_the_pool_was_read() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let job = stage.people.start_backup("mail").await.unwrap();
    match stage.people.rebuild_catalogue().await {
        Err(Error::Busy(words)) => assert!(words.contains(&job), "{words}"),
        answer => panic!("{answer:?}"),
    }
    stage.people.cancel_job(&job).await.unwrap();
    stage.ended(&job).await;
    stage.rebuild().await.unwrap();
    agent.back_up(&stage).await;

    stage.kill();
    stage.world.leave("org.understudy.Zfs1").await;
    stage.start().await;
    assert!(matches!(stage.people.rebuild_catalogue().await, Err(Error::NotReady(_))));
    assert_eq!(stage.people.points("mail").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_what_a_newer_release_wrote_is_left_alone() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    agent.back_up(&stage).await;
    agent.back_up(&stage).await;
    let newer = r#"{"version":9,"soul":"intact"}"#;
    stage.kill();
    let damaged = {
        let mut state = stage.world.state();
        state.records.insert(agent.machine.clone(), newer.into());
        state.points[1].0.record = "e30=".into();
        state.points[1].0.point.clone()
    };
    stage.start().await;
    // A catalogue that knows them does not give them up for one that would not.
    match stage.rebuild().await {
        Err(Error::Corrupt(words)) => {
            for word in [&agent.machine, &damaged, "version 9", "nothing was changed"] {
                assert!(words.contains(word), "{words}");
            }
        }
        answer => panic!("{answer:?}"),
    }
    assert_eq!(stage.people.points("mail").await.unwrap().len(), 2);
    agent.ask("192.0.2.7").await;

    // One that was lost knows from the pool what can be read: the machine from its other point.
    stage.kill();
    std::fs::remove_dir_all(stage.state()).unwrap();
    stage.start().await;
    let rebuilt = stage.rebuild().await.unwrap();
    assert_eq!((rebuilt.machines, rebuilt.points), (1, 1));
    let mut told: Vec<_> = rebuilt.unreadable.into_iter().map(|one| (one.what, one.why)).collect();
    told.sort();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].0 == format!("machine {}", agent.machine) && told[0].1.contains("version 9"), "{told:?}");
    assert!(
        told[1].0 == format!("recovery point {damaged}") && told[1].1.contains("cannot be read"),
        "{told:?}"
    );
    assert_eq!(stage.world.state().records[&agent.machine], newer);
}

#[tokio::test]
async fn a_damaged_catalogue_is_set_aside_and_made_anew_when_the_service_starts() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    stage.people.set_timetable("mail", "0 30 2 * * *", "").await.unwrap();
    agent.back_up(&stage).await;
    stage
        .world
        .records("the timetable is there", |records| records.values().all(|record| record.contains("0 30 2")))
        .await;
    stage.kill();
    let file = stage.state().join("catalogue.sqlite");
    let before = rows(&file);
    std::fs::write(&file, vec![0x5a; 40_000]).unwrap();
    stage.start().await;
    stage.machines_are_there().await;
    assert_eq!(rows(&file), before);
    agent.back_up(&stage).await;
    stage.world.assert_clean();
}

#[tokio::test]
async fn one_machines_damaged_points_hold_up_no_other_machine() {
    let mut stage = Stage::new().await;
    let (mail, files) = (Agent::new(&stage, "mail").await, Agent::new(&stage, "files").await);
    mail.back_up(&stage).await;
    files.back_up(&stage).await;
    stage.kill();
    stage.world.state().damaged_points_of = mail.machine.clone();
    stage.start().await;
    // A backup waits until the catalogue has been compared with the pool.
    files.back_up(&stage).await;
    assert_eq!(stage.people.points("mail").await.unwrap().len(), 1, "it is not taken for lost");
    match stage.rebuild().await {
        Err(Error::Corrupt(words)) => assert!(words.contains("has no readable size"), "{words}"),
        answer => panic!("{answer:?}"),
    }

    // A box that never knew that machine's point knows all others.
    stage.kill();
    std::fs::remove_dir_all(stage.state()).unwrap();
    stage.start().await;
    let rebuilt = stage.rebuild().await.unwrap();
    assert_eq!((rebuilt.machines, rebuilt.points, rebuilt.unreadable.len()), (2, 2, 1));
    assert!(rebuilt.unreadable[0].what.contains(&mail.machine), "{:?}", rebuilt.unreadable);
}
