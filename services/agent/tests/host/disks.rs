//! Disks to protect: loop devices with file systems on them, and something that never stops writing.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use understudy_wire::{Bytes, Disk, DiskId, Partition};

use crate::shell::{run, try_run};

pub const MIB: u64 = 1 << 20;

/// A mounted loop device.
pub struct TestDisk {
    pub disk: Disk,
    pub image: PathBuf,
    pub mount: PathBuf,
    node: String,
}

impl TestDisk {
    /// A disk of `size` bytes with ext4 all over it.
    pub fn ext4(folder: &Path, size: u64) -> Self {
        let size = Bytes(size);
        let (image, node) = attach(folder, "ext4", size);
        run("mkfs.ext4", ["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", &node]);
        let mut one = Self::mounted(folder, "ext4", image, node.clone(), &node, size);
        one.disk.filesystem = "ext4".into();
        one
    }

    /// A disk with XFS in a partition, and a size that is not a multiple of any block.
    pub fn xfs(folder: &Path) -> Self {
        let size = Bytes(340 * MIB + 3 * 512);
        let (image, node) = attach(folder, "xfs", size);
        let (start, length) = (MIB, 330 * MIB);
        run("addpart", [&node, "1", &(start / 512).to_string(), &(length / 512).to_string()]);
        let partition = format!("{node}p1");
        run("mkfs.xfs", ["-q", &partition]);
        // What lies outside every partition counts, too.
        let file = File::options().write(true).open(&image).unwrap();
        file.write_all_at(b"a boot loader", 512).unwrap();
        file.write_all_at(b"a backup partition table", size.0 - 512).unwrap();
        let mut one = Self::mounted(folder, "xfs", image, node, &partition, size);
        one.disk.partitions.push(Partition {
            number: 1,
            start: Bytes(start),
            size: Bytes(length),
            filesystem: "xfs".into(),
            mounted_at: vec![one.mount.display().to_string()],
        });
        one
    }

    fn mounted(
        folder: &Path,
        name: &str,
        image: PathBuf,
        node: String,
        filesystem: &str,
        size: Bytes,
    ) -> Self {
        let mount = folder.join(format!("{name}.mount"));
        fs::create_dir(&mount).unwrap();
        run("mount", [filesystem, &mount.display().to_string()]);
        let disk = Disk {
            id: DiskId::new(),
            name: node.trim_start_matches("/dev/").to_owned(),
            serial: String::new(),
            size,
            sector_size: 512,
            table: String::new(),
            table_id: String::new(),
            partitions: Vec::new(),
            filesystem: String::new(),
            mounted_at: Vec::new(),
        };
        Self { disk, image, mount, node }
    }

    /// The whole disk.
    pub fn node(&self) -> PathBuf {
        PathBuf::from(&self.node)
    }

    /// Copies the disk as it is this moment; only sensible while it is frozen.
    pub fn copy_to(&self, to: &Path) {
        run("cp", ["--sparse=always", &self.image.display().to_string(), &to.display().to_string()]);
    }
}

impl Drop for TestDisk {
    fn drop(&mut self) {
        for (program, arguments) in [
            ("umount", vec![self.mount.display().to_string()]),
            ("losetup", vec!["-d".into(), self.node.clone()]),
        ] {
            if let Err(error) = try_run(program, arguments) {
                eprintln!("{error}");
            }
        }
    }
}

fn attach(folder: &Path, name: &str, size: Bytes) -> (PathBuf, String) {
    let image = folder.join(format!("{name}.img"));
    File::create(&image).unwrap().set_len(size.0).unwrap();
    let node = run("losetup", ["--show", "-P", "-f", &image.display().to_string()]);
    (image, node)
}

/// Writes to a mounted file system, in many places and without pause, until it is dropped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    pub turns: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(mount: &Path, seed: u64) -> Self {
        let (stop, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (mount, stopped, counted) = (mount.to_owned(), Arc::clone(&stop), Arc::clone(&turns));
        let thread = std::thread::spawn(move || {
            let data =
                File::options().create(true).truncate(true).write(true).open(mount.join("data")).unwrap();
            let mut random = Random(seed);
            let mut block = vec![0; 64 << 10];
            for turn in 0.. {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let len = 512 + random.below(block.len() as u64 - 512) as usize;
                block[..len].fill_with(|| random.next() as u8);
                data.write_all_at(&block[..len], random.below(96 * MIB)).unwrap();
                // Small files come and go, so that metadata changes and space is freed and used again.
                let small = mount.join(format!("small-{}", random.below(200)));
                if random.below(3) == 0 {
                    let _ = fs::remove_file(&small);
                } else {
                    fs::write(&small, &block[..len / 4]).unwrap();
                }
                if turn % 16 == 0 {
                    data.sync_data().unwrap();
                }
                counted.store(turn + 1, Ordering::SeqCst);
                // Heavy, but not so that two processors do nothing else.
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { stop, turns, thread: Some(thread) }
    }

    /// Waits until `more` turns of the writer have been made, which proves that its file system takes writes.
    pub fn wait(&self, more: u64) {
        let (begin, goal) = (Instant::now(), self.turns.load(Ordering::SeqCst) + more);
        while self.turns.load(Ordering::SeqCst) < goal {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "the writer made no {more} turns within 30 s: is its file system frozen?"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// xorshift64*: enough to spread writes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 24
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
