//! The pool comes to a box that has never seen its machines.

use understudy_bus::error::Error;

use crate::agent::Agent;
use crate::rows::rows;
use crate::stage::{Stage, within};

/// The state of the old box is gone, once all it knows of machines is on the pool; the pool is in the new one.
async fn move_pool(stage: &mut Stage) {
    let machines = stage.people.machines().await.unwrap();
    stage
        .world
        .records("all is on the pool", |records| {
            machines.iter().all(|machine| {
                let record = records.get(&machine.machine).map(String::as_str).unwrap_or("null");
                let record: serde_json::Value = serde_json::from_str(record).unwrap();
                record["inventory"] == machine.inventory && record["timetable"] == machine.timetable
            })
        })
        .await;
    stage.kill();
    std::fs::remove_dir_all(stage.state()).unwrap();
    stage.start().await;
    stage.machines_are_there().await;
}

#[tokio::test]
async fn importing_a_pool_brings_its_machines_timetables_and_points() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    stage.people.set_timetable("mail", "0 30 2 * * *", "Europe/Berlin").await.unwrap();
    agent.back_up(&stage).await;
    Agent::silent(&stage, "never-backed-up").await;
    let file = stage.state().join("catalogue.sqlite");
    let before = rows(&file);
    move_pool(&mut stage).await;
    assert_eq!(rows(&file), before);
    assert_eq!((before.machines.len(), before.points.len()), (2, 1));
}

#[tokio::test]
async fn an_agent_paired_as_a_machine_takes_over_its_points_and_compares_once() {
    let mut stage = Stage::new().await;
    let mut agent = Agent::new(&stage, "mail").await;
    agent.back_up(&stage).await;
    let (machine, old_key) = (agent.machine.clone(), agent.key.clone());
    move_pool(&mut stage).await;
    agent.pair_as(&stage, "mail").await;
    assert_eq!(agent.machine, machine);
    assert_eq!(stage.people.machines().await.unwrap().len(), 1);
    let denied = stage.agents.order(&machine, &old_key, "192.0.2.7").await;
    assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");

    let first = agent.back_up_as_ordered(&stage).await;
    let points = stage.people.points("mail").await.unwrap();
    assert_eq!(points.len(), 2);
    for disk in &first.disks {
        let base = disk.base.expect("what the volume holds is told");
        assert_eq!((base.point.to_string(), base.snapshot_guid), (points[0].point.clone(), 0));
    }
    let second = agent.back_up_as_ordered(&stage).await;
    for disk in &second.disks {
        let base = disk.base.unwrap();
        assert_eq!(base.point.to_string(), points[1].point);
        assert_ne!(base.snapshot_guid, 0, "its own marks count");
    }
    stage.world.assert_clean();
}

#[tokio::test]
async fn an_ordinary_code_never_makes_a_known_machine_of_a_stranger() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    agent.back_up(&stage).await;
    move_pool(&mut stage).await;
    // It says everything of itself that the machine says, but has another key.
    let (code, _) = stage.people.new_pairing_code().await.unwrap();
    let key = "0123456789abcdef".repeat(4);
    let stranger = stage.agents.register(&code[..4], "mail", &key).await.unwrap();
    assert_ne!(stranger, agent.machine);
    let inventory = serde_json::to_string(&agent.inventory).unwrap();
    stage.agents.inventory(&stranger, &key, &inventory).await.unwrap();
    assert_eq!(stage.people.machines().await.unwrap().len(), 2);
    assert_eq!(stage.people.points(&stranger).await.unwrap(), []);
    let denied = stage.agents.order(&agent.machine, &key, "192.0.2.7").await;
    assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
}

#[tokio::test]
async fn a_code_for_a_machine_is_used_once_and_not_in_mid_backup() {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    let (early, _) = stage.people.new_pairing_code_for("mail").await.unwrap();
    let job = stage.people.start_backup("mail").await.unwrap();
    agent.order().await;
    assert!(matches!(stage.people.new_pairing_code_for("mail").await, Err(Error::Busy(_))));
    let key = "0123456789abcdef".repeat(4);
    match stage.agents.register(&early[..4], "mail", &key).await {
        Err(Error::Busy(words)) => assert!(words.contains(&job), "{words}"),
        answer => panic!("{answer:?}"),
    }
    assert!(stage.agents.order(&agent.machine, &agent.key, "192.0.2.7").await.is_ok(), "nothing has changed");
    stage.people.cancel_job(&job).await.unwrap();
    stage.ended(&job).await;

    let other = Agent::new(&stage, "files").await;
    let (code, _) = stage.people.new_pairing_code_for("mail").await.unwrap();
    let taken = stage.agents.register(&code[..4], "files", &other.key).await;
    assert!(matches!(taken, Err(Error::Exists(_))), "an agent is one machine: {taken:?}");
    let (code, _) = stage.people.new_pairing_code_for(&agent.machine).await.unwrap();
    assert_eq!(stage.agents.register(&code[..4], "mail", &key).await.unwrap(), agent.machine);
    assert_eq!(
        stage.agents.register(&code[..4], "mail", &key).await.unwrap(),
        agent.machine,
        "a lost answer"
    );
    let again = stage.agents.register(&code[..4], "mail", &"f".repeat(64)).await;
    assert!(matches!(again, Err(Error::NotFound(_))), "{again:?}");
    assert!(matches!(stage.people.new_pairing_code_for("nobody").await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn disks_of_the_other_boxs_stand_ins_stay_until_a_person_gives_them_up() {
    let mut stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    agent.back_up(&stage).await;
    let vm = "e".repeat(32);
    {
        let mut state = stage.world.state();
        let point = state.points[0].0.point.clone();
        state.clones.insert(vm.clone(), (agent.machine.clone(), point));
    }
    move_pool(&mut stage).await;
    for stray in ["1".repeat(32), "2".repeat(32)] {
        // One that appears later is a stray, and its end shows that all were looked at.
        stage.kill();
        stage.world.state().clones.insert(stray.clone(), (stray.clone(), stray.clone()));
        stage.start().await;
        within("the stray is gone", async {
            while stage.world.state().clones.contains_key(&stray) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(stage.world.state().clones.contains_key(&vm));
        let shown = stage.people.stand_ins().await.unwrap();
        assert_eq!(
            shown.iter().map(|one| (&one.vm, one.state.as_str())).collect::<Vec<_>>(),
            [(&vm, "kept")]
        );
    }
    stage.people.stop_stand_in(&vm).await.unwrap();
    assert!(stage.world.state().clones.is_empty());
    assert!(stage.people.stand_ins().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_backup_of_a_machine_that_is_not_paired_with_this_box_says_how_to_pair_it() {
    let mut stage = Stage::without_scheduler(1).await;
    stage.start().await;
    Agent::new(&stage, "mail").await;
    move_pool(&mut stage).await;
    let job = stage.people.start_backup("mail").await.unwrap();
    let ended = stage.ended(&job).await;
    assert_eq!(ended.step, "failed");
    assert!(ended.message.contains("understudy pair --as mail"), "{}", ended.message);
}
