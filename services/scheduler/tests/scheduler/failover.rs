//! Stand-ins.

use std::io::Read;

use understudy_bus::drivers::{DiskReport, Report};
use understudy_bus::error::Error;
use understudy_bus::scheduler::FailoverRequest;

use crate::agent::Agent;
use crate::stage::Stage;

fn request(machine: &str) -> FailoverRequest {
    FailoverRequest {
        machine: machine.into(),
        point: "latest".into(),
        cpus: 0,
        memory: 0,
        network: "isolated".into(),
        why: "test".into(),
    }
}

async fn ready() -> (Stage, Agent) {
    let stage = Stage::new().await;
    let agent = Agent::new(&stage, "mail").await;
    agent.back_up(&stage).await;
    let disks = vec![DiskReport { table: "gpt".into(), ..DiskReport::default() }];
    stage.world.state().inspection =
        Some(Report { version: 1, os: "Debian".into(), disks, ..Report::default() });
    (stage, agent)
}

#[tokio::test]
async fn a_stand_in_is_cloned_inspected_and_started_as_the_machine_was() {
    let (stage, agent) = ready().await;
    let vm = stage.people.failover(&request("mail")).await.unwrap();
    let running = stage.stand_in(&vm, "running").await;
    assert!(running.clone_seconds > 0.0 && running.running_seconds >= running.clone_seconds);
    assert!(running.inspection.contains("Debian"));
    {
        let state = stage.world.state();
        let spec = &state.specs[0];
        assert_eq!((spec.cpus, spec.memory, spec.firmware.as_str()), (1, 512 << 20, "uefi"));
        assert_eq!(spec.macs, ["52:54:00:12:34:56"]);
        let expected = [1, 0].map(|index| agent.inventory.disks[index].id.to_string());
        assert_eq!(spec.disks, expected, "the disk with the ESP comes first");
        assert!(state.clones.contains_key(&vm));
    }
    let mut console = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(
        stage.people.console(&vm).await.unwrap(),
    ));
    let mut said = String::new();
    console.read_to_string(&mut said).unwrap();
    assert_eq!(said, format!("console of {vm}"));
    assert!(stage.people.screenshot(&vm).await.is_ok());

    stage.people.stop_stand_in(&vm).await.unwrap();
    stage.stand_in(&vm, "stopped").await;
    stage.people.stop_stand_in(&vm).await.unwrap();
    assert!(matches!(stage.people.console(&vm).await, Err(Error::NotReady(_))));
    assert!(stage.world.state().clones.is_empty() && stage.world.state().vms.is_empty());
    stage.world.assert_clean();
}

#[tokio::test]
async fn a_vm_that_does_not_start_leaves_no_clones() {
    let (stage, _agent) = ready().await;
    stage.world.state().start_error = Some("no /dev/kvm".into());
    let vm = stage.people.failover(&request("mail")).await.unwrap();
    let failed = stage.stand_in(&vm, "failed").await;
    assert!(failed.message.contains("no /dev/kvm"), "{}", failed.message);
    assert!(stage.world.state().clones.is_empty());
    stage.world.state().start_error = None;
    let vm = stage.people.failover(&request("mail")).await.unwrap();
    stage.stand_in(&vm, "running").await;
    stage.world.assert_clean();
}

#[tokio::test]
async fn a_failing_inspection_is_recorded_and_the_vm_boots_all_the_same() {
    let (stage, _agent) = ready().await;
    stage.world.state().inspection = None;
    let vm = stage.people.failover(&request("mail")).await.unwrap();
    let running = stage.stand_in(&vm, "running").await;
    let report: Report = serde_json::from_str(&running.inspection).unwrap();
    assert!(report.problems[0].contains("helper VM did not come up"), "{report:?}");
}

#[tokio::test]
async fn blank_disks_are_not_booted() {
    let (stage, _agent) = ready().await;
    stage.world.state().inspection =
        Some(Report { version: 1, disks: vec![DiskReport::default()], ..Report::default() });
    let vm = stage.people.failover(&request("mail")).await.unwrap();
    let failed = stage.stand_in(&vm, "failed").await;
    assert!(failed.message.contains("nothing to boot"), "{}", failed.message);
    assert!(stage.world.state().clones.is_empty());
}

#[tokio::test]
async fn what_does_not_exist_or_is_not_possible_is_refused_and_says_what_is() {
    let (stage, agent) = ready().await;
    let point = stage.people.points("mail").await.unwrap().remove(0).point;
    let refused = async |change: &dyn Fn(&mut FailoverRequest)| {
        let mut asked = request("mail");
        change(&mut asked);
        stage.people.failover(&asked).await.unwrap_err()
    };
    let error = refused(&|asked| asked.point = "f".repeat(32)).await;
    assert!(matches!(&error, Error::NotFound(text) if text.contains(&point)), "{error:?}");
    let error = refused(&|asked| asked.machine = "nobody".into()).await;
    assert!(matches!(&error, Error::NotFound(text) if text.contains("mail")), "{error:?}");
    let error = refused(&|asked| asked.network = "lan".into()).await;
    assert!(matches!(&error, Error::InvalidArgument(text) if text.contains("isolated")), "{error:?}");
    let error = refused(&|asked| asked.why = "fun".into()).await;
    assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
    let error = refused(&|asked| asked.cpus = 100_000).await;
    assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
    let bare = Agent::new(&stage, "files").await;
    let error = refused(&|asked| asked.machine = bare.machine.clone()).await;
    assert!(matches!(&error, Error::NotFound(text) if text.contains("no recovery point yet")), "{error:?}");
    assert!(stage.people.stand_ins().await.unwrap().is_empty());
    assert_eq!(agent.machine.len(), 32);
}

#[tokio::test]
async fn a_vm_that_ends_by_itself_keeps_its_disks_until_it_is_stopped() {
    let (mut stage, _agent) = ready().await;
    let vm = stage.people.failover(&request("mail")).await.unwrap();
    stage.stand_in(&vm, "running").await;
    stage.world.guest_ends(&vm).await;
    let ended = stage.stand_in(&vm, "stopped").await;
    assert!(ended.message.contains("disks are kept"), "{}", ended.message);
    stage.kill();
    stage.start().await;
    stage.stand_in(&vm, "stopped").await;
    assert!(stage.world.state().clones.contains_key(&vm));
    stage.people.stop_stand_in(&vm).await.unwrap();
    assert!(stage.world.state().clones.is_empty());
}

#[tokio::test]
async fn a_running_stand_in_survives_a_restart_of_the_scheduler() {
    let (mut stage, _agent) = ready().await;
    let vm = stage.people.failover(&request("mail")).await.unwrap();
    stage.stand_in(&vm, "running").await;
    stage.kill();
    stage.start().await;
    let agent = Agent::new(&stage, "files").await;
    agent.back_up(&stage).await;
    stage.stand_in(&vm, "running").await;
    assert!(stage.world.state().clones.contains_key(&vm) && stage.world.state().vms.contains_key(&vm));
}

#[tokio::test]
async fn the_catalogue_is_not_made_anew_while_a_stand_in_has_its_disks() {
    let (stage, _) = ready().await;
    let vm = stage.people.failover(&request("mail")).await.unwrap();
    stage.stand_in(&vm, "running").await;
    match stage.people.rebuild_catalogue().await {
        Err(Error::Busy(words)) => assert!(words.contains(&vm), "{words}"),
        answer => panic!("{answer:?}"),
    }
    stage.world.guest_ends(&vm).await;
    stage.stand_in(&vm, "stopped").await;
    assert!(
        matches!(stage.people.rebuild_catalogue().await, Err(Error::Busy(_))),
        "its disks are still there"
    );
    stage.people.stop_stand_in(&vm).await.unwrap();
    assert_eq!(stage.people.rebuild_catalogue().await.unwrap().points, 1);
}
