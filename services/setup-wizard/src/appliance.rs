//! What the console asks of the box, as plain values: the one thing between it and the bus. [`crate::bus`] is the real box,
//! [`crate::simulated`] one in memory.

mod maintenance;

use std::fmt;
use std::future::Future;

pub use maintenance::{Update, UpdateState};
use understudy_answers::Network;
pub use understudy_bus::maintenance::Stick;
pub use understudy_bus::settings::{Check, Keyboard, Port, Trial};
pub use understudy_bus::zfs::ImportablePool;

/// What failed, why and what next; a text for a person.
pub type Result<T> = std::result::Result<T, String>;

/// A password or a recovery key. Its text does not show itself in any message.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How far the box is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// There are no settings.
    Unconfigured,
    /// Settings are being carried out.
    #[default]
    Applying,
    /// The box serves.
    Ready,
    /// It cannot serve.
    Failed,
}

/// The box's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// How far it is.
    pub stage: Stage,
    /// What is being done, or what failed; of an unconfigured box, why its answer file was refused; of one that serves, what is not as it
    /// should be all the same. May be empty.
    pub message: String,
    /// Its name.
    pub host_name: String,
    /// Its addresses with prefix length.
    pub addresses: Vec<String>,
}

/// Which system runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Version of the system.
    pub version: String,
    /// The slot it runs from; empty if unknown.
    pub slot: String,
}

/// A disk that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disk {
    /// Its name in `/dev/disk/by-id`; empty if it has none.
    pub name: String,
    /// The kernel's name now, like `/dev/sda`.
    pub node: String,
    /// Model; may be empty.
    pub model: String,
    /// Serial number; may be empty.
    pub serial: String,
    /// Size in bytes.
    pub size: u64,
    /// Whether it has turning platters.
    pub rotational: bool,
    /// Whether it is made to be pulled out, like a USB stick.
    pub removable: bool,
    /// What is on it, in words; empty if nothing.
    pub contents: String,
    /// Why it cannot be used; empty if it can.
    pub unusable: String,
}

/// The box's pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pool {
    /// Its name; empty while it is locked and the box does not know.
    pub name: String,
    /// `ONLINE`, `DEGRADED`, … as `zpool list` names it.
    pub health: String,
    /// Usable size in bytes.
    pub size: u64,
    /// Free bytes.
    pub free: u64,
    /// Whether it waits for its key.
    pub locked: bool,
}

/// A protected machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Whether it has a timetable and a recovery point, and its last backup did not fail.
    pub protected: bool,
    /// When its last backup ended, as a person reads it in the box's time zone; empty if never.
    pub last_backup: String,
    /// When the next is due, in the same way; empty if never.
    pub next_due: String,
    /// Why the last backup failed; empty if it did not.
    pub failure: String,
    /// How far the running backup is, in percent; `None` if none runs.
    pub running: Option<u8>,
}

/// What is wrong with answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line of the text, counted from 1.
    pub line: usize,
    /// A sentence for a person.
    pub reason: String,
}

/// The pool's recovery key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryKey {
    /// The key; empty if it is not told any more.
    pub key: Secret,
    /// Whether somebody has shown that it is written down.
    pub confirmed: bool,
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// What settings knows.
    Settings,
    /// What zfs-manager knows.
    Pool,
    /// What the scheduler knows.
    Machines,
    /// What maintenance knows.
    Maintenance,
    /// A service came or went: anything.
    All,
}

/// The box. Every call may wait for a service that still starts.
#[allow(
    missing_docs,
    reason = "what each call does stands at the method of the same name in `understudy_bus`"
)]
pub trait Appliance: Send + Sync + 'static {
    // Asking.
    fn status(&self) -> impl Future<Output = Result<Status>> + Send;
    fn about(&self) -> impl Future<Output = Result<About>> + Send;
    fn ports(&self) -> impl Future<Output = Result<Vec<Port>>> + Send;
    /// How the box is set to be reached.
    fn network(&self) -> impl Future<Output = Result<Network>> + Send;
    fn keyboards(&self) -> impl Future<Output = Result<Vec<Keyboard>>> + Send;
    /// Names of the IANA database that this box has.
    fn time_zones(&self) -> impl Future<Output = Result<Vec<String>>> + Send;
    fn disks(&self) -> impl Future<Output = Result<Vec<Disk>>> + Send;
    fn importable(&self) -> impl Future<Output = Result<Vec<ImportablePool>>> + Send;
    /// The pool; `None` where there is none yet.
    fn pool(&self) -> impl Future<Output = Result<Option<Pool>>> + Send;
    fn machines(&self) -> impl Future<Output = Result<Vec<Machine>>> + Send;
    /// What is wrong with `answers`, as far as the box can tell beforehand.
    fn check(&self, answers: &str) -> impl Future<Output = Result<Vec<Mistake>>> + Send;
    fn recovery_key(&self) -> impl Future<Output = Result<RecoveryKey>> + Send;
    fn sticks(&self) -> impl Future<Output = Result<Vec<Stick>>> + Send;
    fn update(&self) -> impl Future<Output = Result<Update>> + Send;
    /// When support mode ends by itself, as a person reads it on a clock in the box's time zone; `None` while it is off.
    fn support_mode(&self) -> impl Future<Output = Result<Option<String>>> + Send;

    // Changing something for the moment.
    fn set_keyboard(&self, name: &str) -> impl Future<Output = Result<()>> + Send;
    /// Tries the text of a section `[network]`; it stays tried until [`Appliance::end_trial`].
    fn try_network(&self, network: &str) -> impl Future<Output = Result<Trial>> + Send;
    /// Goes back to the network as it is set. Ends a trial that still runs, too.
    fn end_trial(&self) -> impl Future<Output = Result<()>> + Send;

    /// Switches support mode on for so many minutes.
    fn start_support_mode(&self, minutes: u32) -> impl Future<Output = Result<()>> + Send;
    fn end_support_mode(&self) -> impl Future<Output = Result<()>> + Send;
    /// Gives a terminal, named as the kernel does, to a shell of root's until that ends.
    fn open_shell(&self, terminal: &str) -> impl Future<Output = Result<()>> + Send;

    // Changing something for good.
    fn keep_recovery_key(&self, key: &Secret) -> impl Future<Output = Result<()>> + Send;
    fn confirm_recovery_key(&self) -> impl Future<Output = Result<()>> + Send;
    /// The key of the pool that the next answers import.
    fn give_import_key(&self, key: &Secret) -> impl Future<Output = Result<()>> + Send;
    /// Sets the box up. The answer comes when the answers are kept; [`Status`] says how it goes on.
    fn apply(&self, answers: &str) -> impl Future<Output = Result<()>> + Send;
    fn change_network(&self, network: &str) -> impl Future<Output = Result<()>> + Send;
    fn set_password(&self, hash: &str) -> impl Future<Output = Result<()>> + Send;
    fn unlock(&self, key: &Secret) -> impl Future<Output = Result<()>> + Send;
    /// A pairing code, and when it ends in seconds since 1970-01-01 UTC.
    fn new_pairing_code(&self) -> impl Future<Output = Result<(String, u64)>> + Send;
    /// Begins to install a bundle from a stick; [`Appliance::update`] tells how it goes on.
    fn install_from_stick(&self, device: &str, bundle: &str) -> impl Future<Output = Result<()>> + Send;
    fn install_from_url(&self, url: &str) -> impl Future<Output = Result<()>> + Send;
    /// Writes a support bundle to a stick, and gives its file name.
    fn write_support_bundle(&self, device: &str) -> impl Future<Output = Result<String>> + Send;
    fn reboot(&self) -> impl Future<Output = Result<()>> + Send;
    fn power_off(&self) -> impl Future<Output = Result<()>> + Send;
    fn factory_reset(&self, host_name: &str) -> impl Future<Output = Result<()>> + Send;

    /// Waits until something has changed; `None` when nothing will be heard of the box any more.
    fn changed(&self) -> impl Future<Output = Option<Source>> + Send;
}
