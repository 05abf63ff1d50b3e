//! A list, of which one row is chosen, or several are marked, or which is only read.

use crate::keys::Key;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub text: String,
    /// What it is found by when something is typed; its text if empty.
    pub key: String,
    pub marked: bool,
    /// Why it cannot be marked; empty if it can.
    pub why_not: String,
}

impl Row {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), key: String::new(), marked: false, why_not: String::new() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// The row under the cursor is the chosen one.
    Pick,
    /// As `Pick`, and typing finds rows.
    Find,
    Mark,
    Read,
}

/// How a row looks in front of its text.
pub(crate) struct Shown<'a> {
    pub mark: &'static str,
    pub text: &'a str,
    pub under_cursor: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Rows {
    all: Vec<Row>,
    /// Those that fit what was typed.
    fitting: Vec<usize>,
    /// Among `fitting`.
    cursor: usize,
    typed: String,
    kind: Use,
    /// How many are shown at once.
    height: usize,
}

impl Rows {
    fn of(kind: Use, all: Vec<Row>) -> Self {
        let fitting = (0..all.len()).collect();
        Self { all, fitting, cursor: 0, typed: String::new(), kind, height: 6 }
    }

    /// One is chosen.
    pub fn pick(all: Vec<Row>) -> Self {
        Self::of(Use::Pick, all)
    }

    /// One is chosen, found by typing.
    pub fn find(all: Vec<Row>) -> Self {
        Self::of(Use::Find, all)
    }

    /// Any are marked.
    pub fn mark(all: Vec<Row>) -> Self {
        Self::of(Use::Mark, all)
    }

    /// None is chosen: it moves so that all can be read.
    pub fn read(texts: Vec<String>) -> Self {
        Self::of(Use::Read, texts.into_iter().map(Row::new).collect())
    }

    pub fn height(mut self, height: usize) -> Self {
        self.height = height;
        self
    }

    pub fn all(&self) -> &[Row] {
        &self.all
    }

    pub fn row_mut(&mut self, number: usize) -> Option<&mut Row> {
        self.all.get_mut(number)
    }

    /// Numbers of the marked rows.
    pub fn marked(&self) -> Vec<usize> {
        self.all.iter().enumerate().filter(|(_, row)| row.marked).map(|(number, _)| number).collect()
    }

    /// Number of the row under the cursor.
    pub fn chosen(&self) -> Option<usize> {
        self.fitting.get(self.cursor).copied()
    }

    /// Puts the cursor on a row.
    pub fn choose(&mut self, number: usize) {
        self.find_again(String::new());
        self.cursor = number.min(self.all.len().saturating_sub(1));
    }

    /// What was typed to find a row.
    pub fn typed(&self) -> Option<&str> {
        (self.kind == Use::Find).then_some(&self.typed)
    }

    /// How many fit what was typed, and how many there are.
    pub fn count(&self) -> (usize, usize) {
        (self.fitting.len(), self.all.len())
    }

    fn find_again(&mut self, typed: String) {
        let fits = |row: &Row, at_start: bool| {
            let key = if row.key.is_empty() { &row.text } else { &row.key };
            let (key, typed) = (key.to_lowercase().replace('_', " "), typed.to_lowercase().replace('_', " "));
            if at_start { key.starts_with(&typed) } else { !key.starts_with(&typed) && key.contains(&typed) }
        };
        let having = |at_start| {
            self.all.iter().enumerate().filter(move |(_, row)| fits(row, at_start)).map(|(n, _)| n)
        };
        // What begins with it comes before what has it somewhere.
        let fitting: Vec<_> = having(true).chain(having(false)).collect();
        self.fitting = fitting;
        self.typed = typed;
        self.cursor = 0;
    }

    /// Whether the key was used. Letters move too, for terminals without arrows: n for the next row, p for the one before.
    pub fn key(&mut self, key: Key) -> bool {
        let last = self.fitting.len().saturating_sub(1);
        // One that is only read moves by what is seen.
        let last = if self.kind == Use::Read { self.fitting.len().saturating_sub(self.height) } else { last };
        let to = match (self.kind, key) {
            (_, Key::Down) if self.cursor < last => self.cursor + 1,
            (_, Key::Up) if self.cursor > 0 => self.cursor - 1,
            (_, Key::PageDown) => self.cursor + self.height,
            (_, Key::PageUp) => self.cursor.saturating_sub(self.height),
            (_, Key::Home) => 0,
            (_, Key::End) => last,
            (Use::Find, Key::Char(character)) => {
                self.find_again(format!("{}{character}", self.typed));
                return true;
            }
            (Use::Find, Key::Backspace) => {
                let mut typed = self.typed.clone();
                typed.pop();
                // What was chosen stays so.
                let chosen = self.chosen();
                self.find_again(typed);
                self.cursor = self.fitting.iter().position(|row| Some(*row) == chosen).unwrap_or(0);
                return true;
            }
            (_, Key::Char('n')) => self.cursor + 1,
            (_, Key::Char('p')) => self.cursor.saturating_sub(1),
            (_, Key::Char(digit @ '1'..='9')) => digit as usize - '1' as usize,
            (Use::Mark, Key::Char(' ' | 'x')) => {
                if let Some(row) = self.chosen().and_then(|number| self.all.get_mut(number))
                    && row.why_not.is_empty()
                {
                    row.marked = !row.marked;
                }
                return true;
            }
            _ => return false,
        };
        self.cursor = to.min(last);
        true
    }

    /// The rows that are shown.
    pub fn window(&self) -> impl Iterator<Item = Shown<'_>> {
        self.fitting.iter().enumerate().skip(self.first()).take(self.height).filter_map(
            move |(at, number)| {
                let row = self.all.get(*number)?;
                let under_cursor = at == self.cursor && self.kind != Use::Read;
                let mark = match self.kind {
                    Use::Read => "",
                    Use::Mark if !row.why_not.is_empty() => "[-] ",
                    Use::Mark if row.marked => "[x] ",
                    Use::Mark => "[ ] ",
                    _ if under_cursor => "(*) ",
                    _ => "( ) ",
                };
                Some(Shown { mark, text: &row.text, under_cursor })
            },
        )
    }

    /// What to say of rows that are not shown; empty if all are.
    pub fn more(&self) -> String {
        let (from, all) = (self.first(), self.fitting.len());
        let below = all.saturating_sub(from + self.height);
        match (from, below) {
            (0, 0) => String::new(),
            (above, 0) => format!("{above} more above (arrow up, p)"),
            (0, below) => format!("{below} more below (arrow down, n)"),
            (above, below) => format!("{above} more above, {below} more below"),
        }
    }

    /// The first of the rows that are shown.
    fn first(&self) -> usize {
        match self.kind {
            Use::Read => self.cursor,
            _ => (self.cursor + 1).saturating_sub(self.height),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(kind: Use) -> Rows {
        Rows::of(kind, ["Africa/Cairo", "Europe/Berlin", "Europe/Bern", "Asia/Hebron"].map(Row::new).to_vec())
            .height(2)
    }

    fn shown(rows: &Rows) -> Vec<String> {
        rows.window().map(|row| format!("{}{}", row.mark, row.text)).collect()
    }

    #[test]
    fn typing_finds_what_begins_so_and_then_what_has_it_inside() {
        let mut rows = rows(Use::Find);
        for key in "BER".chars() {
            rows.key(Key::Char(key));
        }
        assert_eq!(shown(&rows), ["(*) Europe/Berlin", "( ) Europe/Bern"]);
        for key in "ro".chars() {
            rows.key(Key::Char(key));
        }
        assert_eq!((rows.chosen(), shown(&rows).len()), (None, 0));
        for _ in 0..5 {
            rows.key(Key::Backspace);
        }
        assert_eq!(rows.count(), (4, 4));
    }

    #[test]
    fn the_cursor_stays_in_what_is_shown() {
        let mut rows = rows(Use::Pick);
        assert!(rows.key(Key::Char('4')));
        assert_eq!(shown(&rows), ["( ) Europe/Bern", "(*) Asia/Hebron"]);
        assert!(!rows.key(Key::Down), "past the end the form moves on");
        rows.key(Key::Char('p'));
        rows.key(Key::PageUp);
        assert_eq!(rows.chosen(), Some(0));
        assert!(!rows.key(Key::Up));
    }

    #[test]
    fn what_cannot_be_marked_is_not() {
        let mut rows = rows(Use::Mark);
        rows.all[1].why_not = "the system runs from it".into();
        rows.key(Key::Char(' '));
        rows.key(Key::Char('n'));
        rows.key(Key::Char('x'));
        assert_eq!(rows.marked(), [0]);
        assert_eq!(shown(&rows), ["[x] Africa/Cairo", "[-] Europe/Berlin"]);
    }

    #[test]
    fn a_list_to_be_read_moves_to_its_end_and_no_further() {
        let mut rows = rows(Use::Read);
        rows.key(Key::PageDown);
        rows.key(Key::Char('n'));
        assert_eq!(shown(&rows), ["Europe/Bern", "Asia/Hebron"]);
        assert_eq!(rows.more(), "2 more above (arrow up, p)");
        assert!(!rows.key(Key::Down));
    }
}
