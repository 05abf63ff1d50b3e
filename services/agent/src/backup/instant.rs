//! The frozen instant: what is still dirty is read into memory that is there already, and nothing else happens.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use understudy_direct_io::Buffer;
use understudy_wire::{BLOCK, DiskId, JobId};

use super::Fault;
use super::copier::{BATCH, Copier};
use crate::block::{BlockRange, BlockSet};
use crate::freeze::Freezer;
use crate::tracker::Tracker;

/// How long file systems may be frozen before the watchdog thaws them.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long the test at the other end of the instant port may take.
const PORT_WAIT: Duration = Duration::from_secs(60);

/// How long requests in flight may take to end once everything is frozen.
const DRAIN: Duration = Duration::from_secs(2);

/// Memory for the last dirty blocks of all disks, taken before the freeze.
pub struct Memory {
    bytes: Buffer,
    /// Which disk (by its place in the order) and range lies where.
    parts: Vec<(usize, BlockRange, usize)>,
    used: usize,
}

impl Memory {
    /// Room for `bytes` bytes.
    pub fn new(bytes: usize) -> Self {
        let blocks = bytes / BLOCK as usize;
        Self { bytes: Buffer::new(blocks * BLOCK as usize), parts: Vec::with_capacity(blocks), used: 0 }
    }

    /// Blocks it has room for.
    pub fn blocks(&self) -> u64 {
        self.bytes.len() as u64 / BLOCK
    }

    /// What was read: disk, range, and where its content begins in [`Self::content`].
    pub fn parts(&self) -> &[(usize, BlockRange, usize)] {
        &self.parts
    }

    /// `len` bytes of content.
    pub fn content(&self, at: usize, len: usize) -> &[u8] {
        &self.bytes[at..at + len]
    }

    fn clear(&mut self) {
        self.parts.clear();
        self.used = 0;
    }

    fn read(&mut self, disk: usize, range: BlockRange, copier: &Copier) -> anyhow::Result<()> {
        let len = copier.bytes(range);
        copier.device.read(range.first * BLOCK, &mut self.bytes[self.used..self.used + len])?;
        self.parts.push((disk, range, self.used));
        // The next part begins on a block, because O_DIRECT wants aligned memory.
        self.used += len.next_multiple_of(BLOCK as usize);
        Ok(())
    }
}

/// What came of an attempt.
pub enum Attempt {
    /// All that the point will hold is fixed: on its way, or in [`Memory`].
    Fixed {
        /// How long file systems were frozen, without what a test waited.
        frozen: Duration,
    },
    /// More was dirty than fits; thawed, nothing is lost, another pass is needed.
    TooDirty,
    /// The marks of a disk can no longer be trusted.
    Void(DiskId, String),
}

/// What the instant needs.
pub struct Setting<'a> {
    /// The job.
    pub job: JobId,
    /// The disks, in the order of `pending` and `copiers`.
    pub disks: &'a [(DiskId, String)],
    /// The test port.
    pub port: Option<&'a Path>,
    /// A deliberate mistake, for the tests that show that a mistake is found.
    pub fault: Option<Fault>,
}

/// Freezes, takes the last marks, reads what is dirty (`pending` and those), thaws.
pub fn attempt(
    setting: &Setting,
    freezer: &mut Freezer,
    tracker: &Tracker,
    pending: &mut [BlockSet],
    copiers: &[Copier],
    memory: &mut Memory,
) -> anyhow::Result<Attempt> {
    memory.clear();
    // All that allocates or opens files comes before the freeze.
    let mut in_flight: Vec<InFlight> =
        setting.disks.iter().map(|(_, name)| InFlight::open(name)).collect::<anyhow::Result<_>>()?;
    let mut port = setting.port.map(Port::open).transpose()?;
    let deadline = DEADLINE + if port.is_some() { PORT_WAIT } else { Duration::ZERO };
    freezer.sync()?;
    let frozen = freezer.freeze(deadline)?;
    let mut waited = Duration::ZERO;
    let mut held = || -> anyhow::Result<Option<Attempt>> {
        in_flight.iter_mut().try_for_each(|disk| disk.drain(frozen.any()))?;
        let mut blocks = 0;
        for ((id, _), pending) in setting.disks.iter().zip(pending.iter_mut()) {
            tracker.take(*id, pending)?;
            if let Err(reason) = tracker.sound(*id) {
                return Ok(Some(Attempt::Void(*id, reason)));
            }
            blocks += pending.count();
        }
        if blocks > memory.blocks() {
            return Ok(Some(Attempt::TooDirty));
        }
        if setting.fault == Some(Fault::DropMark)
            && let Some((set, block)) =
                pending.iter_mut().find_map(|set| set.iter().last().map(|block| (set, block)))
        {
            set.remove(block);
        }
        for (disk, pending) in pending.iter().enumerate() {
            if setting.fault == Some(Fault::SkipLastPass) {
                break;
            }
            for range in pending.ranges(BATCH) {
                memory.read(disk, range, &copiers[disk])?;
            }
        }
        if let Some(port) = &mut port {
            let begin = Instant::now();
            port.ask(setting.job)?;
            waited = begin.elapsed();
        }
        Ok(None)
    };
    let result = held();
    let thawed = frozen.thaw();
    // The reading's error explains more than the thaw's.
    if let Some(attempt) = result? {
        thawed?;
        return Ok(attempt);
    }
    Ok(Attempt::Fixed { frozen: thawed?.saturating_sub(waited) })
}

/// A disk's requests in flight, `/sys/block/NAME/inflight` (Documentation/ABI/stable/sysfs-block).
struct InFlight {
    file: File,
    name: String,
}

impl InFlight {
    fn open(name: &str) -> anyhow::Result<Self> {
        let path = Path::new("/sys/block").join(name).join("inflight");
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { file, name: name.to_owned() })
    }

    /// Waits until no write is in flight. Where something cannot freeze, writes may go on for ever: those mark again
    /// when they complete, and belong to the next backup.
    fn drain(&mut self, frozen: bool) -> anyhow::Result<()> {
        let begin = Instant::now();
        while self.writes()? > 0 {
            if begin.elapsed() > DRAIN {
                if frozen {
                    bail!(
                        "writes to {} are still in flight {} s after its file systems were frozen; is the disk in \
                         trouble? See `dmesg`",
                        self.name,
                        DRAIN.as_secs()
                    );
                }
                return Ok(());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    fn writes(&mut self) -> anyhow::Result<u64> {
        let mut text = [0; 64];
        self.file.seek(SeekFrom::Start(0)).context("cannot rewind the count of requests in flight")?;
        let len = self.file.read(&mut text).context("cannot read the count of requests in flight")?;
        let text = std::str::from_utf8(&text[..len]).unwrap_or_default();
        text.split_whitespace()
            .nth(1)
            .and_then(|writes| writes.parse().ok())
            .context("the kernel does not tell the writes in flight")
    }
}

/// The test's end of the instant: a character device, virtio-serial as a rule.
struct Port {
    file: File,
    line: [u8; 64],
}

impl Port {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .with_context(|| format!("cannot open the test port {} of the settings", path.display()))?;
        Ok(Self { file, line: [0; 64] })
    }

    /// Says that the instant has come, and waits until the test has used it.
    fn ask(&mut self, job: JobId) -> anyhow::Result<()> {
        writeln!(self.file, "frozen {job}").context("cannot write to the test port")?;
        let begin = Instant::now();
        let mut len = 0;
        while !self.line[..len].ends_with(b"thaw\n") {
            let left = PORT_WAIT.saturating_sub(begin.elapsed());
            let timeout = PollTimeout::try_from(left.as_millis() as u64).unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) => bail!("nobody answered `thaw` on the test port within {} s", PORT_WAIT.as_secs()),
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(error).context("cannot wait for the test port"),
            }
            if len == self.line.len() {
                len = 0;
            }
            match self.file.read(&mut self.line[len..]).context("cannot read from the test port")? {
                0 => bail!("the test port was closed at the other end"),
                read => len += read,
            }
        }
        Ok(())
    }
}
