//! The independent proof: a recovery point against the copy that the harness took of the machine's disk at the same
//! frozen instant, every block, whole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, ensure};

/// The size of the blocks that are compared and counted, in bytes: that of the agent's maps.
pub const BLOCK: usize = 64 * 1024;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// The blocks that were allowed to travel in the first backup: bit `n`, lowest bit of each byte first, is block `n`.
#[derive(Debug, Clone)]
pub struct FirstMap(Vec<u8>);

impl FirstMap {
    /// A map as the agent wrote it, for a disk of `size` bytes.
    pub fn new(bits: Vec<u8>, size: u64) -> anyhow::Result<Self> {
        let blocks = size.div_ceil(BLOCK as u64);
        ensure!(
            bits.len() as u64 >= blocks.div_ceil(8),
            "the agent's first map covers {} blocks, the disk has {blocks}",
            bits.len() * 8
        );
        Ok(Self(bits))
    }

    fn contains(&self, index: u64) -> bool {
        self.0[(index / 8) as usize] >> (index % 8) & 1 == 1
    }
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Blocks compared: all the disk has.
    pub compared: u64,
    /// Blocks that differ.
    pub differing: u64,
    /// The first few of them.
    pub examples: Vec<u64>,
    /// Blocks the first map left out that hold something on the machine and read as zeros in the point, as they should.
    pub left_out: u64,
}

/// One disk's files, all raw images of the same true size (the point's may be longer: volumes are rounded up).
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    /// The recovery point, read on the box.
    pub point: &'a Path,
    /// The machine's disk at the instant of that point, taken by the harness.
    pub frozen: &'a Path,
    /// The machine's disk at the instant of the first point.
    pub first: &'a Path,
    /// True size in bytes.
    pub size: u64,
    /// The first backup's map.
    pub map: &'a FirstMap,
}

/// Compares a recovery point with the copy. A block may differ in one case only: the first map left it out, it has not
/// changed on the machine since, and it reads as zeros in the point. In the first point itself (`point` of the first
/// backup, where `frozen` is `first`) every block the map left out must read as zeros, whatever the machine has there:
/// otherwise a block travelled that had no business to.
pub fn compare(disk: Disk<'_>) -> anyhow::Result<Comparison> {
    let mut point = Blocks::open(disk.point, disk.size)?;
    let mut frozen = Blocks::open(disk.frozen, disk.size)?;
    let mut first = Blocks::open(disk.first, disk.size)?;
    let is_first = disk.frozen == disk.first;
    let mut result = Comparison::default();
    for index in 0..disk.size.div_ceil(BLOCK as u64) {
        let (in_point, on_machine, at_first) = (point.next()?, frozen.next()?, first.next()?);
        result.compared += 1;
        let zero = is_zero(in_point);
        let equal = in_point == on_machine;
        let left_out = !disk.map.contains(index);
        let fine =
            if left_out && is_first { zero } else { equal || (left_out && zero && on_machine == at_first) };
        if !fine {
            result.differing += 1;
            if result.examples.len() < 8 {
                result.examples.push(index);
            }
        } else if !equal {
            result.left_out += 1;
        }
    }
    Ok(result)
}

/// Bytes in blocks that differ between two copies of a disk: the least a block-wise incremental backup must send.
pub fn changed_bytes(before: &Path, after: &Path, size: u64) -> anyhow::Result<u64> {
    let mut before = Blocks::open(before, size)?;
    let mut after = Blocks::open(after, size)?;
    let mut changed = 0;
    for _ in 0..size.div_ceil(BLOCK as u64) {
        let (old, new) = (before.next()?, after.next()?);
        if old != new {
            changed += new.len() as u64;
        }
    }
    Ok(changed)
}

/// Bytes in blocks that are not all zeros: the least a first backup must send.
pub fn not_zero_bytes(image: &Path, size: u64) -> anyhow::Result<u64> {
    let mut image = Blocks::open(image, size)?;
    let mut count = 0;
    for _ in 0..size.div_ceil(BLOCK as u64) {
        let block = image.next()?;
        if !is_zero(block) {
            count += block.len() as u64;
        }
    }
    Ok(count)
}

/// By memcmp, which is fast even where our own code is compiled without optimisation.
fn is_zero(block: &[u8]) -> bool {
    *block == ZEROS[..block.len()]
}

/// Reads an image block by block.
struct Blocks<'a> {
    path: &'a Path,
    file: File,
    left: u64,
    block: Vec<u8>,
}

impl<'a> Blocks<'a> {
    fn open(path: &'a Path, size: u64) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { path, file, left: size, block: vec![0; BLOCK] })
    }

    fn next(&mut self) -> anyhow::Result<&[u8]> {
        let len = self.left.min(BLOCK as u64) as usize;
        let block = &mut self.block[..len];
        self.file.read_exact(block).with_context(|| {
            format!("{} ends {} bytes before the disk it should hold", self.path.display(), self.left)
        })?;
        self.left -= len as u64;
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 4 * BLOCK as u64 + 512;

    struct Fixture {
        dir: tempfile::TempDir,
        map: FirstMap,
    }

    impl Fixture {
        /// Blocks 0, 1, 3 and 4 are in the map; block 2 is not, and the machine has garbage there.
        fn new() -> Self {
            let fixture =
                Self { dir: tempfile::tempdir().unwrap(), map: FirstMap::new(vec![0b11011], SIZE).unwrap() };
            let mut disk = vec![7u8; SIZE as usize];
            fixture.write("first", &disk);
            disk[BLOCK] = 8;
            fixture.write("frozen", &disk);
            disk[2 * BLOCK..3 * BLOCK].fill(0);
            disk.resize(5 * BLOCK, 0); // the volume is rounded up
            fixture.write("point", &disk);
            fixture
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            std::fs::write(self.dir.path().join(name), bytes).unwrap();
        }

        fn flip(&self, name: &str, byte: usize) {
            let path = self.dir.path().join(name);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[byte] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }

        fn compare(&self, point: &str, frozen: &str) -> Comparison {
            let path = |name| self.dir.path().join(name);
            compare(Disk {
                point: &path(point),
                frozen: &path(frozen),
                first: &path("first"),
                size: SIZE,
                map: &self.map,
            })
            .unwrap()
        }
    }

    #[test]
    fn an_exact_point_has_no_differing_block() {
        let found = Fixture::new().compare("point", "frozen");
        assert_eq!(found, Comparison { compared: 5, differing: 0, examples: vec![], left_out: 1 });
    }

    #[test]
    fn one_flipped_bit_is_found_in_every_block_even_the_short_last_one() {
        for (index, byte) in [0, BLOCK + 1, 2 * BLOCK, 3 * BLOCK, SIZE as usize - 1].into_iter().enumerate() {
            let fixture = Fixture::new();
            fixture.flip("point", byte);
            let found = fixture.compare("point", "frozen");
            assert_eq!((found.differing, found.examples), (1, vec![index as u64]));
        }
    }

    #[test]
    fn a_block_left_out_at_first_and_changed_since_must_be_in_the_point() {
        let fixture = Fixture::new();
        fixture.flip("frozen", 2 * BLOCK);
        assert_eq!(fixture.compare("point", "frozen").examples, [2]);
    }

    #[test]
    fn a_block_that_travelled_outside_the_first_map_is_found_even_if_it_equals_the_machine() {
        let fixture = Fixture::new();
        let whole = std::fs::read(fixture.dir.path().join("first")).unwrap();
        fixture.write("point", &whole);
        assert_eq!(fixture.compare("point", "first").examples, [2]);
    }

    #[test]
    fn an_image_that_is_too_short_is_an_error_not_a_match() {
        let fixture = Fixture::new();
        fixture.write("point", &[7; 100]);
        let path = |name| fixture.dir.path().join(name);
        assert!(changed_bytes(&path("first"), &path("point"), SIZE).is_err());
    }

    #[test]
    fn changed_bytes_counts_whole_blocks_and_the_short_last_one_as_it_is() {
        let fixture = Fixture::new();
        let path = |name| fixture.dir.path().join(name);
        assert_eq!(changed_bytes(&path("first"), &path("frozen"), SIZE).unwrap(), BLOCK as u64);
        fixture.flip("frozen", SIZE as usize - 1);
        assert_eq!(changed_bytes(&path("first"), &path("frozen"), SIZE).unwrap(), BLOCK as u64 + 512);
    }
}
