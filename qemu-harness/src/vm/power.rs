//! On, off, and in between.

use super::{ENDING, Vm};
use crate::process::how_it_ended;
use crate::{Deadline, Error, Result};

impl Vm {
    /// Stops the machine in its tracks; its disks are flushed. It notices nothing.
    pub fn pause(&self) -> Result<()> {
        self.qmp("stop", None).map(drop)
    }

    /// Goes on after [`Vm::pause`].
    pub fn resume(&self) -> Result<()> {
        self.qmp("cont", None).map(drop)
    }

    /// Whether the guest's processors run, as QEMU sees it.
    pub fn is_paused(&self) -> Result<bool> {
        Ok(self.qmp("query-status", None)?["running"] == false)
    }

    /// Presses the reset button.
    pub fn reset(&self) -> Result<()> {
        self.running.client().forget_events("RESET");
        self.qmp("system_reset", None)?;
        self.wait_event("RESET", ENDING).map(drop)
    }

    /// Takes the power away: QEMU is killed. What the guest wrote and QEMU handed to the host stays on the disks. An
    /// error where the machine had ended before.
    pub fn power_cut(&self) -> Result<()> {
        if let Some(status) = self.running.process.ended() {
            let how = how_it_ended(status);
            return Err(super::log::ended(self.name(), &self.folder, &how, "the moment to cut its power"));
        }
        self.running.process.kill();
        Ok(())
    }

    /// Presses the power button, and waits until the guest has shut itself down.
    pub fn power_off(&self, deadline: impl Into<Deadline>) -> Result<()> {
        let deadline = deadline.into();
        if self.is_running() {
            self.qmp("system_powerdown", None)?;
        }
        self.wait_off(deadline)
    }

    /// Waits until the guest has switched the machine off.
    pub fn wait_off(&self, deadline: impl Into<Deadline>) -> Result<()> {
        let deadline = deadline.into();
        match self.running.process.wait(deadline) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(super::log::ended(
                self.name(),
                &self.folder,
                &how_it_ended(status),
                "the guest to switch off",
            )),
            None => Err(Error::late(self.name(), "power-off by the guest", deadline, self.look_here())),
        }
    }
}
