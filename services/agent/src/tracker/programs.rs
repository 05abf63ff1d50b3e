//! The BPF programs of one disk: loading, pinning, finding again.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use anyhow::{Context, bail};
use aya::maps::{Map, MapData};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{BtfTracePoint, ProgramFd};
use aya::{Btf, EbpfLoader};

use super::hardware::Hardware;
use super::info::{self, Info};
use super::marks;
use super::memory::SharedWords;

/// BPF_MAP_TYPE and tracepoint programs by their names in the object, which are also their tracepoints' suffixes.
const PROGRAMS: [(&str, &str); 2] = [("issue", "block_rq_issue"), ("complete", "block_rq_complete")];

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracker.o"));

/// Maps and programs at work on one disk.
#[derive(Debug)]
pub struct Programs {
    /// Who, what, and counters.
    pub info: Info,
    /// Marks as the programs set them.
    pub live: SharedWords,
    /// Marks taken from `live` by jobs since the base.
    pub job: SharedWords,
    programs: [ProgramFd; 2],
}

impl Programs {
    /// Loads the programs for a disk, pins everything under `folder` (which must be new, on a BPF file system), and
    /// attaches last, when `prepare` has filled the record.
    pub fn load(folder: &Path, hardware: &Hardware, prepare: impl FnOnce(&Info)) -> anyhow::Result<Self> {
        let btf = Btf::from_sys_fs()
            .context("the kernel does not describe its types (/sys/kernel/btf/vmlinux); Linux 5.17 or newer with CONFIG_DEBUG_INFO_BTF is needed")?;
        let words = u32::try_from(marks::words(hardware.size.blocks()))
            .context("the disk is too large for the tracker (32 PiB)")?;
        let mut object = EbpfLoader::new()
            .btf(Some(&btf))
            .map_max_entries("live", words)
            .map_max_entries("job", words)
            .load(OBJECT)
            .context("the kernel refused the write tracker's maps")?;
        fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for name in ["info", "live", "job"] {
            let Some(Map::Array(map)) = object.map(name) else {
                bail!("the tracker's object has no map {name}")
            };
            map.pin(folder.join(name)).with_context(|| format!("cannot pin the tracker's map {name}"))?;
        }
        let maps = Maps::from_pins(folder, hardware)?;
        prepare(&maps.info);
        let mut fds = Vec::new();
        for (name, tracepoint) in PROGRAMS {
            let program: &mut BtfTracePoint = object
                .program_mut(name)
                .with_context(|| format!("the tracker's object has no program {name}"))?
                .try_into()?;
            program
                .load(tracepoint, &btf)
                .with_context(|| format!("the kernel refused the write tracker's program on {tracepoint}"))?;
            program
                .pin(folder.join(name))
                .with_context(|| format!("cannot pin the tracker's program {name}"))?;
            fds.push(program.fd()?.try_clone()?);
        }
        for (name, tracepoint) in PROGRAMS {
            let program: &mut BtfTracePoint =
                object.program_mut(name).context("the program was there a moment ago")?.try_into()?;
            let link = program.attach().with_context(|| format!("cannot attach to {tracepoint}"))?;
            let link: FdLink = program.take_link(link)?.into();
            link.pin(folder.join(format!("{name}-link")))
                .with_context(|| format!("cannot pin the tracker's link to {tracepoint}"))?;
        }
        Self::assemble(maps, fds)
    }

    /// Finds what an earlier process pinned, and makes sure that it is still attached.
    pub fn find(folder: &Path, hardware: &Hardware) -> anyhow::Result<Self> {
        let maps = Maps::from_pins(folder, hardware)?;
        let mut fds = Vec::new();
        for (name, tracepoint) in PROGRAMS {
            let program = BtfTracePoint::from_pin(folder.join(name))?;
            let link: FdLink = PinnedLink::from_pin(folder.join(format!("{name}-link")))?.into();
            let (ours, linked) = (program.info()?.id(), link.info()?.program_id());
            if ours != linked {
                bail!("program {ours} is no longer attached to {tracepoint}");
            }
            fds.push(program.fd()?.try_clone()?);
        }
        Self::assemble(maps, fds)
    }

    /// How often the kernel skipped a program because it was already running on that processor.
    pub fn misses(&self) -> anyhow::Result<u64> {
        self.programs.iter().map(|program| misses(program.as_fd())).sum()
    }

    fn assemble(maps: Maps, programs: Vec<ProgramFd>) -> anyhow::Result<Self> {
        let Ok(programs) = programs.try_into() else { bail!("the tracker has two programs") };
        let Maps { info, live, job } = maps;
        Ok(Self { info, live, job, programs })
    }
}

struct Maps {
    info: Info,
    live: SharedWords,
    job: SharedWords,
}

impl Maps {
    fn from_pins(folder: &Path, hardware: &Hardware) -> anyhow::Result<Self> {
        let map = |name: &str, words: usize| -> anyhow::Result<SharedWords> {
            let data = MapData::from_pin(folder.join(name))?;
            SharedWords::map(data.fd().as_fd(), words)
        };
        let words = marks::words(hardware.size.blocks()) as usize;
        Ok(Self { info: Info(map("info", info::WORDS)?), live: map("live", words)?, job: map("job", words)? })
    }
}

/// The kernel offers this counter in the descriptor's description, so that no private system call is needed.
fn misses(program: BorrowedFd) -> anyhow::Result<u64> {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("recursion_misses:"))
        .and_then(|value| value.trim().parse().ok())
        .context(
            "the kernel does not count skipped programs (recursion_misses); Linux 5.17 or newer is needed",
        )
}
