//! The order of a flash, made so that a power cut at any moment leaves a target that either does not boot or is complete:
//! erase both ends; write what lies between; read it back; then write the ends, and of those the first sectors last of all.
//! Without the protective MBR in its first sector neither firmware nor Linux looks for a GPT.

use std::ops::{ControlFlow, Range};
use std::time::Instant;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::plan::{EDGE, Plan};
use crate::report::{PhaseReport, Report};
use crate::target::{Phase, Target, Watch};

/// Bytes of one request with data: large enough for any disk's full speed.
const CHUNK: u64 = 4 << 20;
/// Bytes of one request for zeros: small enough to end soon where the kernel has to send them.
const ZEROS: u64 = 16 << 20;
/// What is written last of all: the protective MBR with the sectors beside it, in the page a disk writes at once.
const KEY: usize = 4096;

/// Writes `image` to `target`, which holds at least as many bytes, and reads every byte of it back.
///
/// After [`Error::Unfinished`] the target does not boot, after [`Error::NotErased`] it might; after any other error nothing has been
/// written to it.
pub fn flash(image: &Image, target: &mut dyn Target, watch: &mut dyn Watch) -> Result<Report> {
    let plan = Plan::new(image, target.size())?;
    let (written, expected) = (Buffer::new(CHUNK as usize), Buffer::new(CHUNK as usize));
    let mut flash = Flash { image, plan: &plan, target, watch, written, expected, state: State::Untouched };
    let begin = Instant::now();
    let phases = flash.run().map_err(|cause| flash.give_up(cause))?;
    let body = plan.bytes();
    Ok(Report {
        target: target.name(),
        size: target.size(),
        written: plan.data_bytes() + 2 * EDGE,
        zeroed: body - plan.data_bytes(),
        compared: body + 2 * EDGE,
        untouched: target.size() - body - 2 * EDGE,
        phases,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

struct Flash<'a> {
    image: &'a Image,
    plan: &'a Plan,
    target: &'a mut dyn Target,
    watch: &'a mut dyn Watch,
    /// A chunk on its way to or from the target.
    written: Buffer,
    /// What it should be.
    expected: Buffer,
    state: State,
}

/// What the target is to whoever finds it.
enum State {
    /// What it was.
    Untouched,
    /// Something that may look like a disk to boot from.
    Doubtful,
    /// Nothing: it has no table.
    Blank,
}

impl Flash<'_> {
    fn run(&mut self) -> Result<Vec<PhaseReport>> {
        let (body, data) = (self.plan.bytes(), self.plan.data_bytes());
        Ok(vec![
            self.phase(Phase::Erase, 2 * EDGE, 2 * EDGE, Self::erase)?,
            self.phase(Phase::Write, body, data, Self::write)?,
            self.phase(Phase::Compare, body, body, Self::compare)?,
            self.phase(Phase::Seal, 2 * EDGE, 4 * EDGE, Self::seal)?,
        ])
    }

    fn phase(
        &mut self,
        phase: Phase,
        bytes: u64,
        moved: u64,
        run: fn(&mut Self) -> Result<()>,
    ) -> Result<PhaseReport> {
        let begin = Instant::now();
        self.watch.begin(phase, bytes);
        self.advance(0)?;
        run(self)?;
        Ok(PhaseReport::new(phase, bytes, moved, begin.elapsed()))
    }

    fn erase(&mut self) -> Result<()> {
        let zeros = vec![0; EDGE as usize];
        self.state = State::Doubtful;
        self.put(0, &zeros[..KEY])?; // first what makes it a disk, as that is written last
        self.sync()?;
        self.put(KEY as u64, &zeros[KEY..])?;
        self.put(self.target.size() - EDGE, &zeros)?;
        self.sync()?;
        self.state = State::Blank;
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        for piece in &self.plan.pieces {
            for range in piece.chunks(if piece.data { CHUNK } else { ZEROS }) {
                if piece.data {
                    let chunk = &mut self.written[..length(&range)];
                    self.image.read(range.start, chunk)?;
                    medium("write", &range, self.target.write(range.start, chunk))?;
                } else {
                    medium("zero", &range, self.target.zero(range.clone()))?;
                }
                self.advance(range.end - range.start)?;
            }
        }
        self.sync()
    }

    fn compare(&mut self) -> Result<()> {
        for piece in &self.plan.pieces {
            if !piece.data {
                self.expected.fill(0);
            }
            for range in piece.chunks(CHUNK) {
                if piece.data {
                    self.image.read(range.start, &mut self.expected[..length(&range)])?;
                }
                self.check(&range)?;
                self.advance(range.end - range.start)?;
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<()> {
        let Plan { head, tail, .. } = self.plan;
        let tail_start = self.target.size() - EDGE;
        let (key, rest) = head.split_at(KEY);
        self.state = State::Doubtful;
        self.put(tail_start, tail)?;
        self.put(KEY as u64, rest)?;
        self.sync()?;
        self.get(tail_start, tail)?;
        self.get(KEY as u64, rest)?;
        self.put(0, key)?;
        self.sync()?;
        self.get(0, key)?;
        self.target.announce();
        Ok(())
    }

    /// Whatever happened, what is left must not look like a disk to boot from.
    fn give_up(&mut self, cause: Error) -> Error {
        let target = self.target.name();
        let erased = match self.state {
            State::Untouched => return cause,
            State::Doubtful => self.erase(),
            State::Blank => Ok(()),
        };
        let cause = Box::new(cause);
        match erased {
            Ok(()) => Error::Unfinished { target, cause },
            Err(erasing) => Error::NotErased { target, cause, erasing: Box::new(erasing) },
        }
    }

    /// Writes no more than a chunk, from memory as the target wants it.
    fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let chunk = &mut self.written[..bytes.len()];
        chunk.copy_from_slice(bytes);
        medium("write", &(offset..offset + bytes.len() as u64), self.target.write(offset, chunk))
    }

    /// Reads that back.
    fn get(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.expected[..bytes.len()].copy_from_slice(bytes);
        self.check(&(offset..offset + bytes.len() as u64))
    }

    /// Reads a range and compares it with what is expected.
    fn check(&mut self, range: &Range<u64>) -> Result<()> {
        let (found, expected) = (&mut self.written[..length(range)], &self.expected[..length(range)]);
        found.fill(0x5a); // a read that does nothing must not find what was there before
        medium("read back", range, self.target.read(range.start, found))?;
        if found == expected {
            return Ok(()); // memcmp
        }
        let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
        let at = differs.expect("slices of one length that differ, differ somewhere");
        Err(Error::Differs { offset: range.start + at as u64, found: found[at], expected: expected[at] })
    }

    fn sync(&mut self) -> Result<()> {
        medium("flush", &(0..self.target.size()), self.target.sync())
    }

    fn advance(&mut self, bytes: u64) -> Result<()> {
        match self.watch.advance(bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }
}

fn length(range: &Range<u64>) -> usize {
    (range.end - range.start) as usize
}

fn medium(action: &'static str, range: &Range<u64>, result: std::io::Result<()>) -> Result<()> {
    result.map_err(|reason| Error::Medium {
        action,
        offset: range.start,
        length: range.end - range.start,
        reason,
    })
}
