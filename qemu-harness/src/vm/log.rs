//! The files that tell what happened.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::last_lines;
use crate::{Error, Result};

/// Every command, reply and event, a line each, with seconds since launch.
pub(super) fn qmp_log(folder: &Path) -> PathBuf {
    folder.join("qmp.log")
}

/// What QEMU itself complains about.
pub(super) fn qemu_log(folder: &Path) -> PathBuf {
    folder.join("qemu.log")
}

pub(super) fn append(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(Error::io(format!("write {}", path.display())))
}

/// Writes what goes over the QMP connection to its log.
pub(super) fn qmp_observer(folder: &Path) -> Result<qmp::Observer> {
    let mut log = append(&qmp_log(folder))?;
    let launched = Instant::now();
    Ok(Box::new(move |direction, line| {
        let arrow = match direction {
            qmp::Direction::Sent => '>',
            qmp::Direction::Received => '<',
        };
        // A full disk must not end the machine; the tests will tell of it soon enough.
        let _ = writeln!(log, "{:9.3} {arrow} {line}", launched.elapsed().as_secs_f64());
    }))
}

/// QEMU is gone; its own words tell why.
pub(super) fn ended(vm: &str, folder: &Path, how: &str, waiting_for: &str) -> Error {
    let log = qemu_log(folder);
    let said = std::fs::read(&log).unwrap_or_default();
    Error::Ended {
        vm: vm.to_owned(),
        how: how.to_owned(),
        waiting_for: waiting_for.to_owned(),
        last_words: last_lines(&String::from_utf8_lossy(&said), 10),
        log,
    }
}
