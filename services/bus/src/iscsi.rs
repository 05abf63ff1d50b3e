//! `org.understudy.Iscsi1`: one target per job and disk. Called by the scheduler.

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::Type;

use crate::error::Result;

/// Well-known name.
pub const NAME: &str = "org.understudy.Iscsi1";
/// Object path.
pub const PATH: &str = "/org/understudy/Iscsi1";

/// What is to be published to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Request {
    /// Job id.
    pub job: String,
    /// Disk id.
    pub disk: String,
    /// Block device beneath `/dev/zvol`, as zfs-manager named it.
    pub device: String,
    /// The one initiator that may log in.
    pub initiator: String,
    /// The one IP address the firewall opens port 3260 to.
    pub address: String,
}

/// A published LUN. Holds a secret: never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Target {
    /// Target name.
    pub iqn: String,
    /// TCP port.
    pub port: u16,
    /// Logical unit.
    pub lun: u32,
    /// CHAP name.
    pub user: String,
    /// One-time CHAP secret.
    pub secret: String,
}

/// The manager.
#[proxy(
    interface = "org.understudy.Iscsi1.Manager",
    default_service = "org.understudy.Iscsi1",
    default_path = "/org/understudy/Iscsi1"
)]
pub trait Iscsi {
    /// Publishes a volume for one job. A second call for the same job and disk withdraws the first and makes a new secret.
    fn publish(&self, request: &Request) -> Result<Target>;

    /// Withdraws all of a job's targets, sessions included, and closes the firewall. Nothing happens if there are none.
    fn withdraw(&self, job: &str) -> Result<()>;

    /// Jobs with something published, as the kernel has it.
    fn published(&self) -> Result<Vec<String>>;
}
