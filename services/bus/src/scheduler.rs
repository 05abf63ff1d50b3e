//! `org.understudy.Scheduler1`: the brain. [`Scheduler`] is for people (cli, setup-wizard; a console that only shows may call
//! [`Scheduler::overview`] and [`Scheduler::new_pairing_code`] and hear the signals); [`Agents`] is for the gateway alone, which passes
//! on what paired agents ask.

#![allow(missing_docs, reason = "the types the proxy macro makes for signals carry none")]

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::{OwnedFd, Type};

use crate::error::Result;

/// Well-known name.
pub const NAME: &str = "org.understudy.Scheduler1";
/// Object path of both interfaces.
pub const PATH: &str = "/org/understudy/Scheduler1";

/// A protected machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Machine {
    /// Machine id.
    pub machine: String,
    /// Host name.
    pub name: String,
    /// JSON of [`understudy_wire::Inventory`]; empty before the first one.
    pub inventory: String,
    /// When its agent last called, seconds since 1970-01-01 UTC; 0 if never.
    pub seen: u64,
    /// Cron expression with seconds (six fields), empty for none.
    pub timetable: String,
    /// IANA time zone the timetable is meant in.
    pub time_zone: String,
    /// When the timetable is due next, seconds since 1970-01-01 UTC; 0 if never.
    pub due: u64,
    /// The running job; empty if none.
    pub job: String,
}

/// A machine at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct MachineOverview {
    /// Machine id.
    pub machine: String,
    /// Host name.
    pub name: String,
    /// It is paired, has a timetable and a recovery point, and its last backup that ended did not fail.
    pub protected: bool,
    /// When its newest recovery point was taken, seconds since 1970-01-01 UTC; 0 if it has none.
    pub backed_up: u64,
    /// When its timetable is due next, seconds since 1970-01-01 UTC; 0 if never.
    pub due: u64,
    /// What, why, what next, where its last backup that ended failed; empty otherwise.
    pub failure: String,
    /// The running job; empty if none.
    pub job: String,
    /// The step the job is in, see [`Job::step`]; empty if none runs.
    pub step: String,
    /// How much of what is to be sent has been sent, from 0 to 100; 100 while it is being checked, 0 if no job runs.
    pub percent: u8,
}

/// What became of [`Scheduler::rebuild_catalogue`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Rebuilt {
    /// Machines in the new catalogue.
    pub machines: u32,
    /// Recovery points in it.
    pub points: u32,
    /// What is on the pool and could not be read, so that it is not in the catalogue.
    pub unreadable: Vec<Unreadable>,
    /// The file that holds the catalogue as it was before.
    pub kept: String,
}

/// Something on the pool that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Unreadable {
    /// `machine ID` or `recovery point ID`.
    pub what: String,
    /// Why, and what next.
    pub why: String,
}

/// A run of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Job {
    /// Job id.
    pub job: String,
    /// Machine id.
    pub machine: String,
    /// `timetable` or `request`.
    pub cause: String,
    /// The step it is in: `preparing`, `publishing`, `waiting`, `copying`, `withdrawing`, `verifying`, `snapshotting`, then `done` or
    /// `failed`.
    pub step: String,
    /// What, why, what next, for a failed job; empty otherwise.
    pub message: String,
    /// The agent's own word for its stage.
    pub stage: String,
    /// Bytes sent so far.
    pub sent: u64,
    /// Bytes that will have been sent at the end, as far as is known.
    pub expected: u64,
    /// Start, seconds since 1970-01-01 UTC.
    pub started: u64,
    /// Seconds it took, or has taken so far.
    pub seconds: f64,
    /// Recovery point made; empty if none.
    pub point: String,
    /// JSON of [`understudy_wire::Report`]; empty before the agent's report.
    pub report: String,
}

/// A recovery point in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Point {
    /// Recovery point id.
    pub point: String,
    /// Machine id.
    pub machine: String,
    /// The job that made it.
    pub job: String,
    /// When, seconds since 1970-01-01 UTC.
    pub created: u64,
    /// Disk ids.
    pub disks: Vec<String>,
}

/// What is to be booted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct FailoverRequest {
    /// Machine id, or its host name where that is unique.
    pub machine: String,
    /// Recovery point id, or `latest`.
    pub point: String,
    /// Processors; 0 for as many as the machine had.
    pub cpus: u32,
    /// Memory in bytes; 0 for as much as the machine had.
    pub memory: u64,
    /// `isolated`.
    pub network: String,
    /// `disaster`, `test` or `verify`.
    pub why: String,
}

/// A VM that stands in for a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct StandIn {
    /// VM id.
    pub vm: String,
    /// Machine id.
    pub machine: String,
    /// Host name.
    pub name: String,
    /// Recovery point id.
    pub point: String,
    /// `isolated`.
    pub network: String,
    /// `disaster`, `test` or `verify`.
    pub why: String,
    /// `cloning`, `inspecting`, `starting`, `running`, `stopping`, `stopped` or `failed`; or `kept`: its disks were found on the pool when
    /// the catalogue was made from it, nothing else is known of it, and its texts are empty.
    pub state: String,
    /// What, why, what next, where it failed; empty otherwise.
    pub message: String,
    /// JSON of [`crate::drivers::Report`]; empty before the inspection.
    pub inspection: String,
    /// Seconds that cloning took; 0 before.
    pub clone_seconds: f64,
    /// Seconds from the request until the guest's processors ran; 0 before.
    pub running_seconds: f64,
}

/// For people.
#[proxy(
    interface = "org.understudy.Scheduler1.Manager",
    default_service = "org.understudy.Scheduler1",
    default_path = "/org/understudy/Scheduler1"
)]
pub trait Scheduler {
    /// A new one-time pairing code and when it expires (seconds since 1970-01-01 UTC).
    fn new_pairing_code(&self) -> Result<(String, u64)>;

    /// The same for a code that does not make a new machine: whoever uses it is this machine from then on, with its volumes and recovery
    /// points, and the agent that was it before is shut out. Its next backup compares. `Busy` while the machine is backed up.
    fn new_pairing_code_for(&self, machine: &str) -> Result<(String, u64)>;

    /// All machines.
    fn machines(&self) -> Result<Vec<Machine>>;

    /// All machines at a glance, by name.
    fn overview(&self) -> Result<Vec<MachineOverview>>;

    /// Makes the catalogue anew from what is on the pool, and keeps the old one's file. Its machines, timetables and recovery points are the
    /// same afterwards; the history of jobs and stand-ins, which is not on the pool, begins anew. `Busy` while a job runs or a stand-in
    /// has its disks; `NotReady` without a pool; `Corrupt` if something that the old one knows and the pool has could not be read, so
    /// that the new one would know less.
    fn rebuild_catalogue(&self) -> Result<Rebuilt>;

    /// Sets a machine's timetable: a cron expression of six fields, seconds first, in an IANA time zone. Empty removes it.
    fn set_timetable(&self, machine: &str, timetable: &str, time_zone: &str) -> Result<()>;

    /// Starts a backup now and returns the job. `Busy` while one runs, naming it.
    fn start_backup(&self, machine: &str) -> Result<String>;

    /// Ends a running job: its LUN is withdrawn, its volume counts as its base again.
    fn cancel_job(&self, job: &str) -> Result<()>;

    /// Jobs of a machine, or of all if empty, newest first.
    fn jobs(&self, machine: &str) -> Result<Vec<Job>>;

    /// Recovery points of a machine, or of all if empty, oldest first.
    fn points(&self, machine: &str) -> Result<Vec<Point>>;

    /// Starts a stand-in and returns its VM id at once; its progress is in [`StandIn::state`].
    fn failover(&self, request: &FailoverRequest) -> Result<String>;

    /// All stand-ins, and those that failed or were stopped since the service started.
    fn stand_ins(&self) -> Result<Vec<StandIn>>;

    /// Ends a stand-in and destroys its clones: what it wrote is gone.
    fn stop_stand_in(&self, vm: &str) -> Result<()>;

    /// A connected stream socket to a stand-in's serial console.
    fn console(&self, vm: &str) -> Result<OwnedFd>;

    /// A stand-in's screen as a PNG, in a memfd.
    fn screenshot(&self, vm: &str) -> Result<OwnedFd>;

    /// A machine is new, or its name, what it told of itself, or its timetable changed; or all of that, when the catalogue was made anew.
    #[zbus(signal)]
    fn machines_changed(&self) -> zbus::Result<()>;

    /// Something about a job changed.
    #[zbus(signal)]
    fn job_changed(&self, job: &str) -> zbus::Result<()>;

    /// Something about a stand-in changed.
    #[zbus(signal)]
    fn stand_in_changed(&self, vm: &str) -> zbus::Result<()>;
}

/// For the gateway. Every call names the machine as its certificate does. No call waits: [`Agents::changed`] says when
/// asking again is worth while, so that a hundred waiting agents do not hold a hundred replies open on the bus.
#[proxy(
    interface = "org.understudy.Scheduler1.Agents",
    default_service = "org.understudy.Scheduler1",
    default_path = "/org/understudy/Scheduler1"
)]
pub trait Agents {
    /// Counts one try against a pairing code and returns the whole code; `NotFound` if it is unknown, used up, expired, or was
    /// tried too often.
    fn pairing_attempt(&self, selector: &str) -> Result<String>;

    /// Uses the code up and makes the machine. `key` is the SHA-256 of the agent's public key (SubjectPublicKeyInfo, hexadecimal): the same key
    /// with the same selector gives the same machine again, so that a lost answer can be asked for once more.
    fn register(&self, selector: &str, host_name: &str, key: &str) -> Result<String>;

    /// Stores JSON of [`understudy_wire::Inventory`]. `Denied` for a machine the box does not know (any more) with this key; so for all
    /// calls below.
    fn inventory(&self, machine: &str, key: &str, inventory: &str) -> Result<()>;

    /// JSON of the machine's [`understudy_wire::Order`], or empty. `address` is where the agent calls from.
    fn order(&self, machine: &str, key: &str, address: &str) -> Result<String>;

    /// Takes JSON of [`understudy_wire::Progress`]; false when the job is no longer wanted.
    fn progress(&self, machine: &str, key: &str, job: &str, progress: &str) -> Result<bool>;

    /// Takes [`understudy_wire::BlockHash`] records.
    fn blocks(&self, machine: &str, key: &str, job: &str, disk: &str, records: &[u8]) -> Result<()>;

    /// Hashes of the blocks `from` and on, at most `count` of them and [`understudy_wire::MAX_HASHES`], of what the volume held when the
    /// job began: 32 bytes each, fewer at the end of the disk.
    fn hashes(
        &self,
        machine: &str,
        key: &str,
        job: &str,
        disk: &str,
        from: u64,
        count: u64,
    ) -> Result<Vec<u8>>;

    /// Takes JSON of [`understudy_wire::Report`].
    fn report(&self, machine: &str, key: &str, job: &str, report: &str) -> Result<()>;

    /// JSON of [`understudy_wire::Outcome`].
    fn outcome(&self, machine: &str, key: &str, job: &str) -> Result<String>;

    /// A machine's order or outcome may have changed.
    #[zbus(signal)]
    fn changed(&self, machine: &str) -> zbus::Result<()>;
}
