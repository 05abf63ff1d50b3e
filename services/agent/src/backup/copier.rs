//! Copies blocks of one disk to its target: reads, hashes, leaves out what the volume holds already, writes.

use std::sync::Arc;
use std::sync::mpsc::channel;

use anyhow::Context;
use understudy_direct_io::{Buffer, Device};
use understudy_wire::{BLOCK, BlockHash, Bytes, block_hash, is_zeros};

use super::progress::State;
use crate::block::{BlockRange, BlockSet};
use crate::iscsi::{BlockTarget, REQUEST};
use crate::link::MAX_RECORDS;

/// Blocks in one request.
pub const BATCH: u64 = REQUEST as u64 / BLOCK;

/// Requests that are being read, or wait to be hashed, while others are on their way to the target.
const AHEAD: usize = 3;

const READER_GONE: &str = "the thread that reads the disk has ended";

/// Where hashes of sent blocks go.
pub type Recorder<'a> = Box<dyn FnMut(&[BlockHash]) -> anyhow::Result<()> + Send + 'a>;

/// What the volume held when the job began, as far as it is known.
#[derive(Clone, Copy)]
pub enum Held<'a> {
    /// Not known: every block is sent.
    Unknown,
    /// Zeros.
    Zeros,
    /// These hashes, of the blocks from `from` on.
    Hashes {
        /// The block of the first hash.
        from: u64,
        /// One hash a block.
        hashes: &'a [[u8; 32]],
    },
}

/// One disk on its way.
pub struct Copier<'a> {
    /// The source.
    pub device: Arc<Device>,
    target: Box<dyn BlockTarget + 'a>,
    record: Recorder<'a>,
    records: Vec<BlockHash>,
    /// Blocks sent at least once: of these the volume no longer holds what it held.
    sent: BlockSet,
    sent_bytes: u64,
}

impl<'a> Copier<'a> {
    /// Begins with a volume that holds the base.
    pub fn new(device: Device, target: Box<dyn BlockTarget + 'a>, record: Recorder<'a>) -> Self {
        let blocks = Bytes(device.size()).blocks();
        Self {
            device: Arc::new(device),
            target,
            record,
            records: Vec::with_capacity(MAX_RECORDS),
            sent: BlockSet::none(blocks),
            sent_bytes: 0,
        }
    }

    /// Bytes sent, repeats counted each time.
    pub fn sent_bytes(&self) -> Bytes {
        Bytes(self.sent_bytes)
    }

    /// Bytes sent, each block counted once.
    pub fn distinct_bytes(&self) -> Bytes {
        bytes_of(&self.sent, Bytes(self.device.size()))
    }

    /// Reads and sends `blocks`, except those of which the volume still holds the same. While some are hashed and sent, the disk reads the
    /// next.
    pub fn copy(&mut self, blocks: &BlockSet, held: Held, state: &State) -> anyhow::Result<()> {
        let device = Arc::clone(&self.device);
        std::thread::scope(|scope| {
            let (ask, asked) = channel::<(BlockRange, usize, Buffer)>();
            let (give, read) = channel();
            scope.spawn(move || {
                for (range, len, mut buffer) in asked {
                    let result = device.read(range.first * BLOCK, &mut buffer[..len]);
                    if give.send((range, buffer, result)).is_err() {
                        break;
                    }
                }
            });
            let mut ranges = blocks.ranges(BATCH);
            let mut ahead = 0;
            loop {
                while ahead < AHEAD
                    && let Some(range) = ranges.next()
                {
                    let next = (range, self.bytes(range), self.target.buffer()?);
                    ask.send(next).ok().context(READER_GONE)?;
                    ahead += 1;
                }
                if ahead == 0 {
                    return Ok(());
                }
                let (range, buffer, result) = read.recv().context(READER_GONE)?;
                ahead -= 1;
                result?;
                state.check_wanted()?;
                self.send(range, buffer, held, state)?;
            }
        })
    }

    /// Sends blocks that were read before, at the instant.
    pub fn send_read(
        &mut self,
        range: BlockRange,
        data: &[u8],
        held: Held,
        state: &State,
    ) -> anyhow::Result<()> {
        let mut buffer = self.target.buffer()?;
        buffer[..data.len()].copy_from_slice(data);
        self.send(range, buffer, held, state)
    }

    /// Waits until all is on the volume's stable storage and its hashes are told.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.flush_records()?;
        Ok(self.target.flush()?)
    }

    /// Tells the hashes gathered so far.
    pub fn flush_records(&mut self) -> anyhow::Result<()> {
        if !self.records.is_empty() {
            (self.record)(&self.records).context("cannot tell the box the hashes of the blocks sent")?;
            self.records.clear();
        }
        Ok(())
    }

    /// Bytes that a range of at most [`BATCH`] blocks has.
    pub fn bytes(&self, range: BlockRange) -> usize {
        let end = ((range.first + range.count) * BLOCK).min(self.device.size());
        (end - range.first * BLOCK) as usize
    }

    fn send(&mut self, range: BlockRange, buffer: Buffer, held: Held, state: &State) -> anyhow::Result<()> {
        let mut needed = BlockSet::none(range.count);
        for number in 0..range.count {
            let index = range.first + number;
            let bytes = self.bytes(BlockRange { first: index, count: 1 });
            let data = &buffer[(number * BLOCK) as usize..][..bytes];
            let sent = self.sent.contains(index);
            // Looked at before anything is hashed: most of a disk that is compared with zeros is zeros.
            if !sent && matches!(held, Held::Zeros) && is_zeros(data) {
                state.spare(bytes as u64);
                continue;
            }
            let hash = block_hash(data);
            let held_hash = match held {
                Held::Hashes { from, hashes } if !sent => {
                    index.checked_sub(from).and_then(|at| hashes.get(at as usize))
                }
                _ => None,
            };
            if held_hash == Some(&hash) {
                state.spare(bytes as u64);
            } else {
                needed.insert(number);
                self.tell(BlockHash { index, hash })?;
            }
        }
        self.write(range, buffer, &needed, state)
    }

    /// Writes the needed blocks of a range: in one request if they are its beginning, which they nearly always are.
    fn write(
        &mut self,
        range: BlockRange,
        buffer: Buffer,
        needed: &BlockSet,
        state: &State,
    ) -> anyhow::Result<()> {
        let mut parts =
            needed.ranges(u64::MAX).map(|part| BlockRange { first: range.first + part.first, ..part });
        let Some(first) = parts.next() else {
            self.target.give_back(buffer);
            return Ok(());
        };
        // All parts but the one at the front need memory of their own, because a request's data begins its memory.
        let front = (first.first == range.first).then_some(first);
        for part in front.is_none().then_some(first).into_iter().chain(parts) {
            let (len, at) = (self.bytes(part), ((part.first - range.first) * BLOCK) as usize);
            let mut own = self.target.buffer()?;
            own[..len].copy_from_slice(&buffer[at..at + len]);
            self.write_part(part, own, state)?;
        }
        match front {
            Some(part) => self.write_part(part, buffer, state),
            None => {
                self.target.give_back(buffer);
                Ok(())
            }
        }
    }

    fn write_part(&mut self, part: BlockRange, data: Buffer, state: &State) -> anyhow::Result<()> {
        let len = self.bytes(part);
        self.target.write(part.first * BLOCK, len, data)?;
        self.sent.insert_range(part);
        self.sent_bytes += len as u64;
        state.sent(len as u64);
        Ok(())
    }

    fn tell(&mut self, record: BlockHash) -> anyhow::Result<()> {
        self.records.push(record);
        if self.records.len() == MAX_RECORDS { self.flush_records() } else { Ok(()) }
    }
}

/// Bytes that the blocks of a set have on a disk of this size.
pub fn bytes_of(set: &BlockSet, size: Bytes) -> Bytes {
    let last = size.blocks().saturating_sub(1);
    let missing = if set.contains(last) { BLOCK - size.block_len(last) } else { 0 };
    Bytes(set.count() * BLOCK - missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    use crate::iscsi::TargetError;

    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl BlockTarget for Memory {
        fn size(&self) -> u64 {
            self.0.lock().unwrap().len() as u64
        }
        fn buffer(&mut self) -> Result<Buffer, TargetError> {
            Ok(Buffer::new(REQUEST))
        }
        fn give_back(&mut self, _: Buffer) {}
        fn write(&mut self, offset: u64, len: usize, data: Buffer) -> Result<(), TargetError> {
            self.0.lock().unwrap()[offset as usize..][..len].copy_from_slice(&data[..len]);
            Ok(())
        }
        fn read(&mut self, _: u64, _: usize) -> Result<Buffer, TargetError> {
            unreachable!("a copy reads nothing back")
        }
        fn flush(&mut self) -> Result<(), TargetError> {
            Ok(())
        }
    }

    /// A disk of 40 blocks and a short one; every third is zeros.
    fn disk() -> (tempfile::NamedTempFile, Vec<u8>) {
        let size = 40 * BLOCK as usize + 512;
        let content: Vec<u8> = (0..size)
            .map(|at| if (at / BLOCK as usize).is_multiple_of(3) { 0 } else { (at / 512 % 251) as u8 + 1 })
            .collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &content).unwrap();
        (file, content)
    }

    fn copied(held: Held, before: &dyn Fn(&[u8]) -> Vec<u8>) -> (Vec<u8>, Vec<u8>, u64, usize) {
        let (file, content) = disk();
        let volume = Arc::new(Mutex::new(before(&content)));
        let told = Arc::new(Mutex::new(0));
        let record = Arc::clone(&told);
        let device = Device::open(file.path()).unwrap();
        let mut copier = Copier::new(
            device,
            Box::new(Memory(Arc::clone(&volume))),
            Box::new(move |records| {
                *record.lock().unwrap() += records.len();
                Ok(())
            }),
        );
        copier.copy(&BlockSet::all(41), held, &State::default()).unwrap();
        copier.finish().unwrap();
        let told = *told.lock().unwrap();
        (volume.lock().unwrap().clone(), content, copier.distinct_bytes().0, told)
    }

    #[test]
    fn zeros_do_not_travel_to_a_volume_of_zeros() {
        let (volume, content, sent, told) = copied(Held::Zeros, &|content| vec![0; content.len()]);
        assert!(volume == content);
        // Blocks 0, 3, … 39 of 41 are zeros.
        assert_eq!((sent, told), (26 * BLOCK + 512, 27), "the box reads back exactly what was sent");
    }

    #[test]
    fn zeros_overwrite_a_volume_whose_content_is_not_known() {
        let (volume, content, sent, _) = copied(Held::Unknown, &|content| vec![7; content.len()]);
        assert!(volume == content);
        assert_eq!(sent, content.len() as u64);
    }

    #[test]
    fn only_blocks_that_differ_from_the_base_travel() {
        let (_, content) = disk();
        let mut base = content.clone();
        base[5 * BLOCK as usize] ^= 1;
        base[content.len() - 1] ^= 1;
        let hashes: Vec<[u8; 32]> =
            base.chunks(BLOCK as usize).map(|block| *blake3::hash(block).as_bytes()).collect();
        let (volume, content, sent, told) =
            copied(Held::Hashes { from: 0, hashes: &hashes }, &|_| base.clone());
        assert!(volume == content);
        assert_eq!((sent, told), (BLOCK + 512, 2));
    }

    #[test]
    fn a_set_with_the_short_last_block_has_fewer_bytes() {
        let size = Bytes(2 * BLOCK + 512);
        assert_eq!(bytes_of(&BlockSet::all(3), size), size);
        let mut set = BlockSet::all(3);
        set.remove(2);
        assert_eq!(bytes_of(&set, size), Bytes(2 * BLOCK));
    }
}
