//! Why a stage is built.

use std::collections::BTreeSet;

use crate::explain::Difference;
use crate::explain::difference;
use crate::key::Key;

/// Why there is no result of a stage to be reused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Reason {
    /// It was never built in this cache.
    FirstBuild,
    /// Its inputs are those of its last build, whose result was removed.
    ResultGone,
    /// Inputs are others than at its last build.
    Changed {
        /// Which.
        changes: Vec<Change>,
    },
}

/// An input that is another one than at the last build.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Its name.
    pub input: String,
    /// The earlier stages that it is the results of, as far as they are others.
    pub stages: Vec<String>,
    /// What is different about it, as far as it was kept.
    pub differences: Vec<Difference>,
}

impl Reason {
    /// Why a stage with the key `now` has to be built when the last one had the key `before`.
    pub(crate) fn of(now: &Key, before: Option<&Key>) -> Self {
        let Some(before) = before else { return Self::FirstBuild };
        let (now, before) = (now.parts(), before.parts());
        let mut changes = Vec::new();
        for input in now.keys().chain(before.keys()).collect::<BTreeSet<_>>() {
            let (now, before) = (now.get(input), before.get(input));
            if now.map(|part| &part.hash) == before.map(|part| &part.hash) {
                continue;
            }
            let differences = difference::between(before.map(|part| &part.made), now.map(|part| &part.made));
            changes.push(Change { input: input.clone(), stages: Vec::new(), differences });
        }
        if changes.is_empty() { Self::ResultGone } else { Self::Changed { changes } }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::FirstBuild => write!(f, "first build"),
            Self::ResultGone => write!(f, "its result is gone"),
            Self::Changed { changes } => {
                let inputs: Vec<_> = changes.iter().map(|change| change.input.as_str()).collect();
                write!(f, "{} changed", inputs.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_inputs_that_changed() {
        let before = Key::default().value("packages", &["zfs"]).value("release", &"trixie");
        let after = Key::default().value("packages", &["zfs", "dbus"]).value("release", &"trixie");
        assert_eq!(Reason::of(&after, Some(&before)).to_string(), "packages changed");
        assert_eq!(Reason::of(&after, None).to_string(), "first build");
        assert_eq!(Reason::of(&after, Some(&after)).to_string(), "its result is gone");
    }

    #[test]
    fn a_key_written_without_values_still_tells_which_input_changed() {
        let after = Key::default().value("packages", &["zfs"]).value("release", &"trixie");
        let release = &after.parts()["release"].hash;
        let old = format!("{{\"packages\": \"0\", \"release\": \"{release}\"}}");
        let before: Key = serde_json::from_str(&old).unwrap();
        let Reason::Changed { changes } = Reason::of(&after, Some(&before)) else {
            panic!("nothing changed")
        };
        assert_eq!(
            changes,
            [Change { input: "packages".into(), stages: Vec::new(), differences: Vec::new() }]
        );
    }
}
