//! Named virtio-serial ports: `/dev/virtio-ports/NAME` in the guest.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard};

use crate::{Deadline, Error, Result};

/// The host's end of a virtio-serial port. Reading and writing may go on at the same time.
#[derive(Debug)]
pub struct SerialPort {
    /// "box port org.understudy.test", for messages.
    place: String,
    reader: Mutex<Reader>,
    writer: Mutex<UnixStream>,
}

#[derive(Debug)]
struct Reader {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl SerialPort {
    pub(crate) fn open(place: String, stream: UnixStream) -> Result<SerialPort> {
        let writer = stream.try_clone().map_err(Error::io(format!("open the {place}")))?;
        let reader = Mutex::new(Reader { stream, unread: Vec::new() });
        Ok(SerialPort { place, reader, writer: Mutex::new(writer) })
    }

    /// The next line from the guest, without its line end.
    pub fn read_line(&self, deadline: impl Into<Deadline>) -> Result<String> {
        let line = self.read("line", deadline.into(), |unread| {
            unread.iter().position(|byte| *byte == b'\n').map(|end| end + 1)
        })?;
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The next `count` bytes from the guest.
    pub fn read_bytes(&self, count: usize, deadline: impl Into<Deadline>) -> Result<Vec<u8>> {
        self.read(&format!("{count} bytes"), deadline.into(), |unread| {
            (unread.len() >= count).then_some(count)
        })
    }

    /// Sends a line. What the guest does not read yet waits for it, and this call with it once some pages are full.
    pub fn write_line(&self, line: &str, deadline: impl Into<Deadline>) -> Result<()> {
        self.write_bytes(format!("{line}\n").as_bytes(), deadline)
    }

    /// Sends bytes; see [`SerialPort::write_line`].
    pub fn write_bytes(&self, mut bytes: &[u8], deadline: impl Into<Deadline>) -> Result<()> {
        let deadline = deadline.into();
        let mut stream = self.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let doing = || format!("write to the {}", self.place);
        while !bytes.is_empty() {
            if deadline.passed() {
                return Err(self.late("room for what is written", deadline));
            }
            stream.set_write_timeout(Some(deadline.remaining().max(TICK))).map_err(Error::io(doing()))?;
            match stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_retryable(&error) => {}
                Err(error) => return Err(Error::io(doing())(error)),
            }
        }
        Ok(())
    }

    fn read(
        &self,
        wanted: &str,
        deadline: Deadline,
        complete: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Vec<u8>> {
        let mut reader: MutexGuard<Reader> =
            self.reader.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let doing = || format!("read the {}", self.place);
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(end) = complete(&reader.unread) {
                return Ok(reader.unread.drain(..end).collect());
            }
            if deadline.passed() {
                return Err(self.late(wanted, deadline));
            }
            reader
                .stream
                .set_read_timeout(Some(deadline.remaining().max(TICK)))
                .map_err(Error::io(doing()))?;
            match reader.stream.read(&mut chunk) {
                Ok(0) => return Err(Error::io(doing())(ErrorKind::UnexpectedEof.into())),
                Ok(count) => reader.unread.extend_from_slice(&chunk[..count]),
                Err(error) if is_retryable(&error) => {}
                Err(error) => return Err(Error::io(doing())(error)),
            }
        }
    }

    fn late(&self, wanted: &str, deadline: Deadline) -> Error {
        Error::late(&self.place, wanted, deadline, "; does the guest have the port open?")
    }
}

/// The shortest timeout a socket takes is not zero.
const TICK: std::time::Duration = std::time::Duration::from_millis(1);

fn is_retryable(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const ENOUGH: Duration = Duration::from_secs(20);

    #[test]
    fn lines_and_bytes_go_both_ways() {
        let (ours, mut guest) = UnixStream::pair().unwrap();
        let port = SerialPort::open("box port test".to_owned(), ours).unwrap();
        guest.write_all(b"frozen 17\r\nabcdef").unwrap();
        assert_eq!(port.read_line(ENOUGH).unwrap(), "frozen 17");
        assert_eq!(port.read_bytes(3, ENOUGH).unwrap(), b"abc");
        port.write_line("go on", ENOUGH).unwrap();
        let mut heard = [0; 6];
        guest.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"go on\n");
        let said = port.read_line(Duration::from_millis(30)).unwrap_err().to_string();
        assert!(said.starts_with("box port test: no line within 0.03 s"), "{said}");
        assert_eq!(port.read_bytes(3, ENOUGH).unwrap(), b"def", "a timeout loses nothing");
    }

    #[test]
    fn a_guest_that_reads_nothing_does_not_hold_the_writer_for_ever() {
        let (ours, _guest) = UnixStream::pair().unwrap();
        let port = SerialPort::open("box port test".to_owned(), ours).unwrap();
        let said = port.write_bytes(&vec![0; 8 << 20], Duration::from_millis(50)).unwrap_err().to_string();
        assert!(said.contains("does the guest have the port open?"), "{said}");
    }
}
