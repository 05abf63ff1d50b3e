//! From a description to a running machine, the first time and again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::{Running, Vm, log};
use crate::accelerator::Accelerator;
use crate::arguments::{
    CONSOLES, Inherited, QMP_SOCKET, VARS, arguments, console_log, console_socket, port_socket,
};
use crate::builder::VmBuilder;
use crate::disk::PreparedDisk;
use crate::process::{Process, how_it_ended, shell_quoted};
use crate::{Console, Deadline, Error, Result, SerialPort, qemu};

/// QEMU greets once all devices are made, which takes a moment on a busy host.
const START_LIMIT: Duration = Duration::from_secs(60);
const ENDING: Duration = Duration::from_secs(5);

impl Vm {
    pub(crate) fn launch(spec: VmBuilder, run_dir: &Path) -> Result<Vm> {
        let folder = new_folder(run_dir, &spec.name)?;
        let mut spec = spec;
        if let Some(kernel) = &mut spec.kernel {
            kernel.image = crate::disk::absolute(&kernel.image)?;
            kernel.initramfs = kernel.initramfs.as_deref().map(crate::disk::absolute).transpose()?;
        }
        if let Some(emulator) = &mut spec.emulator {
            *emulator = crate::disk::absolute(emulator)?;
        }
        if let Some(firmware) = &mut spec.firmware {
            firmware.code = crate::disk::absolute(&firmware.code)?;
            let doing = format!("copy the firmware's variables from {}", firmware.vars.display());
            // Not fs::copy: the original may be write-protected, the copy must not be.
            let vars = fs::read(&firmware.vars).map_err(Error::io(doing.clone()))?;
            fs::write(folder.join(VARS), vars).map_err(Error::io(doing))?;
        }
        let mut disks: Vec<PreparedDisk> = Vec::new();
        for (index, disk) in spec.disks.iter().enumerate() {
            let name = disk.name_at(index);
            if disks.iter().any(|other| other.name == name) {
                return Err(Error::Asked(format!("{} has two disks named {name}", spec.name)));
            }
            disks.push(PreparedDisk::make(disk, index, &folder)?);
        }
        let running = start(&spec, &folder, &disks)?;
        Ok(Vm { spec, folder, disks: Mutex::new(disks), running })
    }

    /// Switches the machine on again, with the disks and the firmware variables as they are now. Where it still runs,
    /// this is a power cut first.
    pub fn relaunch(&mut self) -> Result<()> {
        self.running.process.kill();
        let disks = self.disks().clone();
        self.running = start(&self.spec, &self.folder, &disks)?;
        Ok(())
    }
}

fn new_folder(run_dir: &Path, name: &str) -> Result<PathBuf> {
    let folder = run_dir.join(name);
    fs::create_dir_all(&folder).map_err(Error::io(format!("create the folder {}", folder.display())))?;
    let folder = crate::disk::absolute(&folder)?;
    let mut entries = fs::read_dir(&folder).map_err(Error::io(format!("read {}", folder.display())))?;
    match entries.next() {
        None => Ok(folder),
        Some(_) => Err(Error::Asked(format!(
            "{} holds an earlier run of a machine; remove it, or choose another folder",
            folder.display()
        ))),
    }
}

fn start(spec: &VmBuilder, folder: &Path, disks: &[PreparedDisk]) -> Result<Running> {
    let sockets = Sockets::open(folder)?;
    sockets.remove(QMP_SOCKET);
    let listener = UnixListener::bind(sockets.path(QMP_SOCKET))
        .map_err(Error::io(format!("listen on {}", folder.join(QMP_SOCKET).display())))?;
    let cables: Vec<UnixStream> =
        spec.nics.iter().map(|(network, _)| network.attach(&spec.name)).collect::<Result<_>>()?;
    let inherited =
        Inherited { qmp: listener.as_raw_fd(), cables: cables.iter().map(AsRawFd::as_raw_fd).collect() };
    let arguments = arguments(spec, Accelerator::of_this_host()?, disks, &inherited)?;
    let program = spec.emulator.as_deref().unwrap_or(Path::new(qemu::PROGRAM));
    write_command(folder, program, &arguments)?;

    let output = log::append(&log::qemu_log(folder))?;
    let error = output.try_clone().map_err(Error::io("share QEMU's log"))?;
    let mut command = Command::new(program);
    command.args(&arguments).current_dir(folder).stdin(Stdio::null()).stdout(output).stderr(error);
    let kept: Vec<OwnedFd> = cables.into_iter().map(OwnedFd::from).chain([OwnedFd::from(listener)]).collect();
    let process = Process::spawn(command, kept).map_err(Error::io(format!("start {}", program.display())))?;
    tracing::info!(vm = spec.name, pid = process.pid(), folder = %folder.display(), "launched");

    // QEMU holds the only listening end: where it dies, this connection breaks instead of waiting.
    let ended = |waiting_for: &str| match process.wait(Deadline::after(ENDING)) {
        Some(status) => log::ended(&spec.name, folder, &how_it_ended(status), waiting_for),
        None => Error::Host(format!("{}: QEMU runs, but closed {waiting_for}", spec.name)),
    };
    let stream = sockets.connect(QMP_SOCKET).map_err(|_| ended("its QMP socket"))?;
    let observer = log::qmp_observer(folder)?;
    let qmp_error = |source| match source {
        qmp::Error::Closed { .. } => ended("its greeting"),
        source => Error::Qmp { vm: spec.name.clone(), source, log: log::qmp_log(folder) },
    };
    let mut qmp = qmp::Client::negotiate(stream, START_LIMIT, Some(observer)).map_err(qmp_error)?;

    let mut consoles = BTreeMap::new();
    for console in CONSOLES {
        let place = format!("{} {console}", spec.name);
        let socket = console_socket(console);
        let stream =
            sockets.connect(&socket).map_err(Error::io(format!("connect to {socket} of {place}")))?;
        consoles.insert(console, Console::open(place, stream, folder.join(console_log(console)))?);
    }
    let mut ports = BTreeMap::new();
    for port in spec.ports.iter().filter(|port| !port.to_file) {
        let place = format!("{} port {}", spec.name, port.name);
        let stream =
            sockets.connect(&port_socket(&port.name)).map_err(Error::io(format!("connect to {place}")))?;
        ports.insert(port.name.clone(), SerialPort::open(place, stream)?);
    }
    // The answer to a first command comes after QEMU accepted the connections above.
    qmp.execute("query-status", None).map_err(qmp_error)?;
    qmp.execute("cont", None).map_err(qmp_error)?;
    Ok(Running { qmp: Mutex::new(qmp), consoles, ports, process })
}

/// For a person who wants to start it by hand, or to see what was started.
fn write_command(folder: &Path, program: &Path, arguments: &[String]) -> Result<()> {
    let mut script = format!("# In {}\n{}", folder.display(), program.display());
    for argument in arguments {
        script.push_str(if argument.starts_with('-') { " \\\n  " } else { " " });
        script.push_str(&shell_quoted(argument));
    }
    let path = folder.join("command");
    fs::write(&path, script + "\n").map_err(Error::io(format!("write {}", path.display())))
}

/// A socket's path has 107 characters, a run folder easily more: go through an open folder instead.
struct Sockets {
    folder: File,
}

impl Sockets {
    fn open(folder: &Path) -> Result<Sockets> {
        let folder = File::open(folder).map_err(Error::io(format!("open {}", folder.display())))?;
        Ok(Sockets { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{name}", self.folder.as_raw_fd()).into()
    }

    fn connect(&self, name: &str) -> std::io::Result<UnixStream> {
        UnixStream::connect(self.path(name))
    }

    /// Left by the run before; QEMU removes its own.
    fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.path(name));
    }
}
