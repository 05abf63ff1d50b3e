//! What must outlive the agent's process besides the marks: which epoch each disk is in, and which job is open.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use understudy_wire::{DiskId, JobId, TrackerId};

use super::hardware::Hardware;

const VERSION: u32 = 1;

/// What the marks of one disk are, and what they are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The arming that made them.
    pub tracker: TrackerId,
    /// The kernel's boot id: a reboot ends all tracking.
    #[serde(with = "hex")]
    pub boot: u128,
    /// The disk.
    pub hardware: Hardware,
    /// GUID of the ZFS snapshot since which the marks tell every change; none until a backup is done.
    pub base: Option<u64>,
}

/// A job that has begun and whose outcome is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenJob {
    /// Which.
    pub job: JobId,
    /// Whether its instant has passed, so that the marks still in the live map are younger than what it copied.
    pub fixed: bool,
}

/// The state file, `tracker.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// Tracked disks.
    pub disks: BTreeMap<DiskId, Epoch>,
    /// The job to settle before another begins.
    pub job: Option<OpenJob>,
}

impl Default for State {
    fn default() -> Self {
        Self { version: VERSION, disks: BTreeMap::new(), job: None }
    }
}

impl State {
    fn path(folder: &Path) -> PathBuf {
        folder.join("tracker.json")
    }

    /// Reads the state. One that is absent, damaged or of an unknown version is empty: that costs a comparison.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = Self::path(folder);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        match serde_json::from_slice::<Self>(&text) {
            Ok(state) if state.version == VERSION => Ok(state),
            Ok(state) => {
                tracing::warn!("{} has version {}; starting tracking afresh", path.display(), state.version);
                Ok(Self::default())
            }
            Err(error) => {
                tracing::warn!("{} is damaged ({error}); starting tracking afresh", path.display());
                Ok(Self::default())
            }
        }
    }

    /// Writes the state: the old or the new one is there whenever the power fails.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let (path, new) = (Self::path(folder), folder.join("tracker.json.new"));
        let write = || -> anyhow::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{value:032x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_wire::Bytes;

    #[test]
    fn state_reads_back_and_a_damaged_one_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), State::default());
        let mut state = State::default();
        let hardware = Hardware { major: 8, minor: 16, sector_size: 512, size: Bytes(1 << 30), sequence: 7 };
        let epoch = Epoch { tracker: TrackerId::new(), boot: u128::MAX - 5, hardware, base: Some(u64::MAX) };
        state.disks.insert(DiskId::new(), epoch);
        state.job = Some(OpenJob { job: JobId::new(), fixed: true });
        state.write(folder.path()).unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), state);
        fs::write(folder.path().join("tracker.json"), "{").unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), State::default());
    }
}
