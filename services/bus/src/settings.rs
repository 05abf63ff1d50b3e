//! `org.understudy.Settings1`: the box's own configuration. Called by the cli (and later the wizard and the gateway).

use serde::{Deserialize, Serialize};
use zbus::proxy;
use zbus::zvariant::Type;

use crate::error::Result;

/// Well-known name.
pub const NAME: &str = "org.understudy.Settings1";
/// Object path.
pub const PATH: &str = "/org/understudy/Settings1";

/// How far the box is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Status {
    /// `unconfigured`, `applying`, `ready` or `failed`.
    pub state: String,
    /// What failed and what to do; empty otherwise.
    pub message: String,
    /// Host name.
    pub host_name: String,
    /// The box's addresses with prefix length.
    pub addresses: Vec<String>,
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
}
