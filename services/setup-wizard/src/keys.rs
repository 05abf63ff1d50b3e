//! From a terminal's bytes to keys. What one key sends may come in several reads: an escape sequence is only told from the key
//! Esc by what follows, or by nothing following.

use std::time::Duration;

/// After so long without another byte an escape was the key Esc. A sequence's bytes come together, but an emulated line or one at
/// 9600 baud behind a slow console server may tear them apart.
pub const ESCAPE_WAIT: Duration = Duration::from_millis(250);

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of keys")]
pub enum Key {
    Char(char),
    Enter,
    Tab,
    BackTab,
    Escape,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    /// Takes over the seat.
    F10,
    /// Draws the whole screen anew: Ctrl-L.
    Redraw,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After `ESC [`, with what came since (ECMA-48, 5.4).
    Sequence(Vec<u8>),
    /// After `ESC [ [`: the first function keys of Linux' console.
    Bracket,
    /// After `ESC O` (a VT100's keypad).
    Single,
    /// In a character of UTF-8 that takes so many bytes.
    Wide(Vec<u8>, usize),
}

/// Bytes come in, keys go out.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// The byte before was a carriage return: a line feed after it belongs to the same key.
    returned: bool,
}

impl Decoder {
    /// Whether more bytes decide what was pressed; after [`ESCAPE_WAIT`] without any, [`Decoder::nothing_follows`] does.
    pub fn is_waiting(&self) -> bool {
        !matches!(self.state, State::Ground)
    }

    /// No more bytes came.
    pub fn nothing_follows(&mut self) -> Option<Key> {
        matches!(std::mem::take(&mut self.state), State::Escape).then_some(Key::Escape)
    }

    /// The keys in these bytes.
    pub fn keys(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        for &byte in bytes {
            self.byte(byte, &mut keys);
            self.returned = byte == b'\r';
        }
        keys
    }

    fn byte(&mut self, byte: u8, keys: &mut Vec<Key>) {
        // Longer ones are noise; a line of noise must not fill the memory.
        const LONGEST: usize = 16;
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte, keys),
            State::Escape => match byte {
                b'[' => self.state = State::Sequence(Vec::new()),
                b'O' => self.state = State::Single,
                _ => {
                    keys.push(Key::Escape);
                    self.ground(byte, keys);
                }
            },
            State::Sequence(before) => match byte {
                b'[' if before.is_empty() => self.state = State::Bracket,
                0x40..=0x7e => keys.extend(named(&before, byte)),
                0x20..=0x3f if before.len() < LONGEST => {
                    self.state = State::Sequence([&before[..], &[byte]].concat());
                }
                // Not part of a sequence: it was torn.
                _ => self.ground(byte, keys),
            },
            State::Bracket => {}
            State::Single => keys.extend(named(b"", byte)),
            State::Wide(before, length) => {
                let whole = [&before[..], &[byte]].concat();
                if byte & 0xc0 != 0x80 {
                    self.ground(byte, keys);
                } else if whole.len() < length {
                    self.state = State::Wide(whole, length);
                } else if let Some(character) =
                    std::str::from_utf8(&whole).ok().and_then(|t| t.chars().next())
                    && !character.is_control()
                {
                    keys.push(Key::Char(character));
                }
            }
        }
    }

    fn ground(&mut self, byte: u8, keys: &mut Vec<Key>) {
        match byte {
            b'\n' if self.returned => {}
            b'\r' | b'\n' => keys.push(Key::Enter),
            b'\t' => keys.push(Key::Tab),
            0x08 | 0x7f => keys.push(Key::Backspace),
            0x0c => keys.push(Key::Redraw),
            0x1b => self.state = State::Escape,
            b' '..=b'~' => keys.push(Key::Char(char::from(byte))),
            0xc2..=0xdf => self.state = State::Wide(vec![byte], 2),
            0xe0..=0xef => self.state = State::Wide(vec![byte], 3),
            0xf0..=0xf4 => self.state = State::Wide(vec![byte], 4),
            _ => {}
        }
    }
}

fn named(parameters: &[u8], last: u8) -> Option<Key> {
    Some(match (parameters, last) {
        (_, b'A') => Key::Up,
        (_, b'B') => Key::Down,
        (_, b'C') => Key::Right,
        (_, b'D') => Key::Left,
        (_, b'H') | (b"1" | b"7", b'~') => Key::Home,
        (_, b'F') | (b"4" | b"8", b'~') => Key::End,
        (_, b'Z') => Key::BackTab,
        (_, b'M') => Key::Enter,
        (b"3", b'~') => Key::Delete,
        (b"5", b'~') => Key::PageUp,
        (b"6", b'~') => Key::PageDown,
        (b"21", b'~') => Key::F10,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        let mut keys = decoder.keys(bytes);
        keys.extend(decoder.nothing_follows());
        keys
    }

    #[test]
    fn each_key_is_known_by_what_it_sends() {
        use Key::*;
        assert_eq!(keys(b"a\r\tz "), [Char('a'), Enter, Tab, Char('z'), Char(' ')]);
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[1;5C\x1b[D"), [Up, Down, Right, Left]);
        assert_eq!(
            keys(b"\x1b[Z\x1b[21~\x1b[3~\x7f\x08\x0c"),
            [BackTab, F10, Delete, Backspace, Backspace, Redraw]
        );
        assert_eq!(keys("\u{e4}\u{20ac}".as_bytes()), [Char('\u{e4}'), Char('\u{20ac}')]);
    }

    #[test]
    fn escape_is_told_by_nothing_or_something_else_following() {
        assert_eq!(keys(b"\x1b"), [Key::Escape]);
        assert_eq!(keys(b"\x1bx\x1b\x1b"), [Key::Escape, Key::Char('x'), Key::Escape, Key::Escape]);
    }

    #[test]
    fn a_line_ends_once_whatever_the_terminal_sends_for_it() {
        assert_eq!(keys(b"\r\n\r\n\n"), [Key::Enter, Key::Enter, Key::Enter]);
    }

    #[test]
    fn unknown_and_torn_sequences_leave_nothing_behind() {
        assert_eq!(keys(b"\x1b[[Aa\x1b[99;9~b\x1b["), [Key::Char('a'), Key::Char('b')]);
        assert_eq!(
            keys(b"\x1b[1\rb\xffc\xc3d"),
            [Key::Enter, Key::Char('b'), Key::Char('c'), Key::Char('d')]
        );
    }

    proptest! {
        #[test]
        fn where_reads_are_cut_changes_nothing(bytes in prop::collection::vec(prop_oneof![Just(0x1b), Just(b'['), Just(b'O'), any::<u8>()], 0..60), cut in 0usize..60) {
            let cut = cut.min(bytes.len());
            let mut decoder = Decoder::default();
            let mut parts = decoder.keys(&bytes[..cut]);
            parts.extend(decoder.keys(&bytes[cut..]));
            parts.extend(decoder.nothing_follows());
            prop_assert_eq!(parts, keys(&bytes));
        }
    }
}
