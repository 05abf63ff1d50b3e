//! The agent's service loop: waits for pairing, introduces the machine, carries out orders, survives the box.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use understudy_agent::inventory::Root;
use understudy_agent::link::Link;
use understudy_agent::service::{Engine, Inventories, Service};
use understudy_agent::state::StateDir;
use understudy_agent::status::{Board, Status};
use understudy_wire::{Disk, Inventory, Order, Outcome, RecoveryPointId, Report};

use crate::machine;
use crate::world::{World, blocking};

const LONG: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq)]
enum Did {
    Recover,
    Disks(Vec<String>),
    Backup(Order, Vec<String>),
}

/// Says what it is asked to do, and does no more than report.
struct Recorder(mpsc::Sender<Did>);

fn names(disks: &[Disk]) -> Vec<String> {
    disks.iter().map(|disk| disk.name.clone()).collect()
}

impl Engine for Recorder {
    fn recover(&mut self, _: &dyn Link) -> anyhow::Result<()> {
        self.0.send(Did::Recover).map_err(Into::into)
    }

    fn disks_changed(&mut self, disks: &[Disk]) -> anyhow::Result<()> {
        self.0.send(Did::Disks(names(disks))).map_err(Into::into)
    }

    fn run(&mut self, order: &Order, inventory: &Inventory, link: &dyn Link) -> anyhow::Result<()> {
        link.report(order.job, &Report { error: None, frozen_seconds: 0.0, disks: Default::default() })?;
        self.0.send(Did::Backup(order.clone(), names(&inventory.disks)))?;
        match link.outcome(order.job, LONG)? {
            Outcome::Done { .. } => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    }
}

/// Runs the service in a thread of its own, which ends with the test's process.
fn start(dir: &Path) -> (StateDir, mpsc::Receiver<Did>) {
    machine::tree(&dir.join("root"));
    let state = StateDir::open(&dir.join("state")).unwrap();
    let (did, seen) = mpsc::channel();
    let (own, run, root) = (state.clone(), dir.join("run"), Root::new(dir.join("root")));
    std::thread::spawn(move || {
        let mut service = Service {
            state: &own,
            board: Board::open(&run).unwrap(),
            inventories: Inventories::open(root, Box::new(machine::Ext4), &own).unwrap(),
            engine: &mut Recorder(did),
            disks: Vec::new(),
        };
        // It ends when the test has ended and taken its directory away; if it ends before, the test waits in vain.
        eprintln!("the service ended: {:#}", service.run().unwrap_err());
    });
    (state, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_waits_for_pairing_then_introduces_the_machine_and_takes_orders() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let (state, seen) = start(dir.path());
    let machine = world.pair(&state, &world.scheduler.invite(), false).await.unwrap();
    let seen = blocking(move || {
        assert_eq!(seen.recv_timeout(LONG).unwrap(), Did::Recover);
        assert_eq!(seen.recv_timeout(LONG).unwrap(), Did::Disks(vec!["vda".into()]));
        seen
    })
    .await;
    world.scheduler.until_asked(1).await;
    {
        let memory = world.scheduler.memory.lock().unwrap();
        let [(from, inventory)] = memory.inventories.as_slice() else { panic!("one inventory is expected") };
        assert_eq!((from, names(&inventory.disks)), (&machine.to_string(), vec!["vda".to_owned()]));
    }

    let order = world.scheduler.give_order(machine);
    world.running.as_ref().unwrap().ring(machine).await;
    let expected = Did::Backup(order.clone(), vec!["vda".into()]);
    let seen = blocking(move || {
        assert_eq!(seen.recv_timeout(LONG).unwrap(), expected);
        seen
    })
    .await;
    let asked = world.scheduler.asked();
    world.scheduler.end(order.job, Outcome::Done { point: RecoveryPointId::new(), disks: Vec::new() });
    world.running.as_ref().unwrap().ring(machine).await;
    // The outcome, and then the next question for an order.
    world.scheduler.until_asked(asked + 2).await;
    let status = Status::read(&state, &dir.path().join("run")).unwrap().to_string();
    assert!(status.contains(&format!("job {} done", order.job)), "{status}");
    assert_eq!(
        world.scheduler.memory.lock().unwrap().inventories.len(),
        1,
        "nothing changed, nothing was sent"
    );
    drop(seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_goes_on_when_the_box_comes_back() {
    let mut world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let (state, seen) = start(dir.path());
    let machine = world.pair(&state, &world.scheduler.invite(), false).await.unwrap();
    world.scheduler.until_asked(1).await;
    world.stop_scheduler().await;
    let order = world.scheduler.give_order(machine);
    world.start_scheduler().await;
    blocking(move || {
        let job = order.job;
        let backup = seen.iter().find(|did| matches!(did, Did::Backup(order, _) if order.job == job));
        assert!(backup.is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_paired_anew_introduces_itself_to_the_new_box() {
    let (old, new) = (World::new().await, World::new().await);
    let dir = tempfile::tempdir().unwrap();
    let (state, _seen) = start(dir.path());
    old.pair(&state, &old.scheduler.invite(), false).await.unwrap();
    old.scheduler.until_asked(1).await;
    new.pair(&state, &new.scheduler.invite(), true).await.unwrap();
    // Its question to the old box is open still; it ends here at once, and after half a minute otherwise.
    old.stop_gateway().await;
    new.scheduler.until_asked(1).await;
    assert_eq!(new.scheduler.memory.lock().unwrap().inventories.len(), 1);
}
