//! What a person's fingers do: keys, as a terminal sends them and as a keyboard has them.

pub(crate) mod layout;
pub(crate) mod terminal;

pub use layout::Layout;

/// Something that a person presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// A character, with Shift or AltGr where the layout needs them.
    Char(char),
    /// The large one on the right.
    Enter,
    /// To the next field.
    Tab,
    /// Shift with Tab: to the field before.
    BackTab,
    /// Esc.
    Escape,
    /// Takes the character before the cursor away.
    Backspace,
    /// Takes the character at the cursor away.
    Delete,
    /// Ins.
    Insert,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow to the left.
    Left,
    /// Arrow to the right.
    Right,
    /// F1 to F12.
    F(u8),
    /// Ctrl with a character, such as `Ctrl('c')`.
    Ctrl(char),
    /// The left Alt with a character.
    Alt(char),
    /// Alt with F1 to F12, which in Linux switches to the virtual console of this number. Only a keyboard has it.
    Console(u8),
    /// Ctrl, Alt and Del together. Only a keyboard has it.
    CtrlAltDelete,
}

impl From<char> for Key {
    /// A line end is Enter, a tab the key Tab.
    fn from(character: char) -> Key {
        match character {
            '\n' | '\r' => Key::Enter,
            '\t' => Key::Tab,
            character => Key::Char(character),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Char(character) => write!(f, "`{character}`"),
            Key::F(number) => write!(f, "F{number}"),
            Key::Ctrl(character) => write!(f, "Ctrl+{character}"),
            Key::Alt(character) => write!(f, "Alt+{character}"),
            Key::Console(number) => write!(f, "Alt+F{number}"),
            Key::CtrlAltDelete => write!(f, "Ctrl+Alt+Delete"),
            key => write!(f, "{key:?}"),
        }
    }
}
