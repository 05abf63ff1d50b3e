//! From one picture to the next with few bytes: a full screen takes a sixth of a second on a line of 115200 baud, and an emulated
//! one is slower.

use crate::picture::{Cell, HEIGHT, Picture, WIDTH};

const REVERSE: &[u8] = b"\x1b[7m";
const PLAIN: &[u8] = b"\x1b[0m";

/// What a terminal shows, as far as is known.
#[derive(Debug, Default)]
pub struct Painter {
    shown: Option<Picture>,
}

impl Painter {
    /// Forgets what the terminal shows: the next picture is drawn whole.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// The bytes that make the terminal show `picture`; none if it does already. They are those of a VT100 (ECMA-48: CUP, ED, SGR).
    pub fn paint(&mut self, picture: &Picture) -> Vec<u8> {
        let mut bytes = Vec::new();
        let shown = match self.shown.take() {
            Some(shown) if shown == *picture => {
                self.shown = Some(shown);
                return bytes;
            }
            Some(shown) => shown,
            None => {
                // Also ends what a kernel message or a boot loader may have left switched on, a scroll region included.
                bytes.extend_from_slice(b"\x1b[0m\x1b[r\x1b[H\x1b[2J");
                Picture::default()
            }
        };
        let mut reverse = false;
        for (number, (old, new)) in shown.lines().zip(picture.lines()).enumerate() {
            for (from, to) in changes(old, new) {
                move_to(&mut bytes, number, from);
                for cell in &new[from..to] {
                    if cell.reverse != reverse {
                        bytes.extend_from_slice(if cell.reverse { REVERSE } else { PLAIN });
                        reverse = cell.reverse;
                    }
                    bytes.push(cell.character);
                }
            }
        }
        if reverse {
            bytes.extend_from_slice(PLAIN);
        }
        let (line, column) = picture.cursor;
        move_to(&mut bytes, line.min(HEIGHT - 1), column.min(WIDTH - 1));
        self.shown = Some(picture.clone());
        bytes
    }
}

fn move_to(bytes: &mut Vec<u8>, line: usize, column: usize) {
    bytes.extend_from_slice(format!("\x1b[{};{}H", line + 1, column + 1).as_bytes());
}

/// Ranges of a line to be written anew. Moving the cursor takes some six bytes, so that a gap of as many is written through.
fn changes(old: &[Cell; WIDTH], new: &[Cell; WIDTH]) -> Vec<(usize, usize)> {
    const GAP: usize = 6;
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for column in (0..WIDTH).filter(|&column| old[column] != new[column]) {
        match ranges.last_mut() {
            Some((_, to)) if column <= *to + GAP => *to = column + 1,
            _ => ranges.push((column, column + 1)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(texts: &[(usize, usize, String, bool)], cursor: (usize, usize)) -> Picture {
        let mut picture = Picture::default();
        picture.cursor = cursor;
        for (line, column, text, reverse) in texts {
            picture.write(*line, *column, text, *reverse);
        }
        picture
    }

    prop_compose! {
        fn pictures()(
            texts in prop::collection::vec((0..HEIGHT, 0..WIDTH, "[ -~]{0,90}", any::<bool>()), 0..12),
            cursor in (0..HEIGHT, 0..WIDTH),
        ) -> Picture {
            picture(&texts, cursor)
        }
    }

    proptest! {
        #[test]
        fn a_terminal_shows_each_picture_as_it_is(pictures in prop::collection::vec(pictures(), 1..6), forget in 0usize..6) {
            let mut painter = Painter::default();
            let mut terminal = avt::Terminal::new(WIDTH, HEIGHT).unwrap();
            for (number, picture) in pictures.iter().enumerate() {
                if number == forget {
                    painter.forget();
                }
                let bytes = painter.paint(picture);
                prop_assert!(bytes.is_ascii());
                terminal.feed([std::str::from_utf8(&bytes).unwrap()]);
                for (shown, cells) in terminal.screen().visible_lines().zip(picture.lines()) {
                    for (place, cell) in shown.cells().iter().zip(cells) {
                        prop_assert_eq!(place.char(), char::from(cell.character));
                        prop_assert_eq!(place.pen().is_inverse(), cell.reverse);
                    }
                }
                let cursor = terminal.cursor();
                // Behind the last column the emulator counts one more, until the next character wraps.
                prop_assert_eq!((cursor.row, cursor.col.min(WIDTH - 1)), picture.cursor);
            }
        }
    }

    #[test]
    fn a_small_change_takes_few_bytes_and_none_takes_none() {
        let mut painter = Painter::default();
        let first = picture(&[(5, 0, "eight machines are protected".into(), false)], (5, 0));
        let second = picture(&[(5, 0, "seven machines are protected".into(), false)], (5, 0));
        assert!(!painter.paint(&first).is_empty());
        assert!(painter.paint(&first).is_empty());
        assert!(painter.paint(&second).len() < 24);
    }
}
