//! What is said of an update.

use crate::appliance::{Update, UpdateState};

const BAR: usize = 40;

/// `version 1.2.0`, or that it is a new one.
fn version(update: &Update) -> String {
    if update.version.is_empty() { "A new version".into() } else { format!("Version {}", update.version) }
}

/// That it is there, and when it runs.
pub(crate) fn installed(update: &Update) -> String {
    format!("{} is installed and starts with the next restart.", version(update))
}

/// What is being done now.
pub(super) fn now(update: &Update) -> String {
    match update.state {
        UpdateState::Waiting => {
            "Waiting: the version that runs must first be found good. The update goes on by itself.".into()
        }
        UpdateState::Copying => "Copying the new version from the stick. The stick must stay in.".into(),
        UpdateState::Checking => {
            "Checking who signed it, whether it is whole, and whether it is for this box.".into()
        }
        UpdateState::Installing => format!("{} is written beside the one that runs.", version(update)),
        UpdateState::None | UpdateState::Installed | UpdateState::Failed => "The update begins ...".into(),
    }
}

/// `[####....]  42 %`. Nothing where nothing is done by parts.
pub(super) fn bar(update: &Update) -> String {
    if matches!(update.state, UpdateState::Waiting) || !update.state.runs() {
        return String::new();
    }
    let done = usize::from(update.percent.min(100)) * BAR / 100;
    format!("[{}{}] {} %", "#".repeat(done), ".".repeat(BAR - done), update.percent.min(100))
}

/// The overview's line; `None` while there is nothing to say.
pub(crate) fn line(update: &Update) -> Option<String> {
    let percent = if update.percent == 0 { String::new() } else { format!(", {} %", update.percent) };
    Some(match update.state {
        UpdateState::None => return None,
        UpdateState::Waiting => "waits until the version that runs is found good".into(),
        UpdateState::Copying => format!("copying the new version from the stick{percent}"),
        UpdateState::Checking => format!("checking the new version{percent}"),
        UpdateState::Installing => format!("{} is being installed{percent}", version(update)),
        UpdateState::Installed => installed(update).trim_end_matches('.').to_owned(),
        UpdateState::Failed => "FAILED; see Update in the menu".into(),
    })
}
