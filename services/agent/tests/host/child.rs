//! An agent that can be killed: this program, started again.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use understudy_agent::backup::{self, Limits};
use understudy_agent::config::BackupSettings;
use understudy_agent::link::{Link, LinkError};
use understudy_agent::tracker::Tracker;
use understudy_wire::{BlockHash, DiskId, Inventory, JobId, Order, Outcome, Progress, Report, Standing};

pub const FLAG: &str = "--be-an-agent";

/// Says on standard output when the first blocks were sent, and then, if asked to, goes no further.
struct Stalling(bool);

impl Link for Stalling {
    fn progress(&self, _: JobId, _: &Progress) -> Result<Standing, LinkError> {
        Ok(Standing { wanted: true })
    }
    fn blocks(&self, _: JobId, _: DiskId, _: &[BlockHash]) -> Result<(), LinkError> {
        println!("blocks sent");
        if !self.0 {
            return Ok(());
        }
        loop {
            std::thread::park();
        }
    }
    /// Of nothing, so that every block is sent.
    fn hashes(&self, _: JobId, _: DiskId, _: u64, count: u64) -> Result<Vec<[u8; 32]>, LinkError> {
        Ok(vec![[0; 32]; count as usize])
    }
    fn report(&self, _: JobId, _: &Report) -> Result<(), LinkError> {
        Ok(())
    }
    fn outcome(&self, _: JobId, _: Duration) -> Result<Outcome, LinkError> {
        Ok(Outcome::Running)
    }
    fn box_address(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }
}

pub fn main(arguments: &[String]) {
    let [pins, state, socket, job, port, mode] = arguments else { panic!("{arguments:?}") };
    let (order, inventory): (Order, Inventory) =
        serde_json::from_slice(&std::fs::read(job).unwrap()).unwrap();
    let mut tracker = Tracker::open_at(pins.as_ref(), state.as_ref(), &inventory.disks).unwrap();
    let limits = Limits {
        frozen_memory: 64 << 20,
        patience: Duration::from_secs(5),
        watchdog: PathBuf::from(socket),
        fault: None,
    };
    let settings = BackupSettings {
        instant_port: (port != "-").then(|| PathBuf::from(port)),
        ..BackupSettings::default()
    };
    let link = Stalling(mode == "stall");
    let result = backup::run_with(&order, &inventory, &link, &mut tracker, &settings, &limits);
    panic!("this agent should have been killed, but ended with {result:?}");
}
