//! What the menu offers. A new entry is a variant here and a page; the compiler names every place that has to know of it.

use crate::appliance::Stage;
use crate::facts::Facts;
use crate::menu::Opened;
use crate::menu::network::ChangeNetwork;
use crate::menu::pages::{ChangePassword, Confirm, PairingCode, RecoveryKey, Reset, Unlock};
use crate::menu::support_bundle::SupportBundle;
use crate::menu::support_mode::SupportMode;
use crate::menu::update::Update;
use crate::request::{Deed, Request};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Unlock,
    /// The wizard: a first set-up may have failed. The box refuses it if it was set up before.
    SetUp,
    PairingCode,
    Network,
    Password,
    RecoveryKey,
    Update,
    SupportBundle,
    SupportMode,
    Reboot,
    PowerOff,
    FactoryReset,
}

impl Entry {
    /// Those that make sense now, what is needed most first.
    pub fn all(facts: &Facts) -> Vec<Self> {
        let all = [
            Self::Unlock,
            Self::SetUp,
            Self::PairingCode,
            Self::Network,
            Self::Password,
            Self::RecoveryKey,
            Self::Update,
            Self::SupportBundle,
            Self::SupportMode,
            Self::Reboot,
            Self::PowerOff,
            Self::FactoryReset,
        ];
        let makes_sense = |entry: &Self| match entry {
            Self::Unlock => facts.pool().is_some_and(|pool| pool.locked),
            Self::SetUp => facts.status().stage == Stage::Failed,
            Self::RecoveryKey => facts.pool().is_some(),
            Self::PairingCode
            | Self::Network
            | Self::Password
            | Self::Update
            | Self::SupportBundle
            | Self::SupportMode
            | Self::Reboot
            | Self::PowerOff
            | Self::FactoryReset => true,
        };
        all.into_iter().filter(makes_sense).collect()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Unlock => "Unlock the pool",
            Self::SetUp => "Set the box up",
            Self::PairingCode => "Pairing code for a machine",
            Self::Network => "Network",
            Self::Password => "Password of the administrator",
            Self::RecoveryKey => "Recovery key of the pool",
            Self::Update => "Update",
            Self::SupportBundle => "Support bundle",
            Self::SupportMode => "Support mode",
            Self::Reboot => "Restart the box",
            Self::PowerOff => "Power off",
            Self::FactoryReset => "Factory reset",
        }
    }

    /// Its page, and what that wants to know; `None` for the wizard. Its requests are numbered from `numbers` on.
    pub fn open(self, facts: &Facts, numbers: u64) -> Option<(Box<dyn Opened + Send>, Vec<Request>)> {
        Some(match self {
            Self::SetUp => return None,
            Self::Unlock => (Box::new(Unlock::new()), Vec::new()),
            Self::PairingCode => (Box::new(PairingCode::new()), vec![Request::PairingCode]),
            Self::Network => {
                (Box::new(ChangeNetwork::new(facts, numbers)), vec![Request::Ports, Request::Network])
            }
            Self::Password => (Box::new(ChangePassword::new(numbers)), Vec::new()),
            Self::RecoveryKey => (Box::new(RecoveryKey::new()), vec![Request::RecoveryKey]),
            Self::Update => (Box::new(Update::new(facts)), vec![Request::Update]),
            Self::SupportBundle => (Box::new(SupportBundle::new(numbers)), vec![Request::Sticks]),
            Self::SupportMode => (Box::new(SupportMode::new(facts)), vec![Request::SupportMode]),
            Self::Reboot => (Box::new(Confirm::restart()), Vec::new()),
            Self::PowerOff => (
                Box::new(Confirm::new(self.name(), "Power off", Request::PowerOff, Deed::PowerOff)),
                Vec::new(),
            ),
            Self::FactoryReset => (Box::new(Reset::new()), Vec::new()),
        })
    }
}
