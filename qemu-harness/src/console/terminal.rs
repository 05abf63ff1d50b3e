//! The terminal that a person has at a console, as an emulation of one with 80 x 24 characters.

use avt::Terminal as Emulator;

use super::text::decoded;
use crate::screen::{Cell, Place, Screen};

/// Columns and rows.
const SIZE: (usize, usize) = (80, 24);
/// No question is longer; what goes on is something else.
const LONGEST_QUESTION: usize = 8;

/// What a terminal shows, and what it answers when it is asked.
pub(super) struct Terminal {
    emulator: Emulator,
    /// The beginning of a character whose rest has not come yet.
    partial: Vec<u8>,
    question: Question,
}

/// How much of a question has come.
enum Question {
    None,
    Escape,
    /// What stands behind `ESC [`.
    Control(String),
}

impl Terminal {
    pub(super) fn new() -> Terminal {
        #[expect(
            clippy::unwrap_used,
            reason = "an emulator is refused only where it has no rows or no columns"
        )]
        let emulator = Emulator::new(SIZE.0, SIZE.1).unwrap();
        Terminal { emulator, partial: Vec::new(), question: Question::None }
    }

    /// Shows what came, and gives what a terminal would answer to it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let (text, partial) = decoded(all);
        self.partial = partial;
        let mut answers = String::new();
        for character in text.chars() {
            self.emulator.feed(character);
            answers.push_str(&self.answer(character));
        }
        answers
    }

    /// What it shows now.
    pub(super) fn screen(&self) -> Screen {
        let row = |line: &avt::Line| {
            let cell = |cell: &avt::Cell| match cell.width() {
                0 => Cell { inverse: cell.pen().is_inverse(), ..Cell::RIGHT_HALF },
                _ => Cell { character: cell.char(), inverse: cell.pen().is_inverse() },
            };
            line.cells().iter().map(cell).collect()
        };
        let visible = self.emulator.cursor().visible.then(|| self.place());
        Screen::new(self.emulator.screen().visible_lines().map(row).collect(), visible)
    }

    /// Whether arrow keys are to be sent in the other form (DECCKM).
    pub(super) fn application_cursor(&self) -> bool {
        self.emulator.cursor_key_app_mode()
    }

    /// Behind the last column the emulator counts one more, until the next character wraps.
    fn place(&self) -> Place {
        let cursor = self.emulator.cursor();
        Place { row: cursor.row, column: cursor.col.min(self.emulator.size().0 - 1) }
    }

    /// The answer, where this character ends a question: what are you (DA), are you well, where is the cursor (both
    /// DSR). Programs learn the screen's size by the last: they send the cursor far away and ask where it went.
    fn answer(&mut self, character: char) -> String {
        let (next, answer) = match (std::mem::replace(&mut self.question, Question::None), character) {
            (_, '\x1b') => (Question::Escape, String::new()),
            (Question::Escape, '[') => (Question::Control(String::new()), String::new()),
            (Question::Control(mut sent), '0'..='9' | ';' | '?') if sent.len() < LONGEST_QUESTION => {
                sent.push(character);
                (Question::Control(sent), String::new())
            }
            (Question::Control(sent), last) => (Question::None, self.answer_to(&sent, last)),
            _ => (Question::None, String::new()),
        };
        self.question = next;
        answer
    }

    fn answer_to(&self, sent: &str, last: char) -> String {
        match (sent, last) {
            ("5", 'n') => "\x1b[0n".to_owned(),
            ("6", 'n') => {
                let place = self.place();
                format!("\x1b[{};{}R", place.row + 1, place.column + 1)
            }
            // A VT220 with nothing special.
            ("" | "0", 'c') => "\x1b[?62c".to_owned(),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(bytes: &[u8]) -> (Terminal, String) {
        let mut terminal = Terminal::new();
        let answers = terminal.feed(bytes);
        (terminal, answers)
    }

    #[test]
    fn it_shows_what_a_person_would_see() {
        let (terminal, _) = after(
            b"gone\x1b[2J\x1b[3;5H\x1b[7m yes \x1b[m no\r\n\x1b(0lqk\x1b(B gr\xc3\xbc\xc3\x9fe \xe7\x95\x8c!",
        );
        let screen = terminal.screen();
        assert_eq!(screen.text(), "\n\n     yes  no\n┌─┐ grüße 界!");
        assert_eq!(screen.inverse_texts(), ["yes"]);
        assert_eq!((screen.rows(), screen.columns()), (24, 80));
        assert_eq!(screen.cursor(), Some(Place { row: 3, column: 13 }));
        assert_eq!(screen.find("!"), Some(Place { row: 3, column: 12 }));
    }

    #[test]
    fn it_does_not_matter_where_the_stream_is_cut() {
        let stream = "\x1b[7mä界\x1b[m\x1b[2;3H\x1b[6n".as_bytes();
        let (whole, answers) = after(stream);
        for size in 1..stream.len() {
            let mut terminal = Terminal::new();
            let pieces: String = stream.chunks(size).map(|piece| terminal.feed(piece)).collect();
            assert_eq!((terminal.screen(), &pieces), (whole.screen(), &answers), "in pieces of {size}");
        }
        assert_eq!(answers, "\x1b[2;3R");
    }

    #[test]
    fn it_answers_how_large_it_is_and_what_it_is() {
        assert_eq!(after(b"\x1b7\x1b[32766;32766H\x1b[6n\x1b8").1, "\x1b[24;80R");
        assert_eq!(after(b"\x1b[c\x1b[5n\x1b[0c").1, "\x1b[?62c\x1b[0n\x1b[?62c");
        let full = format!("{}\x1b[6n", "x".repeat(80));
        assert_eq!(after(full.as_bytes()).1, "\x1b[1;80R");
        for no_question in
            ["6n", "\x1b6n", "\x1b[6;6n", "\x1b[?6n", "\x1b[999999999999n", "\x1b[>c", "\x1b]6n"]
        {
            assert_eq!(after(no_question.as_bytes()).1, "", "{no_question:?}");
        }
    }

    #[test]
    fn hidden_cursors_and_other_arrows_are_known() {
        let (terminal, _) = after(b"\x1b[?25l\x1b[?1h");
        assert!(terminal.screen().cursor().is_none() && terminal.application_cursor());
        let (terminal, _) = after(b"\x1b[?1h\x1b[?25l\x1b[?25h\x1b[?1l");
        assert!(terminal.screen().cursor().is_some() && !terminal.application_cursor());
    }
}
