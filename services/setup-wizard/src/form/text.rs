//! A line that is typed.

use std::fmt;

use crate::keys::Key;

/// Nothing asked for is longer; more would only be a paste into the wrong window.
const LONGEST: usize = 200;

#[derive(Clone)]
pub(crate) struct Text {
    text: String,
    /// Characters before the cursor.
    cursor: usize,
    secret: bool,
}

impl Text {
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), cursor: text.chars().count(), secret: false }
    }

    pub fn secret() -> Self {
        Self { secret: true, ..Self::new("") }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn set(&mut self, text: &str) {
        *self = Self { secret: self.secret, ..Self::new(text) };
    }

    fn at(&self, cursor: usize) -> usize {
        self.text.char_indices().nth(cursor).map_or(self.text.len(), |(at, _)| at)
    }

    /// Whether the key was used.
    pub fn key(&mut self, key: Key) -> bool {
        let length = self.text.chars().count();
        match key {
            Key::Char(character) if length < LONGEST => {
                self.text.insert(self.at(self.cursor), character);
                self.cursor += 1;
            }
            Key::Char(_) => {}
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.at(self.cursor));
            }
            Key::Delete if self.cursor < length => {
                self.text.remove(self.at(self.cursor));
            }
            Key::Backspace | Key::Delete => {}
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(length),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = length,
            _ => return false,
        }
        true
    }

    /// What is shown in `width` places, and the cursor's place among them.
    pub fn window(&self, width: usize) -> (String, usize) {
        let from = (self.cursor + 1).saturating_sub(width);
        let shown = self.text.chars().skip(from).take(width);
        let shown = if self.secret { shown.map(|_| '*').collect() } else { shown.collect() };
        (shown, self.cursor - from)
    }
}

// What is typed may be a secret.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret { f.write_str("\"***\"") } else { self.text.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_where_the_cursor_stands() {
        let mut text = Text::new("b\u{e4}x");
        for key in [Key::Home, Key::Char('a'), Key::End, Key::Left, Key::Backspace, Key::Delete, Key::Delete]
        {
            assert!(text.key(key));
        }
        assert_eq!(text.as_str(), "ab");
        assert!(!text.key(Key::Enter) && !text.key(Key::Up));
    }

    #[test]
    fn the_end_of_a_long_line_is_seen_while_it_is_typed_and_a_secret_never() {
        let mut text = Text::new("0123456789");
        assert_eq!(text.window(5), ("6789".to_owned(), 4));
        text.key(Key::Home);
        assert_eq!(text.window(5), ("01234".to_owned(), 0));
        let mut secret = Text::secret();
        secret.set("geheim");
        assert_eq!(secret.window(10), ("******".to_owned(), 6));
        assert!(!format!("{secret:?}").contains("geheim"));
    }
}
