//! What the logic wants done, and what came of it: values, so that the logic itself does nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use understudy_answers::{Network, PasswordHash};

use crate::appliance::{
    About, Appliance, Disk, ImportablePool, Keyboard, Machine, Mistake, Pool, Port, RecoveryKey, Result,
    Secret, Source, Status, Stick, Trial, Update,
};
use crate::password;
use crate::recovery_key::{self, Questions};

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named as the calls of `Appliance`")]
pub enum Request {
    Status,
    About,
    Ports,
    Network,
    Keyboards,
    TimeZones,
    Disks,
    Importable,
    Pool,
    Machines,
    Check(String),
    RecoveryKey,
    Sticks,
    Update,
    SupportMode,
    SetKeyboard(String),
    /// The number comes back with what came of it, so that a trial that was given up is not taken for the next.
    TryNetwork(u64, String),
    EndTrial,
    /// Makes a recovery key; nothing is told of it to anybody.
    MakeRecoveryKey,
    /// Hashes a password; the number comes back with the hash.
    HashPassword(u64, Secret),
    KeepRecoveryKey(Secret),
    ConfirmRecoveryKey,
    GiveImportKey(Secret),
    Apply(String),
    ChangeNetwork(String),
    SetPassword(PasswordHash),
    Unlock(Secret),
    PairingCode,
    /// Device and file name.
    InstallFromStick(String, String),
    InstallFromUrl(String),
    /// To this device; the number comes back with what came of it, so that it is not taken for what another page wanted.
    WriteSupportBundle(u64, String),
    /// For so many minutes.
    StartSupportMode(u32),
    EndSupportMode,
    /// At the terminal of this name.
    OpenShell(String),
    Reboot,
    PowerOff,
    FactoryReset(String),
}

impl Request {
    /// Whether it changes anything on the box. Two of these, the keyboard and the trial of a network, are for the moment.
    pub fn changes(&self) -> bool {
        match self {
            Self::Status
            | Self::About
            | Self::Ports
            | Self::Network
            | Self::Keyboards
            | Self::TimeZones
            | Self::Disks
            | Self::Importable
            | Self::Pool
            | Self::Machines
            | Self::Check(_)
            | Self::RecoveryKey
            | Self::Sticks
            | Self::Update
            | Self::SupportMode
            | Self::MakeRecoveryKey
            | Self::HashPassword(..) => false,
            Self::SetKeyboard(_)
            | Self::TryNetwork(..)
            | Self::EndTrial
            | Self::KeepRecoveryKey(_)
            | Self::ConfirmRecoveryKey
            | Self::GiveImportKey(_)
            | Self::Apply(_)
            | Self::ChangeNetwork(_)
            | Self::SetPassword(_)
            | Self::Unlock(_)
            | Self::PairingCode
            | Self::InstallFromStick(..)
            | Self::InstallFromUrl(_)
            | Self::WriteSupportBundle(..)
            | Self::StartSupportMode(_)
            | Self::EndSupportMode
            | Self::OpenShell(_)
            | Self::Reboot
            | Self::PowerOff
            | Self::FactoryReset(_) => true,
        }
    }
}

/// A call that changes something and answers nothing but how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named as the calls of `Appliance`")]
pub enum Deed {
    SetKeyboard,
    EndTrial,
    KeepRecoveryKey,
    ConfirmRecoveryKey,
    GiveImportKey,
    Apply,
    ChangeNetwork,
    SetPassword,
    Unlock,
    /// From a stick or from a URL.
    Install,
    StartSupportMode,
    EndSupportMode,
    Reboot,
    PowerOff,
    FactoryReset,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named as the requests")]
pub enum Answer {
    Status(Result<Status>),
    About(Result<About>),
    Ports(Result<Vec<Port>>),
    Network(Result<Network>),
    Keyboards(Result<Vec<Keyboard>>),
    TimeZones(Result<Vec<String>>),
    Disks(Result<Vec<Disk>>),
    Importable(Result<Vec<ImportablePool>>),
    Pool(Result<Option<Pool>>),
    Machines(Result<Vec<Machine>>),
    Check(Result<Vec<Mistake>>),
    RecoveryKey(Result<(RecoveryKey, Questions)>),
    Sticks(Result<Vec<Stick>>),
    Update(Result<Update>),
    SupportMode(Result<Option<String>>),
    Trial(u64, Result<Trial>),
    MadeRecoveryKey(Result<(Secret, Questions)>),
    Hashed(u64, Result<PasswordHash>),
    /// The code and how many minutes it is good for.
    PairingCode(Result<(String, u64)>),
    /// The name of the file.
    SupportBundle(u64, Result<String>),
    /// Whether the terminal of this name has a shell now.
    Shell(String, Result<()>),
    Did(Deed, Result<()>),
}

/// What happens to the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed at the door that has the seat, which stands at the terminal of this name.
    Key(crate::keys::Key, String),
    /// Something that was wanted was done.
    Answer(Answer),
    /// Something changed on the box.
    Changed(Source),
    /// A second went by; only told while [`crate::hall::Hall::counts`].
    Second,
    /// Nobody has pressed a key for long.
    Idle,
}

/// Does it.
pub async fn carry_out(appliance: &impl Appliance, request: Request) -> Answer {
    let did = |deed, result| Answer::Did(deed, result);
    match request {
        Request::Status => Answer::Status(appliance.status().await),
        Request::About => Answer::About(appliance.about().await),
        Request::Ports => Answer::Ports(appliance.ports().await),
        Request::Network => Answer::Network(appliance.network().await),
        Request::Keyboards => Answer::Keyboards(appliance.keyboards().await),
        Request::TimeZones => Answer::TimeZones(appliance.time_zones().await),
        Request::Disks => Answer::Disks(appliance.disks().await),
        Request::Importable => Answer::Importable(appliance.importable().await),
        Request::Pool => Answer::Pool(appliance.pool().await),
        Request::Machines => Answer::Machines(appliance.machines().await),
        Request::Check(answers) => Answer::Check(appliance.check(&answers).await),
        Request::RecoveryKey => {
            let key = appliance.recovery_key().await;
            Answer::RecoveryKey(key.and_then(|key| Ok((key, Questions::random()?))))
        }
        Request::TryNetwork(number, network) => Answer::Trial(number, appliance.try_network(&network).await),
        Request::MakeRecoveryKey => {
            let made = recovery_key::make().and_then(|key| Ok((key, Questions::random()?)));
            Answer::MadeRecoveryKey(made)
        }
        Request::HashPassword(number, password) => {
            // It takes a good part of a second on purpose; keys must not wait for it.
            let hash = tokio::task::spawn_blocking(move || password::hash(&password)).await;
            let hash = hash.unwrap_or_else(|error| Err(format!("the password could not be hashed: {error}")));
            Answer::Hashed(number, hash)
        }
        Request::PairingCode => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let code = appliance.new_pairing_code().await;
            Answer::PairingCode(code.map(|(code, until)| (code, until.saturating_sub(now).div_ceil(60))))
        }
        Request::Sticks => Answer::Sticks(appliance.sticks().await),
        Request::Update => Answer::Update(appliance.update().await),
        Request::SupportMode => Answer::SupportMode(appliance.support_mode().await),
        Request::InstallFromStick(device, bundle) => {
            did(Deed::Install, appliance.install_from_stick(&device, &bundle).await)
        }
        Request::InstallFromUrl(url) => did(Deed::Install, appliance.install_from_url(&url).await),
        Request::WriteSupportBundle(number, device) => {
            Answer::SupportBundle(number, appliance.write_support_bundle(&device).await)
        }
        Request::StartSupportMode(minutes) => {
            did(Deed::StartSupportMode, appliance.start_support_mode(minutes).await)
        }
        Request::EndSupportMode => did(Deed::EndSupportMode, appliance.end_support_mode().await),
        Request::OpenShell(terminal) => {
            let opened = appliance.open_shell(&terminal).await;
            Answer::Shell(terminal, opened)
        }
        Request::SetKeyboard(name) => did(Deed::SetKeyboard, appliance.set_keyboard(&name).await),
        Request::EndTrial => did(Deed::EndTrial, appliance.end_trial().await),
        Request::KeepRecoveryKey(key) => did(Deed::KeepRecoveryKey, appliance.keep_recovery_key(&key).await),
        Request::ConfirmRecoveryKey => did(Deed::ConfirmRecoveryKey, appliance.confirm_recovery_key().await),
        Request::GiveImportKey(key) => did(Deed::GiveImportKey, appliance.give_import_key(&key).await),
        Request::Apply(answers) => did(Deed::Apply, appliance.apply(&answers).await),
        Request::ChangeNetwork(network) => did(Deed::ChangeNetwork, appliance.change_network(&network).await),
        Request::SetPassword(hash) => did(Deed::SetPassword, appliance.set_password(hash.as_str()).await),
        Request::Unlock(key) => did(Deed::Unlock, appliance.unlock(&key).await),
        Request::Reboot => did(Deed::Reboot, appliance.reboot().await),
        Request::PowerOff => did(Deed::PowerOff, appliance.power_off().await),
        Request::FactoryReset(name) => did(Deed::FactoryReset, appliance.factory_reset(&name).await),
    }
}
