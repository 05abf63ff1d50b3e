//! Cuts a byte stream into lines, keeping what a timeout interrupted.

/// QEMU's longest honest replies (`query-qmp-schema`) are a fifth of a MiB. A line beyond this is an attack on our
/// memory by a QEMU a guest has taken over.
const LONGEST_LINE: usize = 16 << 20;

/// Bytes received and not yet taken as lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Everything before this is known to hold no newline, so that a long line is scanned once.
    scanned: usize,
}

/// The other side sent a line longer than any reply.
#[derive(Debug, PartialEq)]
pub(crate) struct LineTooLong;

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), LineTooLong> {
        self.bytes.extend_from_slice(bytes);
        match self.bytes.len() - self.scanned > LONGEST_LINE && !self.bytes.contains(&b'\n') {
            true => Err(LineTooLong),
            false => Ok(()),
        }
    }

    /// The next whole line without its line end; `None` where more bytes are needed. Empty lines are left out.
    pub(crate) fn next(&mut self) -> Option<String> {
        loop {
            let Some(end) = self.bytes[self.scanned..].iter().position(|byte| *byte == b'\n') else {
                self.scanned = self.bytes.len();
                return None;
            };
            let line: Vec<u8> = self.bytes.drain(..=self.scanned + end).collect();
            self.scanned = 0;
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                return Some(line.trim().to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_the_bytes_arrive() {
        let mut lines = Lines::default();
        let mut taken = Vec::new();
        for byte in b"{\"a\":1}\r\n\r\n{\"b\":2}\n{\"c\"" {
            lines.push(&[*byte]).unwrap();
            taken.extend(lines.next());
        }
        assert_eq!(taken, ["{\"a\":1}", "{\"b\":2}"]);
        lines.push(b":3}\n").unwrap();
        assert_eq!(lines.next().as_deref(), Some("{\"c\":3}"));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::default();
        let chunk = vec![b'x'; 1 << 20];
        let refused = (0..32).any(|_| lines.push(&chunk) == Err(LineTooLong));
        assert!(refused, "32 MiB without a newline were taken");
    }
}
