//! Keys as a terminal on a serial line sends them.
//!
//! Sources: DEC's VT220 Programmer Reference Manual, chapter 3, and "XTerm Control Sequences", section "PC-Style
//! Function Keys".

use super::Key;
use crate::{Error, Result};

/// What a key sends. `application_cursor`: the machine has asked for other arrow keys (DECCKM), as full-screen programs
/// do.
pub(crate) fn bytes(key: Key, application_cursor: bool) -> Result<Vec<u8>> {
    let arrow = |letter: char| match application_cursor {
        true => format!("\x1bO{letter}"),
        false => format!("\x1b[{letter}"),
    };
    let no_such = || Err(Error::Asked(format!("a terminal on a serial line cannot send {key}")));
    let text = match key {
        Key::Char(character) if character.is_control() => {
            return Err(Error::Asked(format!(
                "{character:?} is no character that can be typed; take a named key"
            )));
        }
        Key::Char(character) => character.to_string(),
        Key::Enter => "\r".to_owned(),
        Key::Tab => "\t".to_owned(),
        Key::BackTab => "\x1b[Z".to_owned(),
        Key::Escape => "\x1b".to_owned(),
        // As terminals for Linux are set: DEL, not BS.
        Key::Backspace => "\x7f".to_owned(),
        Key::Insert => "\x1b[2~".to_owned(),
        Key::Delete => "\x1b[3~".to_owned(),
        Key::PageUp => "\x1b[5~".to_owned(),
        Key::PageDown => "\x1b[6~".to_owned(),
        Key::Up => arrow('A'),
        Key::Down => arrow('B'),
        Key::Right => arrow('C'),
        Key::Left => arrow('D'),
        Key::End => arrow('F'),
        Key::Home => arrow('H'),
        Key::F(number @ 1..=4) => format!("\x1bO{}", char::from(b'P' + number - 1)),
        // The numbers have gaps where the VT220's keys stood apart.
        Key::F(5) => "\x1b[15~".to_owned(),
        Key::F(number @ 6..=10) => format!("\x1b[{}~", number + 11),
        Key::F(number @ 11..=12) => format!("\x1b[{}~", number + 12),
        Key::Ctrl(character @ ('a'..='z' | 'A'..='Z' | '@' | '[' | '\\' | ']' | '^' | '_')) => {
            char::from(character as u8 & 0x1f).to_string()
        }
        Key::Ctrl(' ') => "\0".to_owned(),
        Key::Alt(character) if !character.is_control() => format!("\x1b{character}"),
        Key::F(_) | Key::Ctrl(_) | Key::Alt(_) | Key::Console(_) | Key::CtrlAltDelete => return no_such(),
    };
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sent_as_terminals_send_them() {
        for (key, sent) in [
            (Key::Char('a'), "a"),
            (Key::Char('ß'), "ß"),
            (Key::from('\n'), "\r"),
            (Key::from('\t'), "\t"),
            (Key::BackTab, "\x1b[Z"),
            (Key::Escape, "\x1b"),
            (Key::Backspace, "\x7f"),
            (Key::Delete, "\x1b[3~"),
            (Key::PageDown, "\x1b[6~"),
            (Key::Up, "\x1b[A"),
            (Key::Left, "\x1b[D"),
            (Key::Home, "\x1b[H"),
            (Key::Ctrl('c'), "\x03"),
            (Key::Ctrl(']'), "\x1d"),
            (Key::Ctrl(' '), "\0"),
            (Key::Alt('x'), "\x1bx"),
        ] {
            assert_eq!(String::from_utf8(bytes(key, false).unwrap()).unwrap(), sent, "{key}");
        }
    }

    #[test]
    fn function_keys_have_the_numbers_of_the_vt220() {
        let sent = (1..=12).map(|number| String::from_utf8(bytes(Key::F(number), false).unwrap()).unwrap());
        let expected = [
            "\x1bOP", "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[15~", "\x1b[17~", "\x1b[18~", "\x1b[19~",
            "\x1b[20~", "\x1b[21~", "\x1b[23~", "\x1b[24~",
        ];
        assert_eq!(sent.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_program_may_ask_for_other_arrows() {
        assert_eq!(bytes(Key::Up, true).unwrap(), b"\x1bOA");
        assert_eq!(bytes(Key::Home, true).unwrap(), b"\x1bOH");
        assert_eq!(bytes(Key::F(5), true).unwrap(), b"\x1b[15~");
    }

    #[test]
    fn what_a_serial_line_has_not_is_refused() {
        for key in
            [Key::CtrlAltDelete, Key::Console(2), Key::F(0), Key::F(13), Key::Ctrl('ß'), Key::Ctrl('1')]
        {
            assert!(bytes(key, false).unwrap_err().to_string().contains("cannot send"), "{key}");
        }
        let said = bytes(Key::Char('\x07'), false).unwrap_err().to_string();
        assert!(said.contains(r"'\u{7}' is no character that can be typed"), "{said}");
    }
}
