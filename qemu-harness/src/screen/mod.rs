//! What a screen shows, as text: the same for a terminal on the serial line and for a monitor.

mod cell_image;
mod font;
mod learn;
mod picture;
mod read;

pub use font::{Font, Glyph};
pub use picture::{Picture, Rgb};

use crate::console::{Match, Pattern};
use crate::{Error, Result};

/// One character's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// What stands there; U+FFFD where a picture shows something that its font does not know.
    pub character: char,
    /// Whether it is in reverse video, as the chosen line of a menu often is.
    pub inverse: bool,
}

/// Where something is on a screen; both count from 0, from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub row: usize,
    /// The character in it.
    pub column: usize,
}

/// What a screen showed at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    rows: Vec<Vec<Cell>>,
    cursor: Option<Place>,
}

/// Stands in the right half of a character that is two columns wide, so that columns stay columns.
const RIGHT_HALF: char = '\0';

impl Cell {
    /// An empty place.
    pub const BLANK: Cell = Cell { character: ' ', inverse: false };
    pub(crate) const RIGHT_HALF: Cell = Cell { character: RIGHT_HALF, inverse: false };
}

impl Screen {
    pub(crate) fn new(rows: Vec<Vec<Cell>>, cursor: Option<Place>) -> Screen {
        Screen { rows, cursor }
    }

    /// How many lines it has.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many characters its lines have.
    pub fn columns(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// A line without the blanks at its end; empty where the screen has no such line.
    pub fn row(&self, row: usize) -> String {
        let cells = self.rows.get(row).map_or(&[][..], Vec::as_slice);
        text_of(cells).trim_end().to_owned()
    }

    /// All lines, each as [`Screen::row`] gives it.
    pub fn lines(&self) -> Vec<String> {
        (0..self.rows()).map(|row| self.row(row)).collect()
    }

    /// The lines as one text, with `\n` between them and without the empty ones at its end.
    pub fn text(&self) -> String {
        self.lines().join("\n").trim_end().to_owned()
    }

    /// Where the cursor is; `None` where it is hidden. A picture shows it only as an underline, and only in one of the
    /// two moments of its blinking: there `None` says nothing.
    pub fn cursor(&self) -> Option<Place> {
        self.cursor
    }

    /// What stands at a place; `None` outside of the screen.
    pub fn cell(&self, place: Place) -> Option<Cell> {
        self.rows.get(place.row)?.get(place.column).copied()
    }

    /// Where this exact text begins, from the upper left; it must stand in one line.
    pub fn find(&self, text: &str) -> Option<Place> {
        self.rows.iter().enumerate().find_map(|(row, cells)| {
            let before = &text_of(cells)[..text_of(cells).find(text)?];
            let mut characters = before.chars().count();
            // The column is that of the character with this number, halves left out.
            let column = cells.iter().position(|cell| {
                let found = characters == 0 && cell.character != RIGHT_HALF;
                characters -= usize::from(!found && cell.character != RIGHT_HALF);
                found
            })?;
            Some(Place { row, column })
        })
    }

    /// The first match in [`Screen::text`], which may span lines; an error where the expression is none.
    pub fn search(&self, pattern: impl Into<Pattern>) -> Result<Option<Match>> {
        Ok(pattern.into().finder()?.find(&self.text()).map(|(found, _)| found))
    }

    /// Whether the first occurrence of this exact text is in reverse video from end to end. An error where the screen
    /// does not show it, so that a test cannot take a missing text for one that is not marked.
    pub fn is_inverse(&self, text: &str) -> Result<bool> {
        let Some(place) = self.find(text) else {
            return Err(Error::Asked(format!("`{text}` is not on the screen:\n{}", self.text())));
        };
        let cells = self.rows[place.row][place.column..].iter().filter(|cell| cell.character != RIGHT_HALF);
        Ok(cells.take(text.chars().count()).all(|cell| cell.inverse))
    }

    /// What is in reverse video, a text for each run of such characters, without blanks around it; runs of blanks alone
    /// are left out.
    pub fn inverse_texts(&self) -> Vec<String> {
        let runs = self.rows.iter().flat_map(|row| row.chunk_by(|left, right| left.inverse == right.inverse));
        runs.filter(|run| run[0].inverse)
            .map(|run| text_of(run).trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// Whether both show the same, wherever the cursor is.
    pub(crate) fn same_cells(&self, other: &Screen) -> bool {
        self.rows == other.rows
    }
}

impl std::fmt::Display for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

fn text_of(cells: &[Cell]) -> String {
    cells.iter().map(|cell| cell.character).filter(|character| *character != RIGHT_HALF).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines in which `[…]` stands for reverse video.
    fn screen(lines: &[&str]) -> Screen {
        let row = |line: &&str| {
            let mut inverse = false;
            let mut cells = Vec::new();
            for character in line.chars() {
                match character {
                    '[' | ']' => inverse = character == '[',
                    '界' => {
                        cells.extend([Cell { character, inverse }, Cell { inverse, ..Cell::RIGHT_HALF }])
                    }
                    character => cells.push(Cell { character, inverse }),
                }
            }
            cells.resize(12, Cell::BLANK);
            cells
        };
        Screen::new(lines.iter().map(row).collect(), None)
    }

    #[test]
    fn lines_lose_their_blanks_at_the_end_only() {
        let screen = screen(&["  a b ", "", "c", ""]);
        assert_eq!(screen.lines(), ["  a b", "", "c", ""]);
        assert_eq!(screen.text(), "  a b\n\nc");
        assert_eq!((screen.rows(), screen.columns(), screen.row(7).as_str()), (4, 12, ""));
    }

    #[test]
    fn a_text_is_found_in_columns_also_behind_wide_characters() {
        let screen = screen(&["x", "界界ok ok"]);
        assert_eq!(screen.find("ok"), Some(Place { row: 1, column: 4 }));
        assert_eq!(screen.find("界ok"), Some(Place { row: 1, column: 2 }));
        assert_eq!(screen.find("o k"), None);
        assert_eq!(screen.cell(Place { row: 0, column: 12 }), None);
    }

    #[test]
    fn what_is_marked_is_told() {
        let screen = screen(&["[ two ] three", "[界a]b [  ]"]);
        assert_eq!(screen.inverse_texts(), ["two", "界a"]);
        assert!(screen.is_inverse("two").unwrap() && screen.is_inverse("界a").unwrap());
        assert!(!screen.is_inverse("three").unwrap() && !screen.is_inverse("ab").unwrap());
        let said = screen.is_inverse("four").unwrap_err().to_string();
        assert!(said.starts_with("`four` is not on the screen:\n two  three"), "{said}");
    }

    #[test]
    fn a_pattern_may_span_lines() {
        let screen = screen(&["name: box", "size: 7"]);
        let found = screen.search(r"box\nsize: (\d)").unwrap().unwrap();
        assert_eq!(found.group(1), "7");
        assert_eq!(screen.search(Pattern::text("b.x")).unwrap(), None);
        assert!(screen.search("(").is_err());
    }
}
