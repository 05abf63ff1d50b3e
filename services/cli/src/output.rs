//! Text for people, JSON for programs.

use std::io::{IsTerminal, Write};

use serde_json::{Value, json};

/// How results are shown.
pub struct Output {
    /// JSON instead of text.
    pub json: bool,
}

impl Output {
    /// Shows a result: `document` gets its `version`; `text` is made only for people.
    pub fn show(&self, document: Value, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let mut whole = json!({ "version": 1 });
            if let (Value::Object(whole), Value::Object(keys)) = (&mut whole, document) {
                whole.extend(keys);
            }
            writeln!(out, "{whole:#}")?;
        } else {
            let text = text();
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }

    /// Shows what is being waited for, on standard error: one line that is overwritten, or a line a change where there is no
    /// terminal.
    pub fn progress(&self, last: &mut String, line: String) {
        if self.json || *last == line {
            return;
        }
        let mut err = std::io::stderr().lock();
        // Nothing to be done when nobody can be shown anything.
        let _ = if err.is_terminal() { write!(err, "\r\x1b[K{line}") } else { writeln!(err, "{line}") };
        let _ = err.flush();
        *last = line;
    }

    /// Ends the progress line.
    pub fn progress_done(&self, last: &str) {
        if !self.json && !last.is_empty() && std::io::stderr().is_terminal() {
            eprintln!();
        }
    }
}

/// A table with its columns as wide as they need to be.
pub fn table(head: &[&str], rows: &[Vec<String>], none: &str) -> String {
    if rows.is_empty() {
        return none.to_owned();
    }
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&head).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}

/// `3.2 GiB`.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} PiB")
}

/// Seconds since 1970-01-01 UTC, in the box's own time zone; `never` for 0.
pub fn time(utc: u64) -> String {
    let stamp = i64::try_from(utc)
        .ok()
        .filter(|utc| *utc != 0)
        .and_then(|utc| jiff::Timestamp::from_second(utc).ok());
    stamp.map_or("never".to_owned(), |stamp| {
        stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    })
}

/// `1 m 05 s`.
pub fn seconds(count: f64) -> String {
    let whole = count.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{count:.1} s"),
        (0, minutes, seconds) => format!("{minutes} m {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} m"),
    }
}

/// The first digits of an id: enough to tell ours apart, and accepted wherever an id is.
pub fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// JSON that came as text; null where there is none.
pub fn embedded(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_written_for_people() {
        assert_eq!([0, 1023, 1 << 20, 5 << 29].map(bytes), ["0 B", "1023 B", "1.0 MiB", "2.5 GiB"]);
        assert_eq!([0.25, 65.0, 7260.0].map(seconds), ["0.2 s", "1 m 05 s", "2 h 01 m"]);
        assert_eq!(time(0), "never");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["mail".into(), "1".into()], vec!["a".into(), "22".into()]];
        assert_eq!(table(&["NAME", "N"], &rows, "none"), "NAME  N\nmail  1\na     22");
        assert_eq!(table(&["NAME"], &[], "none"), "none");
    }
}
