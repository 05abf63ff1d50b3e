//! What a door shows: 80 by 24 characters of 7-bit ASCII, whatever the terminal says of its size. A serial line says 0 by 0.
//!
//! Own code and not a library for terminals: all that is needed here is a grid, a comparison and one way to move the cursor. Such
//! libraries ask the terminal for its size, colours and language, and a serial line answers nothing.

use std::fmt;

/// Characters in a line.
pub const WIDTH: usize = 80;
/// Lines.
pub const HEIGHT: usize = 24;

/// One place of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// A printable character of ASCII.
    pub character: u8,
    /// Shown in reverse video. Never the only mark of anything: not every terminal has it.
    pub reverse: bool,
}

const BLANK: Cell = Cell { character: b' ', reverse: false };

/// A whole screen.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    cells: [[Cell; WIDTH]; HEIGHT],
    /// Where the cursor stands: at what has the focus, because screen readers and braille lines follow it.
    pub cursor: (usize, usize),
}

impl Default for Picture {
    fn default() -> Self {
        Self { cells: [[BLANK; WIDTH]; HEIGHT], cursor: (HEIGHT - 1, 0) }
    }
}

impl Picture {
    /// Writes a text, cut at the edge. What is not printable ASCII becomes `?`: no byte that the picture holds can move a
    /// terminal's cursor. The last place of the last line stays blank, because writing there scrolls some terminals.
    pub fn write(&mut self, line: usize, column: usize, text: &str, reverse: bool) {
        let Some(row) = self.cells.get_mut(line) else { return };
        let end = if line == HEIGHT - 1 { WIDTH - 1 } else { WIDTH };
        let places = row.iter_mut().take(end).skip(column);
        for (place, character) in places.zip(text.chars()) {
            let printable = u8::try_from(character).ok().filter(|byte| matches!(byte, b' '..=b'~'));
            *place = Cell { character: printable.unwrap_or(b'?'), reverse };
        }
    }

    /// The lines from top to bottom.
    pub fn lines(&self) -> impl Iterator<Item = &[Cell; WIDTH]> {
        self.cells.iter()
    }
}

/// The text alone, without blanks at the ends of lines.
impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.cells {
            let text: String = line.iter().map(|cell| char::from(cell.character)).collect();
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cursor at {:?}\n{self}", self.cursor)
    }
}

/// The text in lines of at most `width` characters, broken at blanks; a longer word is broken where the line ends. A line that has room
/// stays as it is, columns included.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        if paragraph.chars().count() <= width {
            lines.push(paragraph.to_owned());
            continue;
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let mut word: Vec<char> = word.chars().collect();
            if !line.is_empty() && line.chars().count() + 1 + word.len() > width {
                lines.push(std::mem::take(&mut line));
            }
            while word.len() > width {
                lines.push(word.drain(..width).collect());
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_the_edge_and_holds_no_control_character() {
        let mut picture = Picture::default();
        picture.write(0, 78, "abc", false);
        picture.write(23, 78, "abc", true);
        picture.write(24, 0, "nowhere", false);
        picture.write(1, 0, "\u{1b}[2J\u{e4}", false);
        let text = picture.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), HEIGHT);
        assert!(lines[0].ends_with(" ab") && lines[23].ends_with(" a"), "{text}");
        assert_eq!(lines[1], "?[2J?");
    }

    #[test]
    fn long_texts_are_broken_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("one  two", 8), ["one  two"]);
        assert_eq!(wrap("a 123456789 b", 4), ["a", "1234", "5678", "9 b"]);
        assert_eq!(wrap("first\n\nlast", 9), ["first", "", "last"]);
    }
}
