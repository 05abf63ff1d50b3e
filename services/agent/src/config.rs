//! Settings a person may write into `/etc/understudy/agent.toml`. Every one is optional; an unknown key is refused, so
//! that a mistyped one is not silently without effect.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

/// Where the settings are.
pub const PATH: &str = "/etc/understudy/agent.toml";

/// How long one hook may take unless the settings say otherwise.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// What the backup engine is told beyond the box's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupSettings {
    /// Test mode: at the frozen instant the agent says so on this character device and waits, bounded, for an answer.
    pub instant_port: Option<PathBuf>,
    /// Test mode: where each job's maps are written, for comparison with what really changed.
    pub map_dump: Option<PathBuf>,
    /// Run before the file systems are frozen.
    pub before: Option<Hook>,
    /// Run after they are thawed, whatever happened in between, if [`Self::before`] was started.
    pub after: Option<Hook>,
}

/// A command of the administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Program and arguments; no shell is involved. Never empty.
    pub command: Vec<String>,
    /// It is killed when it takes longer, and counts as failed.
    pub timeout: Duration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    test: Test,
    #[serde(default)]
    hooks: Hooks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    instant_port: Option<PathBuf>,
    map_dump: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hooks {
    before: Option<Vec<String>>,
    after: Option<Vec<String>>,
    timeout_seconds: Option<u64>,
}

impl BackupSettings {
    /// Reads the settings; none at all if the file does not exist.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read the settings in {}", path.display()));
            }
        };
        Self::parse(&text).with_context(|| {
            format!("{} cannot be used; correct it and start the agent again", path.display())
        })
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let File { test, hooks } = toml::from_str(text)?;
        let timeout = match hooks.timeout_seconds {
            None => HOOK_TIMEOUT,
            Some(seconds @ 1..=3600) => Duration::from_secs(seconds),
            Some(seconds) => anyhow::bail!("hooks.timeout_seconds is {seconds}; 1 to 3600 are possible"),
        };
        let hook = |name: &str, command: Option<Vec<String>>| match command {
            Some(command) if command.is_empty() => {
                anyhow::bail!(
                    "hooks.{name} is empty; write the program and its arguments as a list of strings"
                )
            }
            command => Ok(command.map(|command| Hook { command, timeout })),
        };
        Ok(Self {
            instant_port: test.instant_port,
            map_dump: test.map_dump,
            before: hook("before", hooks.before)?,
            after: hook("after", hooks.after)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_file_means_no_settings() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(BackupSettings::read(&dir.path().join("agent.toml")).unwrap(), BackupSettings::default());
    }

    #[test]
    fn all_settings_are_understood() {
        let settings = BackupSettings::parse(
            "[test]\ninstant_port = \"/dev/virtio-ports/instant\"\n\
             [hooks]\nbefore = [\"/bin/flush\", \"--now\"]\ntimeout_seconds = 5\n",
        )
        .unwrap();
        assert_eq!(settings.instant_port.as_deref(), Some(Path::new("/dev/virtio-ports/instant")));
        let before = settings.before.unwrap();
        assert_eq!(
            (before.command, before.timeout),
            (vec!["/bin/flush".into(), "--now".into()], Duration::from_secs(5))
        );
        assert_eq!(settings.after, None);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_known_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        std::fs::write(&path, "[hooks]\nbefor = [\"x\"]\n").unwrap();
        let text = format!("{:#}", BackupSettings::read(&path).unwrap_err());
        for part in ["agent.toml", "line 2", "befor", "before"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn impossible_hooks_are_refused() {
        for text in ["[hooks]\nbefore = []\n", "[hooks]\ntimeout_seconds = 0\n"] {
            assert!(BackupSettings::parse(text).is_err(), "{text}");
        }
    }
}
