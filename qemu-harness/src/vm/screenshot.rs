//! Pictures of the monitor.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::Vm;
use crate::screen::{Font, Picture};
use crate::{Deadline, Error, Result};

/// A picture costs the guest's emulator some milliseconds, and QEMU tells nobody when the next would be another.
pub(crate) const BETWEEN_PICTURES: std::time::Duration = std::time::Duration::from_millis(150);

impl Vm {
    /// What the monitor shows now.
    pub fn picture(&self) -> Result<Picture> {
        // Uncompressed: on its way to us it only passes the page cache.
        let file = tempfile::Builder::new()
            .prefix("screen-")
            .suffix(".ppm")
            .tempfile_in(&self.folder)
            .map_err(Error::io(format!("make a file for a picture in {}", self.folder.display())))?;
        self.qmp("screendump", json!({"filename": file.path()}))?;
        let ppm = fs::read(file.path()).map_err(Error::io(format!("read {}", file.path().display())))?;
        Picture::from_ppm(&ppm)
    }

    /// Writes what the monitor shows to `path`, as PNG.
    pub fn screenshot(&self, path: impl AsRef<Path>) -> Result<()> {
        self.picture()?.write_png(path)
    }

    /// Waits until these lines are on the monitor, and learns from them what the machine's characters look like: see
    /// [`Font::learn`].
    pub fn learn_font<S: AsRef<str>>(&self, known: &[S], deadline: impl Into<Deadline>) -> Result<Font> {
        let deadline = deadline.into();
        loop {
            match Font::learn(&self.picture()?, known) {
                Ok(font) => return Ok(font),
                Err(why) if deadline.passed() => {
                    let hint = format!(": {why}{}", self.look_here());
                    return Err(Error::late(self.name(), "known text on the monitor", deadline, hint));
                }
                Err(_) => std::thread::sleep(BETWEEN_PICTURES.min(deadline.remaining())),
            }
        }
    }
}
