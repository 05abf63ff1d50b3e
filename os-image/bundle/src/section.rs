//! A part of a file as a stream with a position of its own, so that payload and tree of one file are read side by side.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

/// Bytes `start..end` of a file; offset 0 of the stream is `start`.
pub(crate) struct Section<'f> {
    file: &'f File,
    start: u64,
    end: u64,
    at: u64,
}

impl<'f> Section<'f> {
    pub fn new(file: &'f File, range: std::ops::Range<u64>) -> Self {
        Self { file, start: range.start, end: range.end, at: range.start }
    }

    fn fit(&self, wanted: usize) -> usize {
        usize::try_from(self.end.saturating_sub(self.at)).map_or(wanted, |left| left.min(wanted))
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let fit = self.fit(buffer.len());
        let read = self.file.read_at(&mut buffer[..fit], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Write for Section<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(&bytes[..self.fit(bytes.len())], self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Section<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(offset) => self.start.checked_add(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
            SeekFrom::End(offset) => self.end.checked_add_signed(offset),
        };
        self.at = at
            .filter(|at| *at >= self.start)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a position before the section"))?;
        Ok(self.at - self.start)
    }
}
