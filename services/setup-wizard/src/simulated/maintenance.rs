//! Updates, sticks and support mode of a box in memory.

use crate::appliance::{Result, Stick, Update, UpdateState};
use crate::simulated::World;

/// What the calls of maintenance find, and do.
#[derive(Debug, Clone, Default)]
pub struct Maintenance {
    /// Whether its service runs not yet.
    pub absent: bool,
    /// As the box says.
    pub sticks: Vec<Stick>,
    /// As the box says.
    pub update: Update,
    /// Why no update begins; empty if one does.
    pub install_fails: String,
    /// Why no support bundle is written; empty if one is.
    pub write_fails: String,
    /// When support mode ends; `None` while it is off.
    pub support_until: Option<String>,
}

/// A stick with a bundle on it.
pub fn stick(device: &str, label: &str, bundles: &[&str]) -> Stick {
    Stick {
        device: device.to_owned(),
        label: label.to_owned(),
        model: "SIM Stick".into(),
        size: 32_000_000_000,
        bundles: bundles.iter().map(|name| (*name).to_owned()).collect(),
        unreadable: String::new(),
    }
}

/// Nothing where a reason to fail is empty.
fn unless(reason: &str) -> Result<()> {
    if reason.is_empty() { Ok(()) } else { Err(reason.to_owned()) }
}

impl World {
    pub(super) fn maintained<T>(&self, value: impl FnOnce(&Maintenance) -> T) -> Result<T> {
        if self.maintenance.absent {
            return Err("org.understudy.Maintenance1 is not running yet. It starts with the box; this page goes on when it is there.".into());
        }
        Ok(value(&self.maintenance))
    }

    fn stick(&self, device: &str) -> Result<&Stick> {
        let found = self.maintenance.sticks.iter().find(|stick| stick.device == device);
        found.ok_or_else(|| format!("there is no stick {device} any more; put it in again"))
    }

    fn begin(&mut self, state: UpdateState) -> Result<()> {
        if self.maintenance.update.state.runs() {
            return Err("another update is being installed; wait for its end".into());
        }
        self.maintenance.update = Update { state, ..Update::default() };
        Ok(())
    }

    pub(super) fn install_from_stick(&mut self, device: &str, bundle: &str) -> Result<()> {
        self.maintained(|maintenance| unless(&maintenance.install_fails))??;
        if !self.stick(device)?.bundles.iter().any(|name| name == bundle) {
            return Err(format!("there is no file {bundle} on {device}"));
        }
        self.begin(UpdateState::Copying)
    }

    pub(super) fn install_from_url(&mut self) -> Result<()> {
        self.maintained(|maintenance| unless(&maintenance.install_fails))??;
        self.begin(UpdateState::Checking)
    }

    pub(super) fn write_support_bundle(&self, device: &str) -> Result<String> {
        self.maintained(|maintenance| unless(&maintenance.write_fails))??;
        self.stick(device).map(|_| "understudy-support-backup-berlin-20261122-1410.tar.zst".into())
    }

    pub(super) fn support(&mut self, until: Option<&str>) -> Result<()> {
        self.maintained(|_| ())?;
        self.maintenance.support_until = until.map(str::to_owned);
        Ok(())
    }

    pub(super) fn open_shell(&self, terminal: &str) -> Result<()> {
        match self.maintained(|maintenance| maintenance.support_until.is_some())? {
            true if matches!(terminal, "tty1" | "ttyS0") => Ok(()),
            true => Err(format!("{terminal:?} is no terminal of this box; tty1 and ttyS0 are")),
            false => Err("support mode is off; switch it on first".into()),
        }
    }

    /// The update goes on by a part, up to its end.
    pub fn go_on(&mut self) {
        const PART: u8 = 20;
        let update = &mut self.maintenance.update;
        if !update.state.runs() {
            return;
        }
        update.percent += PART;
        if update.percent > 100 {
            let next = match update.state {
                UpdateState::Waiting => UpdateState::Copying,
                UpdateState::Copying => UpdateState::Checking,
                UpdateState::Checking => UpdateState::Installing,
                _ => UpdateState::Installed,
            };
            let known = matches!(next, UpdateState::Installing | UpdateState::Installed);
            let version = if known { "1.2.0".to_owned() } else { String::new() };
            *update = Update { state: next, version, ..Update::default() };
        }
    }
}
