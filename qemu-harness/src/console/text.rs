//! Turns what a terminal would be sent into plain text.

/// A control string that never ends must not swallow the rest of the log.
const LONGEST_STRING: usize = 4096;

/// Strips escape sequences and control characters, and makes line ends `\n`. Fed in any pieces.
#[derive(Debug, Default)]
pub(super) struct PlainText {
    state: State,
    /// A carriage return that may be half of a line end.
    carriage_return: bool,
    /// The beginning of a UTF-8 character whose rest has not come yet.
    partial: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte, as in `ESC ( B`.
    Intermediate,
    /// After ESC [, until a final byte.
    Control,
    /// After ESC ] and its like, until BEL or ESC \.
    String { length: usize, escaped: bool },
}

impl PlainText {
    /// The text that `bytes` add.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> String {
        let mut text = std::mem::take(&mut self.partial);
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (State::Text, 0x1b) => State::Escape,
                (State::Text, byte) => {
                    self.plain(byte, &mut text);
                    State::Text
                }
                (State::Escape, b'[') => State::Control,
                (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => {
                    State::String { length: 0, escaped: false }
                }
                (State::Escape | State::Intermediate, 0x20..=0x2f) => State::Intermediate,
                (State::Control, 0x1b) => State::Escape,
                (State::Control, 0x00..=0x3f) => State::Control,
                (State::String { escaped: true, .. }, b'\\') | (State::String { .. }, 0x07) => State::Text,
                (State::String { length, .. }, byte) if length < LONGEST_STRING => {
                    State::String { length: length + 1, escaped: byte == 0x1b }
                }
                _ => State::Text,
            };
        }
        let (text, partial) = decoded(text);
        self.partial = partial;
        text
    }

    fn plain(&mut self, byte: u8, text: &mut Vec<u8>) {
        match byte {
            b'\r' => self.carriage_return = true,
            b'\n' => {
                self.carriage_return = false;
                text.push(b'\n');
            }
            0x00..=0x08 | 0x0b..=0x1f | 0x7f => {}
            byte => {
                if std::mem::take(&mut self.carriage_return) {
                    text.push(b'\r');
                }
                text.push(byte);
            }
        }
    }
}

/// Text, and the bytes at the end that may still become a character.
pub(super) fn decoded(bytes: Vec<u8>) -> (String, Vec<u8>) {
    let mut text = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        if chunk.invalid().is_empty() {
            continue;
        }
        let unfinished = chunks.peek().is_none()
            && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
        if unfinished {
            return (text, chunk.invalid().to_vec());
        }
        text.push(char::REPLACEMENT_CHARACTER);
    }
    (text, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] =
        b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: loading\r\n\x1b[?2004hroot@box:~# \x1b]0;title\x07ls\r\r\n\
        \x1b(B\x1b[mgr\xc3\xbc\xc3\x9fe \xff!\x08\x00\r\nprogress 10%\rprogress 20%\n\x1bPq#0\x1b\\end";
    const PLAIN: &str = "BdsDxe: loading\nroot@box:~# ls\ngrüße \u{fffd}!\nprogress 10%\rprogress 20%\nend";

    #[test]
    fn escapes_and_line_ends_are_stripped_and_text_stays() {
        assert_eq!(PlainText::default().feed(RAW), PLAIN);
    }

    #[test]
    fn it_does_not_matter_where_the_stream_is_cut() {
        for size in 1..RAW.len() {
            let mut plain = PlainText::default();
            let text: String = RAW.chunks(size).map(|piece| plain.feed(piece)).collect();
            assert_eq!(text, PLAIN, "in pieces of {size}");
        }
    }

    #[test]
    fn a_control_string_without_end_does_not_swallow_everything() {
        let mut raw = b"\x1b]".to_vec();
        raw.extend(vec![b'x'; LONGEST_STRING + 1]);
        raw.extend(b"still here");
        assert!(PlainText::default().feed(&raw).ends_with("still here"));
    }
}
