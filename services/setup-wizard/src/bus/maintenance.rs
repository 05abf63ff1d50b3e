//! What maintenance says, as the console understands it.

use understudy_bus::maintenance::{self, NAME};

use crate::appliance::{Result, Update, UpdateState};

pub(super) fn update(update: maintenance::Update) -> Result<Update> {
    let state = match update.state.as_str() {
        "none" => UpdateState::None,
        "waiting" => UpdateState::Waiting,
        "copying" => UpdateState::Copying,
        "checking" => UpdateState::Checking,
        "installing" => UpdateState::Installing,
        "installed" => UpdateState::Installed,
        "failed" => UpdateState::Failed,
        other => return Err(format!("{NAME} says {other:?} of the update, which is unknown here")),
    };
    Ok(Update { state, percent: update.percent.min(100), version: update.version, message: update.message })
}

/// Seconds since 1970-01-01 UTC as a clock in the box's own time zone shows them; `None` for 0, which is while support mode is off. It lasts
/// eight hours at most, so that the day is clear.
pub(super) fn until(utc: u64) -> Option<String> {
    // A time that no clock shows is still one at which it is on.
    (utc != 0).then(|| super::local(utc, "%H:%M").unwrap_or_else(|| "further notice".into()))
}
