//! The hashes of the blocks that a job has written, one file a disk: 32 bytes a block at its place, sparse, all zeros where nothing
//! was written. (That BLAKE3 gives 32 zero bytes is not to be expected; such a record is refused.) It outlives the service, not the
//! job. It is not synced: when the box itself goes down, so do the LUNs, and the job with them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use understudy_wire::{BlockHash, Bytes, DiskId};

const HASH: usize = 32;
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
            if record.hash == [0; HASH] {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("block {} came with an empty hash", record.index),
                ));
            }
            self.file.write_all_at(&record.hash, record.index * HASH as u64)?;
        }
        Ok(())
    }

    /// Visits all records in the order of their blocks, until `visit` fails.
    pub fn each<E: From<io::Error>>(
        &self,
        mut visit: impl FnMut(BlockHash) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut batch = vec![0; BATCH as usize * HASH];
        for first in (0..self.size.blocks()).step_by(BATCH as usize) {
            let filled = read_up_to(&self.file, &mut batch, first * HASH as u64)?;
            for (index, hash) in (first..).zip(batch[..filled].chunks_exact(HASH)) {
                let hash: [u8; HASH] =
                    hash.try_into().expect("chunks_exact gives chunks of exactly this length");
                if hash != [0; HASH] {
                    visit(BlockHash { index, hash })?;
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
        self.each(|record| {
            blocks += 1;
            bytes += self.size.block_len(record.index);
            digest.update(&record.to_bytes());
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

    #[test]
    fn the_last_record_of_a_block_counts_and_each_block_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let size = Bytes(100_000 * BLOCK + 512);
        let disk = DiskId::new();
        let records = Records::open(folder.path(), disk, size).unwrap();
        records.store(&[record(5, 1), record(100_000, 2), record(40_000, 3)]).unwrap();
        records.store(&[record(5, 4)]).unwrap();
        let again = Records::open(folder.path(), disk, size).unwrap();
        let mut seen = Vec::new();
        let keep = |record| {
            seen.push(record);
            Ok::<_, io::Error>(())
        };
        again.each(keep).unwrap();
        assert_eq!(seen, [record(5, 4), record(40_000, 3), record(100_000, 2)]);
        let summary = again.summary().unwrap();
        assert_eq!((summary.blocks, summary.bytes), (3, 2 * BLOCK + 512));
    }

    #[test]
    fn an_empty_hash_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path(), DiskId::new(), Bytes(BLOCK)).unwrap();
        assert!(records.store(&[record(0, 0)]).is_err());
    }
}
