//! What a person plugs in and pulls out while the machine runs: sticks and cables.

use std::time::Duration;

use serde_json::json;

use super::Vm;
use crate::disk::PreparedDisk;
use crate::{Bus, Deadline, Disk, Error, Mac, Result};

/// A machine has no say in the removal of a stick; QEMU only has to finish what is under way.
const REMOVAL: Duration = Duration::from_secs(60);

impl Vm {
    /// Plugs a USB stick in. The machine must have been built with [`crate::VmBuilder::usb_sockets`] or with another
    /// disk on USB. The stick stays plugged over [`Vm::relaunch`], and is one of the disks for everything else here.
    pub fn plug_usb(&self, stick: Disk) -> Result<()> {
        if !self.spec.usb_sockets && !self.disks().iter().any(|disk| disk.is_on(Bus::Usb)) {
            return Err(Error::Asked(format!("{} was built without `.usb_sockets()`", self.name())));
        }
        let mut disks = self.disks();
        let name = stick.name_at(disks.len());
        if disks.iter().any(|there| there.name == name) {
            return Err(Error::Asked(format!("{} already has a disk named {name}", self.name())));
        }
        let stick = PreparedDisk::make(&stick.on(Bus::Usb), disks.len(), &self.folder)?;
        self.qmp("blockdev-add", stick.blockdev())?;
        if let Err(refused) = self.qmp("device_add", stick.device(disks.len(), false)) {
            // The first error counts; a node left behind would only be in the way of the next try.
            let _ = self.qmp("blockdev-del", json!({"node-name": stick.node()}));
            return Err(refused);
        }
        disks.push(stick);
        Ok(())
    }

    /// Pulls a USB stick out, at once and without asking the machine: what it had not written is not on it. Waits until
    /// QEMU has let go of the stick's file, which then can be read or plugged in again.
    pub fn unplug_usb(&self, name: &str) -> Result<()> {
        let mut disks = self.disks();
        let Some(index) = disks.iter().position(|disk| disk.name == name && disk.is_on(Bus::Usb)) else {
            let sticks = disks.iter().filter(|disk| disk.is_on(Bus::Usb));
            let there: Vec<&str> = sticks.map(|disk| disk.name.as_str()).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            return Err(Error::Asked(format!("{} has no USB stick {name}; there are: {there}", self.name())));
        };
        let device = disks[index].device_id();
        self.running.client().forget_events("DEVICE_DELETED");
        self.qmp("device_del", json!({"id": device}))?;
        self.wait_event_where(
            &format!("event DEVICE_DELETED of {device}"),
            Deadline::after(REMOVAL),
            |event| event.name == "DEVICE_DELETED" && event.data["device"] == device.as_str(),
        )?;
        let stick = disks.remove(index);
        // Images below a snapshot that were opened by name hold their files until they are removed too; after a
        // relaunch there are none by name.
        let open = self.qmp("query-named-block-nodes", json!({"flat": true}))?;
        let open: Vec<&str> =
            open.as_array().into_iter().flatten().filter_map(|n| n["node-name"].as_str()).collect();
        for node in stick.nodes().iter().filter(|node| open.contains(&node.as_str())) {
            self.qmp("blockdev-del", json!({"node-name": node}))?;
        }
        Ok(())
    }

    /// Pulls the cable out of the card with this address: the machine sees the link go. Nothing of this outlives
    /// [`Vm::relaunch`]. Where the machine is not to notice, see [`crate::Network::cut`].
    pub fn unplug_cable(&self, mac: Mac) -> Result<()> {
        self.set_link(mac, false)
    }

    /// Plugs the cable in again.
    pub fn plug_cable(&self, mac: Mac) -> Result<()> {
        self.set_link(mac, true)
    }

    fn set_link(&self, mac: Mac, up: bool) -> Result<()> {
        let networks = self.spec.nics.iter().map(|(_, mac)| *mac).zip(0..);
        let users = self.spec.user_nics.iter().map(|nic| nic.mac).zip(0..);
        let cards = networks
            .map(|(mac, index)| (mac, crate::arguments::network_card(index)))
            .chain(users.map(|(mac, index)| (mac, crate::arguments::user_card(index))));
        let cards: Vec<(Mac, String)> = cards.collect();
        let Some((_, card)) = cards.iter().find(|(there, _)| *there == mac) else {
            let there: Vec<String> = cards.iter().map(|(mac, _)| mac.to_string()).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            return Err(Error::Asked(format!(
                "{} has no network card {mac}; there are: {there}",
                self.name()
            )));
        };
        self.qmp("set_link", json!({"name": card, "up": up})).map(drop)
    }
}
