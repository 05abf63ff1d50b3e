//! The plug is pulled at any moment: between any two requests, with any part of what was not flushed lost.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use std::fs;
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::LazyLock;

use common::{MIB, assert_is_image, has_table, hook, image, watch};
use os_flash::{Error, Image, Phase, Target, flash};
use proptest::prelude::*;

const SECTOR: usize = 512;

/// A disk with a write cache, whose power fails.
struct Disk {
    /// What survives.
    medium: Vec<u8>,
    /// Requests since the last flush, in order.
    cache: Vec<(u64, Vec<u8>)>,
    /// Requests until now.
    requests: usize,
    /// The request in which the power fails.
    cut: usize,
    /// A request that fails before that while the power is there.
    fault: usize,
    /// Decides what of the cache reaches the medium, sector by sector.
    chance: u64,
}

const NEVER: usize = usize::MAX;

impl Disk {
    fn new(medium: Vec<u8>, cut: usize, fault: usize, chance: u64) -> Self {
        Self { medium, cache: Vec::new(), requests: 0, cut, fault, chance: chance | 1 }
    }

    /// Does a request, unless it fails: then as much of it is done as happens to be.
    fn request(&mut self, run: impl FnOnce(&mut Self)) -> io::Result<()> {
        let number = self.requests;
        self.requests += 1;
        if number <= self.cut {
            run(self);
        }
        if number >= self.cut || number == self.fault {
            return Err(io::Error::other("no power"));
        }
        Ok(())
    }

    fn flush(&mut self) {
        for (offset, bytes) in self.cache.drain(..) {
            self.medium[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
        }
    }

    /// What is found when power is back: every sector not flushed is old or new, as it happens.
    fn after_the_cut(mut self) -> Vec<u8> {
        for (offset, bytes) in std::mem::take(&mut self.cache) {
            // All of a request, none of it, or some of it.
            let odds = self.random() % 3;
            for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                if odds == 0 || odds == 1 && self.random().is_multiple_of(2) {
                    self.medium[offset as usize + index * SECTOR..][..SECTOR].copy_from_slice(sector);
                }
            }
        }
        self.medium
    }

    /// xorshift64
    fn random(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance >> 8
    }
}

impl Target for Disk {
    fn name(&self) -> String {
        "the disk".into()
    }

    fn size(&self) -> u64 {
        self.medium.len() as u64
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(offset.is_multiple_of(512) && bytes.len().is_multiple_of(512), "{offset} {}", bytes.len());
        assert_eq!(bytes.as_ptr() as usize % 4096, 0, "O_DIRECT would refuse this memory");
        self.request(|disk| disk.cache.push((offset, bytes.to_vec())))
    }

    fn zero(&mut self, range: Range<u64>) -> io::Result<()> {
        self.request(|disk| disk.cache.push((range.start, vec![0; (range.end - range.start) as usize])))
    }

    fn sync(&mut self) -> io::Result<()> {
        let fails = [self.cut, self.fault].contains(&self.requests);
        self.request(|disk| {
            if !fails {
                disk.flush()
            }
        })
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        assert_eq!(into.as_ptr() as usize % 4096, 0, "O_DIRECT would refuse this memory");
        self.request(|disk| {
            assert!(disk.cache.is_empty(), "read back from the cache, which proves nothing");
            into.copy_from_slice(&disk.medium[offset as usize..][..into.len()]);
        })
    }
}

/// A disk that held another system, and the image for it.
struct Sample {
    image: Image,
    old: Vec<u8>,
    content: Vec<u8>,
    /// Requests of a whole flash.
    requests: usize,
}

/// Disks of the image's size, and larger by less and by more than a table and an end.
static SAMPLES: LazyLock<Vec<Sample>> =
    LazyLock::new(|| [0, 512, 40 * 512, MIB, 3 * MIB - 512].into_iter().map(Sample::new).collect());

impl Sample {
    fn new(more: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = 6 * MIB + more;
        let filled = size - MIB - 33 * 512;
        let old = fs::read(image(folder.path(), size, &[(MIB, filled as usize, 0xdd)])).unwrap();
        // Boot code in the first MiB, as a BIOS wants it, and data before and behind a hole.
        let data = [(40 * 512, 60_000, 1), (MIB, 100_000, 2), (4 * MIB, 300_000, 3)];
        let path = image(folder.path(), 6 * MIB, &data);
        let (content, image) = (fs::read(&path).unwrap(), Image::open(&path).unwrap());
        let mut disk = Disk::new(old.clone(), NEVER, NEVER, 1);
        flash(&image, &mut disk, &mut watch()).unwrap();
        assert_is_image(&disk.medium, &content, 0xdd);
        Self { image, old, content, requests: disk.requests }
    }

    fn disk(&self, cut: usize, fault: usize, chance: u64) -> Disk {
        Disk::new(self.old.clone(), cut, fault, chance)
    }
}

/// After a fault and a cut: whatever looks bootable is complete.
fn cut(sample: &Sample, cut: usize, fault: usize, chance: u64) {
    let Sample { image, old, content, .. } = sample;
    let mut disk = sample.disk(cut, fault, chance);
    let error = flash(image, &mut disk, &mut watch()).unwrap_err();
    assert!(matches!(error, Error::Unfinished { .. } | Error::NotErased { .. }), "{error}");
    let unfinished = matches!(error, Error::Unfinished { .. });
    let found = disk.after_the_cut();
    if !has_table(&found) {
        return;
    }
    assert!(!unfinished, "it is said not to be bootable, and looks bootable");
    // Until its table is gone the old disk shows through, with nothing of the image on it.
    let body = MIB as usize..old.len() - MIB as usize;
    let rest = 4096..content.len() - 33 * SECTOR;
    assert!(
        found[body.clone()] == old[body] || found[rest.clone()] == content[rest],
        "it looks bootable and is not complete"
    );
}

#[test]
fn a_cut_in_any_request_leaves_a_disk_that_does_not_boot_or_is_complete() {
    for sample in SAMPLES.iter() {
        for request in 0..sample.requests {
            for chance in 1..6 {
                cut(sample, request, NEVER, 0x9e37_79b9_7f4a_7c15 / chance);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A request fails, the flash gives up and erases what it wrote, and in that the power fails.
    #[test]
    fn a_cut_while_giving_up_leaves_a_disk_that_does_not_boot_or_is_complete(
        sample in any::<prop::sample::Index>(), fault in any::<prop::sample::Index>(), later in 0usize..8,
        chance in any::<u64>(),
    ) {
        let sample = sample.get(&SAMPLES);
        let fault = fault.index(sample.requests);
        cut(sample, fault + later, fault, chance);
    }
}

#[test]
fn a_target_that_is_too_small_is_not_touched() {
    let sample = &SAMPLES[0];
    let mut disk = Disk::new(vec![7; sample.old.len() - SECTOR], NEVER, NEVER, 1);
    let message = flash(&sample.image, &mut disk, &mut watch()).unwrap_err().to_string();
    assert!(message.contains("cannot hold the image"), "{message}");
    assert_eq!(disk.requests, 0);
}

#[test]
fn a_flash_ended_before_it_begins_changes_nothing() {
    let sample = &SAMPLES[0];
    let mut disk = sample.disk(NEVER, NEVER, 1);
    let error = flash(&sample.image, &mut disk, &mut hook(|_| ControlFlow::Break(()))).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    assert_eq!(disk.requests, 0);
}

#[test]
fn between_any_two_phases_both_ends_are_blank() {
    for phase in [Phase::Write, Phase::Compare, Phase::Seal] {
        let sample = &SAMPLES[0];
        let mut disk = sample.disk(NEVER, NEVER, 1);
        let mut stop =
            hook(|begun| if begun == phase { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        flash(&sample.image, &mut disk, &mut stop).unwrap_err();
        assert!(disk.cache.is_empty(), "{phase:?} began before what was written had reached the medium");
        // Neither a table nor the second copy some tools would make one of, nor boot code.
        let (head, tail) = (&disk.medium[..MIB as usize], &disk.medium[disk.medium.len() - MIB as usize..]);
        assert!(head.iter().chain(tail).all(|byte| *byte == 0), "{phase:?}");
    }
}

/// A medium that garbles the very last write, and may be gone after that.
struct Liar {
    disk: Disk,
    leaves: bool,
    sealed: bool,
}

impl Target for Liar {
    fn name(&self) -> String {
        self.disk.name()
    }
    fn size(&self) -> u64 {
        self.disk.size()
    }
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.leaves && self.sealed {
            return Err(io::Error::other("the disk is gone"));
        }
        self.disk.write(offset, bytes)?;
        if offset == 0 && bytes.iter().any(|byte| *byte != 0) {
            self.disk.cache[0].1[100] ^= 1;
            self.sealed = true;
        }
        Ok(())
    }
    fn zero(&mut self, range: Range<u64>) -> io::Result<()> {
        self.disk.zero(range)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.disk.sync()
    }
    fn read(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, into)
    }
}

/// What a flash onto such a medium says, and what it leaves.
fn lie(leaves: bool) -> (String, Vec<u8>) {
    let sample = &SAMPLES[0];
    let mut disk = Liar { disk: sample.disk(NEVER, NEVER, 1), leaves, sealed: false };
    let message = flash(&sample.image, &mut disk, &mut watch()).unwrap_err().to_string();
    assert!(message.contains("byte 100 "), "{message}");
    (message, disk.disk.medium)
}

#[test]
fn a_wrong_byte_in_the_last_step_takes_the_table_away_again() {
    let (message, medium) = lie(false);
    assert!(message.contains("not bootable now"), "{message}");
    assert!(!has_table(&medium));
}

#[test]
fn a_table_that_cannot_be_taken_away_again_is_admitted() {
    let (message, medium) = lie(true);
    assert!(message.contains("may look bootable") && message.contains("the disk is gone"), "{message}");
    assert!(has_table(&medium), "and so it was not");
}
