//! How one command and its output are told apart from everything else a console shows.
//!
//! Each run has a number of its own. The command is typed as quoted pieces of a variable, then evaluated between two
//! marks that carry the number. A mark is printed from two pieces, so that the echo of what was typed is never taken
//! for the mark itself.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::process::shell_quoted;

/// A terminal in line mode takes 4095 bytes a line; quoting may make a piece four times as long.
const PIECE: usize = 800;

/// The frame of one run.
#[derive(Debug)]
pub(super) struct Frame {
    id: String,
}

/// A command with a character that the terminal would act on instead of passing it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ControlCharacter(pub(super) char);

impl Frame {
    /// One that no other run in this process has, and hardly one of another.
    pub(super) fn new() -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(1);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        Frame { id: format!("{:x}.{run}", std::process::id()) }
    }

    /// A line that makes a shell quiet and answer with [`Frame::ready`].
    pub(super) fn greeting(&self) -> String {
        format!("stty -echo -onlcr; PS1=; PS2=; PROMPT_COMMAND=; printf '%s%s\\n' '<{}:' 'ready>'", self.id)
    }

    pub(super) fn ready(&self) -> String {
        format!("<{}:ready>", self.id)
    }

    /// What is typed to run `command` in a shell of its own, so that `exit` and `cd` end with it. Through a pipe, as
    /// programs write each line by itself to a terminal, which makes an emulated console 30 times slower, and cut
    /// lines to its width.
    pub(super) fn typed(&self, command: &str) -> Result<Vec<String>, ControlCharacter> {
        let unusable = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
        if let Some(character) = command.chars().find(unusable) {
            return Err(ControlCharacter(character));
        }
        let mut lines = vec!["c=".to_owned()];
        lines.extend(pieces(command).map(|piece| format!("c=${{c}}{}", shell_quoted(piece))));
        lines.push(format!(
            "{{ printf '\\n%s%s\\n' '<{id}:' 'begin>'; (eval \"$c\") </dev/null 2>&1; \
             printf '\\n%s%s%s>\\n' '<{id}:' 'end:' \"$?\"; }} | cat",
            id = self.id
        ));
        Ok(lines)
    }

    /// Status and output, where `text` holds all of them, and where the frame ends. `looked_at`: so much of the text
    /// was searched before.
    pub(super) fn find(&self, text: &str, looked_at: usize) -> Option<((i32, String), usize)> {
        let end_mark = format!("\n<{}:end:", self.id);
        let from = looked_at.saturating_sub(end_mark.len() + 16);
        let from = (0..=from).rev().find(|at| text.is_char_boundary(*at))?;
        let end = from + text[from..].find(&end_mark)?;
        let (status, _) = text[end + end_mark.len()..].split_once(">\n")?;
        let begin_mark = format!("<{}:begin>\n", self.id);
        let begin = text[..end + 1].find(&begin_mark)? + begin_mark.len();
        let output = text.get(begin..end).unwrap_or_default().to_owned();
        Some(((status.parse().ok()?, output), end + end_mark.len() + status.len() + 2))
    }
}

/// Cuts at character boundaries.
fn pieces(command: &str) -> impl Iterator<Item = &str> {
    let mut rest = command;
    std::iter::from_fn(move || {
        let end = (0..=PIECE.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at))?;
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame { id: "7.1".to_owned() }
    }

    #[test]
    fn output_is_exactly_what_lies_between_the_marks() {
        let find = |text: &str| frame().find(text, 0).map(|((status, output), _)| (status, output));
        assert_eq!(find("# \n<7.1:begin>\nhello\n\n<7.1:end:0>\n# "), Some((0, "hello\n".to_owned())));
        assert_eq!(find("\n<7.1:begin>\nno newline\n<7.1:end:3>\n"), Some((3, "no newline".to_owned())));
        assert_eq!(find("\n<7.1:begin>\n\n<7.1:end:0>\n"), Some((0, String::new())));
        assert_eq!(find("\n<7.1:begin>\nhello\n\n<7.1:end:0"), None);
        assert_eq!(find("\n<7.2:begin>\nanother's\n<7.2:end:0>\n"), None);
    }

    #[test]
    fn the_echo_of_what_is_typed_is_not_taken_for_a_mark() {
        let frame = frame();
        let echo = frame.typed("echo <7.1:end>").unwrap().join("\n") + "\n" + &frame.greeting() + "\n";
        assert_eq!(frame.find(&echo, 0), None);
        assert!(!echo.contains(&frame.ready()));
    }

    #[test]
    fn it_does_not_matter_how_the_text_grows() {
        let text = format!("\n<7.1:begin>\n{}\n<7.1:end:0>\n", "größer\n".repeat(40));
        let mut looked_at = 0;
        let cuts: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        let found = cuts.iter().find_map(|&cut| {
            let found = frame().find(&text[..cut], looked_at);
            looked_at = cut;
            found.map(|found| (found, cut))
        });
        assert_eq!(found, Some((((0, "größer\n".repeat(40)), text.len()), text.len())));
    }

    #[test]
    fn long_commands_are_typed_in_lines_a_terminal_takes() {
        let command = "printf '%s' \"ä'$x\";\n".repeat(500);
        let lines = frame().typed(&command).unwrap();
        assert!(lines.iter().all(|line| line.len() < 4095));
        assert_eq!(pieces(&command).collect::<String>(), command);
    }

    #[test]
    fn a_control_character_is_refused() {
        assert_eq!(frame().typed("echo \u{3}"), Err(ControlCharacter('\u{3}')));
        assert!(frame().typed("echo '\ta\nb'").is_ok());
    }
}
