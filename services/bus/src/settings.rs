//! `org.understudy.Settings1`: the box's own configuration. Called by the cli, the console's wizard and menu, and the gateway.
//!
//! Answers and networks cross as text in the format of `understudy.toml` (`understudy-answers`).

#![allow(missing_docs, reason = "the types the proxy macro makes for signals carry none")]

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::Type;

use crate::error::Result;

/// Well-known name.
pub const NAME: &str = "org.understudy.Settings1";
/// Object path.
pub const PATH: &str = "/org/understudy/Settings1";

/// How far the box is set up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Type)]
pub struct Status {
    /// * `applying`: settings are being carried out, or the services still start. The message says what is being done.
    /// * `unconfigured`: there are no settings. The message is empty, or says why a configuration disk was not taken: file, line,
    ///   reason. [`SettingsProxy::apply`] is expected.
    /// * `failed`: the box cannot serve; the message says why and what to do. Before set-up, `apply` may be called again.
    /// * `ready`: the box serves. A message tells what is not as it should be all the same, such as that it has no address.
    pub state: String,
    /// See `state`; one line for a person, or empty.
    pub message: String,
    /// Host name; empty while it has none of its own.
    pub host_name: String,
    /// The box's addresses with prefix length, without loopback and link-local ones.
    pub addresses: Vec<String>,
}

/// A hardware Ethernet port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Port {
    /// The kernel's name of it, such as `eth0`.
    pub name: String,
    /// Hardware address in lower case.
    pub mac: String,
    /// Whether a cable with something alive at its other end is in it.
    pub link: bool,
    /// Speed in Mbit/s; 0 if unknown.
    pub speed_mbit: u32,
    /// The kernel's driver, such as `igb`; empty if unknown.
    pub driver: String,
    /// Its addresses with prefix length, and those of virtual networks (VLANs) on it; without link-local ones.
    pub addresses: Vec<String>,
}

/// A keyboard layout that the console can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Keyboard {
    /// As in `understudy.toml`.
    pub name: String,
    /// For a person, in English.
    pub description: String,
}

/// What is wrong with answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Mistake {
    /// Line of the text, counted from 1; 0 if it stands in none.
    pub line: u32,
    /// A sentence for a person.
    pub reason: String,
}

/// What trying a network showed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Type)]
pub struct Trial {
    /// Addresses with prefix length that the box has by it.
    pub addresses: Vec<String>,
    /// Its router; empty if none.
    pub gateway: String,
    /// What was looked at, in order; after a failure that makes the rest impossible there is no rest.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Check {
    /// `link`, `address`, `gateway` or `name server`.
    pub what: String,
    /// Whether it is well.
    pub ok: bool,
    /// What was seen, and what to do if it is not well; a sentence for a person.
    pub said: String,
}

/// The settings.
#[proxy(
    interface = "org.understudy.Settings1.Manager",
    default_service = "org.understudy.Settings1",
    default_path = "/org/understudy/Settings1"
)]
pub trait Settings {
    /// How far the box is set up.
    fn status(&self) -> Result<Status>;

    /// The status is another now. Sent at every change, so that nobody has to ask again and again.
    #[zbus(signal)]
    fn status_changed(&self, status: Status) -> zbus::Result<()>;

    /// All hardware Ethernet ports, in the kernel's order. All are up, whether they are used or not, so that their links can be seen.
    fn ports(&self) -> Result<Vec<Port>>;

    /// Ports or their links or addresses have changed: `ports` tells how.
    #[zbus(signal)]
    fn ports_changed(&self) -> zbus::Result<()>;

    /// The keyboard layouts there are, the most usual first.
    fn keyboards(&self) -> Result<Vec<Keyboard>>;

    /// Gives the console a keyboard layout, at once and until it is given another; kept nowhere. `NotFound` if there is no such.
    fn set_keyboard(&self, name: &str) -> Result<()>;

    /// Tries a network, the text of a section `[network]`: applies it, waits for link and address, and looks whether another has the
    /// address, and whether gateway and name servers answer. Takes up to a minute. What was before holds again after [`Self::end_trial`],
    /// another trial, 180 s, or as soon as the caller has left the bus, whichever comes first. `Busy` if another trial or `end_trial` came
    /// meanwhile.
    fn try_network(&self, network: &str) -> Result<Trial>;

    /// Ends a trial: the network is as before. Nothing happens if there is none.
    fn end_trial(&self) -> Result<()>;

    /// Keeps a network, the text of a section `[network]`, for good, and applies it. `NotReady` before set-up.
    fn change_network(&self, network: &str) -> Result<()>;

    /// What is wrong with answers, the text of an `understudy.toml`: in themselves, and on this box (a port, a disk, a time zone or a keyboard
    /// layout that it does not have; a disk with contents that may not be lost). Nothing if all is well. Changes nothing.
    fn check(&self, answers: &str) -> Result<Vec<Mistake>>;

    /// Sets the box up. The answers are checked as by [`Self::check`] (`InvalidArgument`) and kept; then the call returns, and they are
    /// carried out in the background, which the status tells of. `Exists` once the box is set up; `Busy` while answers are being carried out.
    fn apply(&self, answers: &str) -> Result<()>;

    /// Looks for a configuration disk, and sets the box up from it; the status tells how that goes. Nothing happens once the box is set up.
    /// Called when such a disk is plugged in.
    fn look_for_disk(&self) -> Result<()>;

    /// The answers that are kept, as text, without the password's hash. `NotReady` if there are none.
    fn settings(&self) -> Result<String>;

    /// Keeps the administrator's password: its hash by Argon2id in PHC string format. `NotReady` before set-up.
    fn set_password(&self, hash: &str) -> Result<()>;

    /// Keeps time zone and time servers (those of the image if there are none), and applies them. `NotReady` before set-up.
    fn set_time(&self, zone: &str, servers: &[&str]) -> Result<()>;

    /// Restarts the box in good order.
    fn reboot(&self) -> Result<()>;

    /// Switches the box off in good order.
    fn power_off(&self) -> Result<()>;

    /// Makes the box forget all it was told, and restarts it: everything on the state partition is wiped before the system starts. The
    /// pool, its contents and the versions of the system stay. `host_name` must be the box's own (`InvalidArgument`), so that nobody resets
    /// another. `Busy` while the pool is in use.
    fn factory_reset(&self, host_name: &str) -> Result<()>;
}
