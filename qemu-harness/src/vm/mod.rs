//! A machine that was launched.

mod fingers;
mod launch;
mod log;
mod plug;
mod power;
pub(crate) mod screenshot;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use crate::arguments::CONSOLES;
use crate::builder::VmBuilder;
use crate::disk::PreparedDisk;
use crate::error::last_lines;
use crate::network::forwarded_port;
use crate::process::{Process, how_it_ended};
use crate::{Console, Deadline, Error, Result, SerialPort};

/// How long one look for an event keeps other threads from giving QEMU commands.
const EVENT_TURN: Duration = Duration::from_millis(100);
/// How long QEMU may take to end by itself, once it is broken or done.
const ENDING: Duration = Duration::from_secs(20);

/// A machine under QEMU. It ends when this value is dropped, and when our process ends in whatever way; its folder
/// stays.
#[derive(Debug)]
pub struct Vm {
    spec: VmBuilder,
    folder: PathBuf,
    disks: Mutex<Vec<PreparedDisk>>,
    running: Running,
}

/// One run of QEMU.
struct Running {
    qmp: Mutex<qmp::Client>,
    consoles: BTreeMap<&'static str, Console>,
    ports: BTreeMap<String, SerialPort>,
    process: Process,
}

impl Vm {
    /// Begins the description of a machine; `name` is its folder's name, and what messages call it.
    pub fn build(name: &str) -> VmBuilder {
        VmBuilder::new(name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The folder with its logs, disks and command line.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// QEMU's process id.
    pub fn pid(&self) -> u32 {
        self.running.process.pid()
    }

    /// The first serial port, ttyS0: firmware, boot loader, kernel messages and login.
    pub fn serial(&self) -> &Console {
        &self.running.consoles[CONSOLES[0]]
    }

    /// The virtio console, hvc0: quiet and fast, for a shell.
    pub fn virtio_console(&self) -> &Console {
        &self.running.consoles[CONSOLES[1]]
    }

    /// A virtio-serial port that the machine was built with.
    pub fn port(&self, name: &str) -> Result<&SerialPort> {
        self.running
            .ports
            .get(name)
            .ok_or_else(|| Error::Asked(format!("{} was built without `.port(\"{name}\")`", self.name())))
    }

    /// The port on 127.0.0.1 that leads to `guest_port` of the machine (see [`crate::UserNic::forward`]).
    pub fn forwarded(&self, guest_port: u16) -> Result<u16> {
        let answer = self.qmp("human-monitor-command", json!({"command-line": "info usernet"}))?;
        forwarded_port(answer.as_str().unwrap_or_default(), guest_port).ok_or_else(|| {
            Error::Asked(format!("{} was built without a card that forwards port {guest_port}", self.name()))
        })
    }

    /// Gives QEMU a command of its own protocol.
    pub fn qmp(&self, command: &str, arguments: impl Into<Option<Value>>) -> Result<Value> {
        let result = self.running.client().execute(command, arguments);
        result.map_err(|error| self.qmp_error(error, &format!("the answer to {command}")))
    }

    /// Waits for an event of QEMU, which may have come before.
    pub fn wait_event(&self, name: &str, deadline: impl Into<Deadline>) -> Result<qmp::Event> {
        self.wait_event_where(&format!("event {name}"), deadline.into(), |event| event.name == name)
    }

    fn wait_event_where(
        &self,
        waiting_for: &str,
        deadline: Deadline,
        wanted: impl Fn(&qmp::Event) -> bool,
    ) -> Result<qmp::Event> {
        loop {
            // In turns, so that other threads can give commands meanwhile.
            let turn = deadline.at_most(EVENT_TURN);
            match self.running.client().wait_event_where(waiting_for, turn.instant(), &wanted) {
                Err(error) if error.is_timeout() && !deadline.passed() => {}
                Err(error) if error.is_timeout() => {
                    return Err(Error::late(self.name(), waiting_for, deadline, self.look_here()));
                }
                Err(error) => return Err(self.qmp_error(error, waiting_for)),
                Ok(event) => return Ok(event),
            }
        }
    }

    /// Whether QEMU still runs.
    pub fn is_running(&self) -> bool {
        self.running.process.ended().is_none()
    }

    /// The file that takes the writes of a disk now; a snapshot moves them on to another.
    pub fn disk_file(&self, disk: &str) -> Result<PathBuf> {
        let disks = self.disks();
        let found = disks.iter().find(|there| there.name == disk).map(|there| there.file.clone());
        found.ok_or_else(|| Error::Asked(format!("{} was built without a disk named {disk}", self.name())))
    }

    pub(crate) fn disks(&self) -> MutexGuard<'_, Vec<PreparedDisk>> {
        self.disks.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A broken connection nearly always means that QEMU died; then its own words tell more.
    fn qmp_error(&self, source: qmp::Error, waiting_for: &str) -> Error {
        match source {
            qmp::Error::Closed { .. } | qmp::Error::Io { .. } => {
                if let Some(ended) = self.running.process.wait(Deadline::after(ENDING)) {
                    return log::ended(self.name(), &self.folder, &how_it_ended(ended), waiting_for);
                }
                self.plain_qmp_error(source)
            }
            source => self.plain_qmp_error(source),
        }
    }

    fn plain_qmp_error(&self, source: qmp::Error) -> Error {
        Error::Qmp { vm: self.name().to_owned(), source, log: log::qmp_log(&self.folder) }
    }

    fn look_here(&self) -> String {
        let shown = last_lines(&self.serial().text(), 5).replace('\n', "\n    | ");
        format!("; logs are in {}; ttyS0 ends with:\n    | {shown}", self.folder.display())
    }
}

impl AsRef<str> for Vm {
    fn as_ref(&self) -> &str {
        self.name()
    }
}

impl Running {
    fn client(&self) -> MutexGuard<'_, qmp::Client> {
        self.qmp.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("process", &self.process).finish_non_exhaustive()
    }
}
