//! `de.pengutronix.rauc`: writes updates into the slot that is not running (RAUC reference manual, "D-Bus API"). Not ours; called by
//! health and the cli.

#![allow(missing_docs, reason = "the types the proxy macro makes for signals carry none")]

use std::collections::HashMap;

use zbus::proxy;
use zbus::zvariant::{OwnedValue, Value};

/// The installer.
#[proxy(
    interface = "de.pengutronix.rauc.Installer",
    default_service = "de.pengutronix.rauc",
    default_path = "/"
)]
pub trait Rauc {
    /// Begins to install a bundle, by path or URL; `Completed` tells the end.
    fn install_bundle(&self, source: &str, args: HashMap<&str, Value<'_>>) -> zbus::Result<()>;
    /// What a bundle says of itself, once its signature is found good.
    fn inspect_bundle(
        &self,
        source: &str,
        args: HashMap<&str, Value<'_>>,
    ) -> zbus::Result<HashMap<String, OwnedValue>>;
    /// Marks a slot (`booted`, `other`, or its name) as `good`, `bad` or `active`; gives its name and a message.
    fn mark(&self, state: &str, slot: &str) -> zbus::Result<(String, String)>;
    /// Every slot by name, with what RAUC knows of it.
    fn get_slot_status(&self) -> zbus::Result<Vec<(String, HashMap<String, OwnedValue>)>>;
    /// Name of the slot that is started next.
    fn get_primary(&self) -> zbus::Result<String>;
    /// `idle` or `installing`.
    #[zbus(property)]
    fn operation(&self) -> zbus::Result<String>;
    /// Why the last installation failed; empty if it did not.
    #[zbus(property)]
    fn last_error(&self) -> zbus::Result<String>;
    /// Percentage, what is being done, and depth.
    #[zbus(property)]
    fn progress(&self) -> zbus::Result<(i32, String, i32)>;
    /// What hardware this is.
    #[zbus(property)]
    fn compatible(&self) -> zbus::Result<String>;
    /// An installation has ended, with 0 for success.
    #[zbus(signal)]
    fn completed(&self, result: i32) -> zbus::Result<()>;
}
