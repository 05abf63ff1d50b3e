//! `org.understudy.Vms1`: one isolated QEMU per VM. Called by the scheduler.

#![allow(missing_docs, reason = "the types the proxy macro makes for signals carry none")]

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::{OwnedFd, Type};

use crate::error::Result;

/// Well-known name.
pub const NAME: &str = "org.understudy.Vms1";
/// Object path.
pub const PATH: &str = "/org/understudy/Vms1";

/// A disk of a VM.
#[derive(Debug, Serialize, Deserialize, Type)]
pub struct Disk {
    /// Disk id; becomes the drive's serial number (its first 20 digits).
    pub disk: String,
    /// The clone, open for reading and writing.
    pub contents: OwnedFd,
    /// Size the guest sees, in bytes.
    pub size: u64,
    /// Logical sector size in bytes.
    pub sector_size: u32,
}

/// A VM to start.
#[derive(Debug, Serialize, Deserialize, Type)]
pub struct Spec {
    /// VM id.
    pub vm: String,
    /// The machine's host name, for titles and logs.
    pub name: String,
    /// Processors.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// `uefi` or `bios`.
    pub firmware: String,
    /// `isolated`: a link that leads nowhere.
    pub network: String,
    /// Hardware addresses of the original's interfaces, in order; one NIC each.
    pub macs: Vec<String>,
    /// In boot order.
    pub disks: Vec<Disk>,
}

/// A VM as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Vm {
    /// VM id.
    pub vm: String,
    /// Host name given at the start.
    pub name: String,
    /// `starting`, `running`, `paused`, `stopped` or `failed`.
    pub state: String,
    /// Why it failed; empty otherwise.
    pub message: String,
    /// Microseconds from the call of Start until QEMU said that the guest's processors run; 0 before.
    pub started_after: u64,
}

/// The launcher.
#[proxy(
    interface = "org.understudy.Vms1.Manager",
    default_service = "org.understudy.Vms1",
    default_path = "/org/understudy/Vms1"
)]
pub trait Vms {
    /// Starts a VM and returns when its processors run. If it cannot start, nothing of it is left.
    fn start(&self, spec: Spec) -> Result<Vm>;

    /// Ends a VM at once and returns when its QEMU has gone and its disks are closed. Nothing happens if there is none.
    fn stop(&self, vm: &str) -> Result<()>;

    /// All VMs.
    fn list(&self) -> Result<Vec<Vm>>;

    /// A connected stream socket to the VM's serial console, from now on; several may be open one after the other.
    fn console(&self, vm: &str) -> Result<OwnedFd>;

    /// The VM's screen as a PNG, in a memfd.
    fn screenshot(&self, vm: &str) -> Result<OwnedFd>;

    /// A VM changed its state.
    #[zbus(signal)]
    fn state_changed(&self, vm: Vm) -> zbus::Result<()>;
}
