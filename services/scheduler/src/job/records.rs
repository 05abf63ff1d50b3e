//! The hashes of the blocks that a job has written, one file a disk: 32 bytes a block at its place, sparse, all zeros where nothing
//! was written. (That BLAKE3 gives 32 zero bytes is not to be expected; such a record is refused.) It outlives the service, not the
//! job. It is not synced: when the box itself goes down, so do the LUNs, and the job with them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use understudy_wire::{BlockHash, Bytes, DiskId};

const HASH: usize = 32;
/// Stands where nothing was written.
const NONE: [u8; HASH] = [0; HASH];
/// Records read at a time: 1 MiB.
const BATCH: u64 = 32 * 1024;

/// One disk's records.
#[derive(Debug)]
pub struct Records {
    file: File,
    size: Bytes,
}

/// What the records of one disk come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Blocks written, each counted once.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// BLAKE3 over the records as they are on the wire, in the order of the blocks.
    pub digest: String,
}

impl Records {
    /// Opens, or makes, the file of a disk of this size in a job's folder.
    pub fn open(folder: &Path, disk: DiskId, size: Bytes) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path: PathBuf = folder.join(format!("{disk}.hashes"));
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file, size })
    }

    /// Stores records; a later one replaces an earlier one of the same block.
    pub fn store(&self, records: &[BlockHash]) -> io::Result<()> {
        for record in records {
            if record.hash == NONE {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("block {} came with an empty hash", record.index),
                ));
            }
            self.file.write_all_at(&record.hash, record.index * HASH as u64)?;
        }
        Ok(())
    }

    /// Visits all records in the order of their blocks, until `visit` fails: the first block of up to `longest` neighbours, and
    /// their hashes.
    pub fn runs<E: From<io::Error>>(
        &self,
        longest: usize,
        mut visit: impl FnMut(u64, &[[u8; HASH]]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut batch = vec![0; BATCH as usize * HASH];
        for first in (0..self.size.blocks()).step_by(BATCH as usize) {
            let filled = read_up_to(&self.file, &mut batch, first * HASH as u64)?;
            let mut index = first;
            for alike in batch[..filled].as_chunks().0.chunk_by(|one, next| (*one == NONE) == (*next == NONE))
            {
                for run in alike.chunks(longest) {
                    if run[0] != NONE {
                        visit(index, run)?;
                    }
                    index += run.len() as u64;
                }
            }
            if filled < batch.len() {
                break;
            }
        }
        Ok(())
    }

    /// Counts and digests.
    pub fn summary(&self) -> io::Result<Summary> {
        let (mut blocks, mut bytes, mut digest) = (0, 0, blake3::Hasher::new());
        self.runs(usize::MAX, |first, hashes| {
            for (index, &hash) in (first..).zip(hashes) {
                blocks += 1;
                bytes += self.size.block_len(index);
                digest.update(&BlockHash { index, hash }.to_bytes());
            }
            Ok::<_, io::Error>(())
        })?;
        Ok(Summary { blocks, bytes, digest: digest.finalize().to_hex().to_string() })
    }
}

/// Fills as much of the buffer as the file has.
fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_wire::BLOCK;

    fn record(index: u64, byte: u8) -> BlockHash {
        BlockHash { index, hash: [byte; HASH] }
    }

    fn runs(records: &Records, longest: usize) -> Vec<(u64, Vec<[u8; HASH]>)> {
        let mut seen = Vec::new();
        let visit = |first, hashes: &[_]| {
            seen.push((first, hashes.to_vec()));
            Ok::<_, io::Error>(())
        };
        records.runs(longest, visit).unwrap();
        seen
    }

    #[test]
    fn the_last_record_of_a_block_counts_and_each_block_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let size = Bytes(100_000 * BLOCK + 512);
        let disk = DiskId::new();
        let records = Records::open(folder.path(), disk, size).unwrap();
        records.store(&[record(5, 1), record(100_000, 2), record(40_000, 3)]).unwrap();
        records.store(&[record(5, 4)]).unwrap();
        let again = Records::open(folder.path(), disk, size).unwrap();
        assert_eq!(
            runs(&again, 16),
            [(5, vec![[4; HASH]]), (40_000, vec![[3; HASH]]), (100_000, vec![[2; HASH]])]
        );
        let summary = again.summary().unwrap();
        assert_eq!((summary.blocks, summary.bytes), (3, 2 * BLOCK + 512));
    }

    #[test]
    fn neighbours_come_together_but_not_too_many_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path(), DiskId::new(), Bytes(100 * BLOCK)).unwrap();
        records.store(&[3, 4, 5, 6, 7, 9].map(|index| record(index, index as u8))).unwrap();
        let bytes = |bytes: &[u8]| bytes.iter().map(|&byte| [byte; HASH]).collect::<Vec<_>>();
        assert_eq!(runs(&records, 3), [(3, bytes(&[3, 4, 5])), (6, bytes(&[6, 7])), (9, bytes(&[9]))]);
    }

    #[test]
    fn an_empty_hash_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path(), DiskId::new(), Bytes(BLOCK)).unwrap();
        assert!(records.store(&[record(0, 0)]).is_err());
    }
}
