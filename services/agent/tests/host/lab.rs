//! One machine, its watchdog, one target and one box, all on this host.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use understudy_agent::backup::{self, Fault, Limits};
use understudy_agent::config::BackupSettings;
use understudy_agent::freeze::watchdog::SOCKET_VARIABLE;
use understudy_agent::link::Link;
use understudy_agent::tracker::Tracker;
use understudy_wire::{BLOCK, Bytes, Disk, Firmware, Inventory, Kind, Order, Report};

use crate::disks::{MIB, TestDisk, Writer};
use crate::local_box::LocalBox;
use crate::port::InstantPort;
use crate::target::Target;

pub struct Lab {
    // Dropped in this order: writers end before their disks are unmounted, and the folder goes last.
    writers: Vec<Writer>,
    pub target: Target,
    pub local: LocalBox,
    watchdog: Child,
    pub pins: Pins,
    disks: Vec<TestDisk>,
    folder: TempDir,
}

/// Our pins, removed at the end.
pub struct Pins(pub PathBuf);

impl Drop for Pins {
    fn drop(&mut self) {
        for disk in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            for pin in std::fs::read_dir(disk.path()).into_iter().flatten().flatten() {
                let _ = std::fs::remove_file(pin.path());
            }
            let _ = std::fs::remove_dir(disk.path());
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// How a round differs from a backup that goes well.
#[derive(Default)]
pub struct Turn<'a> {
    pub fault: Option<Fault>,
    /// Done at the frozen instant, after the disks were copied and before the thaw.
    pub at_instant: Option<&'a mut (dyn FnMut() + Send)>,
    /// How long a lost connection is tried again; a minute unless told otherwise.
    pub patience: Option<Duration>,
}

/// What a backup came to.
pub struct Round {
    pub result: anyhow::Result<()>,
    pub report: Report,
    /// Blocks, over all disks, in which the point is not the disk's copy at the instant.
    pub differing: u64,
    /// Blocks in which that copy differs from the one of the instant before.
    pub changed: u64,
}

impl Lab {
    pub fn new() -> Self {
        // On a disk, because a loop device on memory would be no test of anything that writes out.
        let folder = tempfile::Builder::new().prefix("understudy-agent-").tempdir_in("/var/tmp").unwrap();
        let disks = vec![TestDisk::ext4(folder.path(), 384 * MIB), TestDisk::xfs(folder.path())];
        let local = LocalBox::new(folder.path(), &disks);
        let target = Target::start(&local.volumes());
        let pins = Pins(PathBuf::from(format!("/sys/fs/bpf/understudy-test-{}", std::process::id())));
        let watchdog = start_watchdog(&folder.path().join("watchdog"));
        let mut lab = Self { writers: Vec::new(), target, local, watchdog, pins, disks, folder };
        lab.writers =
            lab.disks.iter().enumerate().map(|(at, one)| Writer::start(&one.mount, 77 + at as u64)).collect();
        lab.writers.iter().for_each(|writer| writer.wait(50));
        lab
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder().join("watchdog/socket")
    }

    pub fn maps(&self) -> PathBuf {
        self.folder().join("maps")
    }

    pub fn inventory(&self) -> Inventory {
        Inventory {
            protocol: understudy_wire::PROTOCOL,
            agent_version: "test".into(),
            capabilities: Vec::new(),
            host_name: "test".into(),
            machine_id: "0".repeat(32),
            os: "test".into(),
            kernel: "test".into(),
            firmware: Firmware::Uefi,
            cpus: 2,
            memory: Bytes(4 << 30),
            disks: self.wire_disks(),
            interfaces: Vec::new(),
        }
    }

    pub fn wire_disks(&self) -> Vec<Disk> {
        self.disks.iter().map(|one| one.disk.clone()).collect()
    }

    pub fn tracker(&self) -> Tracker {
        Tracker::open_at(&self.pins.0, &self.state(), &self.wire_disks()).unwrap()
    }

    pub fn limits(&self, turn: &Turn) -> Limits {
        Limits {
            frozen_memory: 64 << 20,
            patience: turn.patience.unwrap_or(Duration::from_secs(60)),
            watchdog: self.socket(),
            fault: turn.fault,
        }
    }

    /// Lets every writer make some turns.
    pub fn let_write(&self, turns: u64) {
        self.writers.iter().for_each(|writer| writer.wait(turns));
    }

    /// One order, carried out by an agent in this process, and compared.
    pub fn round(&self, turn: Turn) -> Round {
        let order = self.local.order(&self.target);
        let mut tracker = self.tracker();
        self.round_of(&order, &mut tracker, turn)
    }

    pub fn round_of(&self, order: &Order, tracker: &mut Tracker, mut turn: Turn) -> Round {
        let port = InstantPort::new();
        let settings = BackupSettings {
            instant_port: Some(port.path.clone()),
            map_dump: Some(self.maps()),
            ..BackupSettings::default()
        };
        let limits = self.limits(&turn);
        for one in &self.disks {
            let _ = std::fs::rename(self.copy_of(one), self.copy_of(one).with_extension("before"));
        }
        let (done, ended) = std::sync::mpsc::channel::<()>();
        let result = std::thread::scope(|scope| {
            let at_instant = &mut turn.at_instant;
            scope.spawn(move || {
                let frozen = loop {
                    match port.frozen(Duration::from_millis(200)) {
                        Some(line) => break Some(line),
                        None if ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                            break None;
                        }
                        None => {}
                    }
                };
                if let Some(line) = frozen {
                    assert_eq!(line, format!("frozen {}", order.job));
                    self.disks.iter().for_each(|one| one.copy_to(&self.copy_of(one)));
                    if let Some(action) = at_instant {
                        action();
                    }
                    port.thaw();
                }
            });
            let result = backup::run_with(order, &self.inventory(), &self.local, tracker, &settings, &limits);
            drop(done);
            result
        });
        let report = self.local.report_of_last_job();
        let (mut differing, mut changed) = (0, 0);
        if result.is_ok() {
            for (number, one) in self.disks.iter().enumerate() {
                let (wrong, new) = self.compare(number, one, report.disks[&one.disk.id].kind);
                differing += wrong;
                changed += new;
            }
        }
        let kinds: Vec<_> =
            report.disks.values().map(|disk| format!("{:?} {} sent", disk.kind, disk.sent.0)).collect();
        println!(
            "    {kinds:?}, frozen {:.3} s, {differing} differ, {changed} changed",
            report.frozen_seconds
        );
        Round { result, report, differing, changed }
    }

    fn copy_of(&self, one: &TestDisk) -> PathBuf {
        self.folder().join(format!("{}.copy", one.disk.id))
    }

    /// Every block of the volume against the copy of the instant. The only difference allowed is a block that no file
    /// system used when the disk was last mapped whole, that reads as zeros in the point, and that has not changed since
    /// then.
    fn compare(&self, number: usize, one: &TestDisk, kind: Kind) -> (u64, u64) {
        let volume = File::open(&self.local.volumes()[number]).unwrap();
        let copy = File::open(self.copy_of(one)).unwrap();
        let before = File::open(self.copy_of(one).with_extension("before")).ok();
        let whole = |kind| self.maps().join(format!("{}.{kind}.map", one.disk.id));
        let map = std::fs::read(whole("compared")).or_else(|_| std::fs::read(whole("first"))).unwrap();
        let mapped_now = kind != Kind::Changed;
        let (mut differing, mut changed) = (0, 0);
        let size = one.disk.size;
        for index in 0..size.blocks() {
            let read = |file: &File| {
                let mut block = vec![0; size.block_len(index) as usize];
                file.read_exact_at(&mut block, index * BLOCK).unwrap();
                block
            };
            let (ours, theirs) = (read(&volume), read(&copy));
            let same_as_before = before.as_ref().is_none_or(|before| read(before) == theirs);
            changed += u64::from(!same_as_before);
            let not_used = map[index as usize / 8] >> (index % 8) & 1 == 0;
            let excused = not_used && ours.iter().all(|byte| *byte == 0) && (mapped_now || same_as_before);
            if ours != theirs && !excused {
                differing += 1;
            }
        }
        (differing, changed)
    }

    /// An agent in a process of its own, which can be killed.
    pub fn agent_process(&self, order: &Order, port: Option<&InstantPort>, slow: bool) -> Child {
        let job = self.folder().join("child.json");
        let parts = (order, self.inventory());
        std::fs::write(&job, serde_json::to_vec(&parts).unwrap()).unwrap();
        Command::new(std::env::current_exe().unwrap())
            .arg(crate::child::FLAG)
            .args([&self.pins.0, &self.state(), &self.socket(), &job])
            .arg(port.map_or_else(|| PathBuf::from("-"), |port| port.path.clone()))
            .arg(if slow { "stall" } else { "run" })
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub fn watchdog(&mut self) -> &mut Child {
        &mut self.watchdog
    }

    pub fn restart_watchdog(&mut self) {
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        self.watchdog = start_watchdog(&self.folder().join("watchdog"));
    }

    pub fn recover(&self) {
        backup::recover(&self.local as &dyn Link, &mut self.tracker()).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The watchdog last of all that can keep a disk frozen: on its end it thaws.
        self.writers.clear();
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

fn start_watchdog(folder: &Path) -> Child {
    let socket = folder.join("socket");
    let _ = std::fs::remove_file(&socket);
    let child = Command::new(env!("CARGO_BIN_EXE_understudy-agent"))
        .arg("watchdog")
        .env(SOCKET_VARIABLE, &socket)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the watchdog does not listen within 10 s");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}
