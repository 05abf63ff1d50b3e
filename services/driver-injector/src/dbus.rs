//! The edge: `org.understudy.Drivers1` (contract in `understudy-bus`).

use understudy_bus::drivers::Disk;
use understudy_bus::error::{Error, Result};
use understudy_qemu_runner::Units;

use crate::helper::Helper;

/// The object on the bus.
pub struct Manager<U>(Helper<U>);

impl<U: Units> Manager<U> {
    /// Serves a helper.
    pub fn new(helper: Helper<U>) -> Self {
        Self(helper)
    }
}

#[zbus::interface(name = "org.understudy.Drivers1.Manager")]
impl<U: Units> Manager<U> {
    async fn inspect(&self, vm: &str, firmware: &str, disks: Vec<Disk>) -> Result<String> {
        let report = self.0.inspect(vm, firmware, disks).await?;
        serde_json::to_string(&report)
            .map_err(|error| Error::Failed(format!("cannot write the report: {error}")))
    }
}
