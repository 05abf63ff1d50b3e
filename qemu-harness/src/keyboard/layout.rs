//! Keyboard layouts: which physical keys write a character.

use super::Key;
use crate::{Error, Result};

/// QEMU's names (QKeyCode) of the keys that write characters, which are those of an American keyboard; `less` is the
/// one beside the left Shift that American keyboards lack.
#[rustfmt::skip]
const POSITIONS: [&str; 48] = [
    "grave_accent", "1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "minus", "equal",
    "q", "w", "e", "r", "t", "y", "u", "i", "o", "p", "bracket_left", "bracket_right",
    "a", "s", "d", "f", "g", "h", "j", "k", "l", "semicolon", "apostrophe", "backslash",
    "less", "z", "x", "c", "v", "b", "n", "m", "comma", "dot", "slash",
];
const FUNCTION_KEYS: [&str; 12] = ["f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12"];
const SPACE: &str = "spc";
const SHIFT: &str = "shift";
const ALT_GR: &str = "alt_r";
const CTRL: &str = "ctrl";
const ALT: &str = "alt";

/// What is printed on a keyboard's keys. The machine knows nothing of it: it is told which keys are pressed, and makes
/// characters of them with the layout that it was set to. A test that types with one layout proves that the machine is
/// set to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    name: &'static str,
    /// For each position a character, or a blank where the key writes none that tests need: alone, with Shift, with
    /// AltGr.
    levels: [&'static str; 3],
    /// Characters whose key waits for a letter to put an accent on; a blank after it writes the accent itself.
    dead: &'static str,
}

/// Keys that are pressed one after the other, then released in the other order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chord(pub(crate) Vec<&'static str>);

impl Layout {
    /// The American one.
    pub const US: Layout = Layout {
        name: "us",
        levels: [
            r"`1234567890-=qwertyuiop[]asdfghjkl;'\ zxcvbnm,./",
            r#"~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"| ZXCVBNM<>?"#,
            "                                                ",
        ],
        dead: "",
    };
    /// The British one.
    pub const GB: Layout = Layout {
        name: "gb",
        levels: [
            r"`1234567890-=qwertyuiop[]asdfghjkl;'#\zxcvbnm,./",
            r#"¬!"£$%^&*()_+QWERTYUIOP{}ASDFGHJKL:@~|ZXCVBNM<>?"#,
            "    €                                           ",
        ],
        dead: "",
    };
    /// The German one, with dead keys for circumflex, acute and grave.
    pub const DE: Layout = Layout { name: "de", dead: "^´`", ..Layout::DE_NO_DEAD_KEYS };
    /// The German one, where each key writes at once.
    pub const DE_NO_DEAD_KEYS: Layout = Layout {
        name: "de-nodeadkeys",
        levels: [
            "^1234567890ß´qwertzuiopü+asdfghjklöä#<yxcvbnm,.-",
            "°!\"§$%&/()=?`QWERTZUIOPÜ*ASDFGHJKLÖÄ'>YXCVBNM;:_",
            r"  ²³   {[]}\ @ €        ~            |      µ   ",
        ],
        dead: "",
    };
    /// The French one.
    pub const FR: Layout = Layout {
        name: "fr",
        levels: [
            "²&é\"'(-è_çà)=azertyuiop $qsdfghjklmù*<wxcvbn,;:!",
            " 1234567890°+AZERTYUIOP £QSDFGHJKLM%µ>WXCVBN?./§",
            r"  ~#{[|`\^@]}  €                                ",
        ],
        dead: "",
    };
    /// All that are known.
    pub const ALL: [Layout; 5] = [Layout::US, Layout::GB, Layout::DE, Layout::DE_NO_DEAD_KEYS, Layout::FR];

    /// The layout of this name, such as `de`.
    pub fn named(name: &str) -> Result<Layout> {
        Layout::ALL.into_iter().find(|layout| layout.name == name).ok_or_else(|| {
            let known = Layout::ALL.map(|layout| layout.name).join(", ");
            Error::Asked(format!("no keyboard layout `{name}` is known; there are: {known}"))
        })
    }

    /// Its name, the one of XKB and of Linux's consoles.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The chords that a key is, one for most; an error where this keyboard has no such key.
    pub(crate) fn chords(&self, key: Key) -> Result<Vec<Chord>> {
        let chord = |keys: &[&'static str]| Ok(vec![Chord(keys.to_vec())]);
        match key {
            Key::Char(character) => self.writing(character),
            Key::Ctrl(character) => self.held(CTRL, character),
            Key::Alt(character) => self.held(ALT, character),
            Key::Enter => chord(&["ret"]),
            Key::Tab => chord(&["tab"]),
            Key::BackTab => chord(&[SHIFT, "tab"]),
            Key::Escape => chord(&["esc"]),
            Key::Backspace => chord(&["backspace"]),
            Key::Delete => chord(&["delete"]),
            Key::Insert => chord(&["insert"]),
            Key::Home => chord(&["home"]),
            Key::End => chord(&["end"]),
            Key::PageUp => chord(&["pgup"]),
            Key::PageDown => chord(&["pgdn"]),
            Key::Up => chord(&["up"]),
            Key::Down => chord(&["down"]),
            Key::Left => chord(&["left"]),
            Key::Right => chord(&["right"]),
            Key::F(number) => chord(&[function_key(key, number)?]),
            Key::Console(number) => chord(&[ALT, function_key(key, number)?]),
            Key::CtrlAltDelete => chord(&[CTRL, ALT, "delete"]),
        }
    }

    fn writing(&self, character: char) -> Result<Vec<Chord>> {
        let blank = Chord(vec![SPACE]);
        if character == ' ' {
            return Ok(vec![blank]);
        }
        let found = self.levels.iter().zip([None, Some(SHIFT), Some(ALT_GR)]).find_map(|(level, held)| {
            let place = level.chars().position(|written| written == character)?;
            Some(Chord(held.into_iter().chain([POSITIONS[place]]).collect()))
        });
        let chord = found.ok_or_else(|| {
            Error::Asked(format!("no key of the keyboard layout {} writes {character:?}", self.name))
        })?;
        Ok(if self.dead.contains(character) { vec![chord, blank] } else { vec![chord] })
    }

    /// A character's key with one more held before it.
    fn held(&self, first: &'static str, character: char) -> Result<Vec<Chord>> {
        let mut chords = self.writing(character)?;
        chords[0].0.insert(0, first);
        chords.truncate(1);
        Ok(chords)
    }
}

fn function_key(key: Key, number: u8) -> Result<&'static str> {
    let index = usize::from(number).checked_sub(1);
    index
        .and_then(|index| FUNCTION_KEYS.get(index))
        .copied()
        .ok_or_else(|| Error::Asked(format!("a keyboard has no {key}; its function keys are F1 to F12")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(layout: Layout, key: Key) -> Vec<String> {
        layout.chords(key).unwrap().iter().map(|chord| chord.0.join("+")).collect()
    }

    #[test]
    fn every_layout_writes_all_of_ascii_each_with_keys_of_its_own() {
        for layout in Layout::ALL {
            let mut seen = Vec::new();
            for level in layout.levels {
                assert_eq!(level.chars().count(), POSITIONS.len(), "{}", layout.name());
            }
            for character in ' '..='~' {
                let keys = pressed(layout, Key::Char(character));
                assert!(!seen.contains(&keys), "{}: {character} as {keys:?}", layout.name());
                seen.push(keys);
            }
            assert_eq!(Layout::named(layout.name()).unwrap(), layout);
        }
        let said = Layout::named("tlh").unwrap_err().to_string();
        assert_eq!(said, "no keyboard layout `tlh` is known; there are: us, gb, de, de-nodeadkeys, fr");
    }

    #[test]
    fn characters_are_where_the_keyboards_have_them() {
        for (layout, character, keys) in [
            (Layout::US, 'z', "z"),
            (Layout::US, 'Z', "shift+z"),
            (Layout::US, '-', "minus"),
            (Layout::US, '?', "shift+slash"),
            (Layout::US, '|', "shift+backslash"),
            (Layout::GB, '@', "shift+apostrophe"),
            (Layout::GB, '\\', "less"),
            (Layout::GB, '€', "alt_r+4"),
            (Layout::DE, 'z', "y"),
            (Layout::DE, 'Y', "shift+z"),
            (Layout::DE, '-', "slash"),
            (Layout::DE, '/', "shift+7"),
            (Layout::DE, '@', "alt_r+q"),
            (Layout::DE, '€', "alt_r+e"),
            (Layout::DE, '\\', "alt_r+minus"),
            (Layout::DE, '|', "alt_r+less"),
            (Layout::DE, '~', "alt_r+bracket_right"),
            (Layout::DE, 'µ', "alt_r+m"),
            (Layout::DE, 'Ä', "shift+apostrophe"),
            (Layout::FR, 'a', "q"),
            (Layout::FR, 'm', "semicolon"),
            (Layout::FR, '1', "shift+1"),
            (Layout::FR, '.', "shift+comma"),
            (Layout::FR, '@', "alt_r+0"),
            (Layout::FR, '€', "alt_r+e"),
            (Layout::FR, ' ', "spc"),
        ] {
            assert_eq!(pressed(layout, Key::Char(character)), [keys], "{character} on {}", layout.name());
        }
    }

    #[test]
    fn a_dead_key_is_followed_by_a_blank() {
        assert_eq!(pressed(Layout::DE, Key::Char('^')), ["grave_accent", "spc"]);
        assert_eq!(pressed(Layout::DE, Key::Char('`')), ["shift+equal", "spc"]);
        assert_eq!(pressed(Layout::DE_NO_DEAD_KEYS, Key::Char('^')), ["grave_accent"]);
        assert_eq!(pressed(Layout::FR, Key::Char('^')), ["alt_r+9"]);
    }

    #[test]
    fn other_keys_are_the_same_everywhere() {
        for layout in Layout::ALL {
            assert_eq!(pressed(layout, Key::BackTab), ["shift+tab"]);
            assert_eq!(pressed(layout, Key::F(12)), ["f12"]);
            assert_eq!(pressed(layout, Key::Console(2)), ["alt+f2"]);
            assert_eq!(pressed(layout, Key::CtrlAltDelete), ["ctrl+alt+delete"]);
        }
        assert_eq!(pressed(Layout::DE, Key::Ctrl('z')), ["ctrl+y"]);
        assert_eq!(pressed(Layout::DE, Key::Alt('^')), ["alt+grave_accent"]);
    }

    #[test]
    fn what_a_keyboard_cannot_write_is_an_error() {
        let said = Layout::US.chords(Key::Char('ß')).unwrap_err().to_string();
        assert_eq!(said, "no key of the keyboard layout us writes 'ß'");
        assert!(Layout::DE.chords(Key::Char('\n')).is_err() && Layout::DE.chords(Key::Ctrl('é')).is_err());
        let said = Layout::US.chords(Key::F(13)).unwrap_err().to_string();
        assert_eq!(said, "a keyboard has no F13; its function keys are F1 to F12");
        assert!(Layout::US.chords(Key::Console(0)).is_err());
    }
}
