//! Text from a picture, with a font that is known.

use std::collections::{HashMap, HashSet};

use super::cell_image::CellImage;
use super::font::{Font, Glyph};
use super::picture::{Picture, Rgb};
use super::{Cell, Place, Screen};

/// What could be made of a cell.
struct Reading {
    character: char,
    /// The text's colour and the one behind it; `None` where both are unknown.
    colours: Option<(Option<Rgb>, Rgb)>,
    /// Whether a cursor stands there.
    cursor: bool,
}

impl Font {
    /// Reads a whole picture, whose first character is in its upper left corner. What is left over at its right and
    /// lower edge, smaller than a character, is no part of the text.
    ///
    /// Any two colours will do, in each cell others. What the font does not know is U+FFFD. A cell of one colour is a
    /// blank; a full block cannot be told from a blank in reverse video. A cursor that underlines a character, with
    /// lines over the cell's whole width, is seen through; a cursor that is a block makes the cell look inverse.
    pub fn read(&self, picture: &Picture) -> Screen {
        let ground = picture.main_colour();
        let (rows, columns) = (picture.height() / self.size.height, picture.width() / self.size.width);
        let readings: Vec<Vec<Reading>> = (0..rows)
            .map(|row| {
                let image = |column| CellImage::cut(picture, self.size, row, column);
                (0..columns).map(|column| self.reading(image(column), ground)).collect()
            })
            .collect();
        let inverse = InverseVideo::of(readings.iter().flatten(), ground);
        let cells = |row: &Vec<Reading>| {
            row.iter()
                .map(|reading| Cell { character: reading.character, inverse: inverse.shows(reading) })
                .collect()
        };
        let mut cursors = readings.iter().enumerate().flat_map(|(row, readings)| {
            let here = readings.iter().enumerate().filter(|(_, reading)| reading.cursor);
            here.map(move |(column, _)| Place { row, column })
        });
        // There is one cursor at most: what is seen more often is something else.
        let cursor = cursors.next().filter(|_| cursors.next().is_none());
        Screen::new(readings.iter().map(cells).collect(), cursor)
    }

    fn reading(&self, image: Option<CellImage>, ground: Rgb) -> Reading {
        let Some(image) = image else {
            return Reading { character: char::REPLACEMENT_CHARACTER, colours: None, cursor: false };
        };
        let Some(second) = image.second else {
            return Reading { character: ' ', colours: Some((None, image.first)), cursor: false };
        };
        let ways = [(image.bits.inverse(), image.first, second), (image.bits, second, image.first)];
        // Where a glyph is another's negative, the one on the screen's own ground is meant.
        let exact = ways.iter().filter_map(|(bits, text, behind)| {
            self.character(bits).map(|character| (character, *text, *behind))
        });
        if let Some((character, text, behind)) = exact.max_by_key(|(_, _, behind)| *behind == ground) {
            return Reading { character, colours: Some((Some(text), behind)), cursor: false };
        }
        let underlined = ways.iter().filter_map(|(bits, text, behind)| {
            self.under_cursor(bits).map(|(rank, character)| (rank, character, *text, *behind))
        });
        match underlined.min_by_key(|(rank, ..)| *rank) {
            Some((_, character, text, behind)) => {
                let text = Some(text).filter(|_| character != ' ');
                Reading { character, colours: Some((text, behind)), cursor: true }
            }
            None => Reading { character: char::REPLACEMENT_CHARACTER, colours: None, cursor: false },
        }
    }

    /// What would look so with an underline cursor on it, and how likely that is: less is more. The VGA card draws it
    /// over the character, Linux's framebuffer console swaps the colours under it; both over the whole width of some
    /// lines in the lowest quarter, as a rule two. Where the same picture has several readings, the cursor of two lines is
    /// taken, and a blank before a character: the cursor mostly stands where nothing has been written yet.
    fn under_cursor(&self, bits: &Glyph) -> Option<((bool, usize, bool), char)> {
        let height = bits.rows().len();
        let mut best: Option<((bool, usize, bool), char)> = None;
        let lowest = height - height / 4;
        for (start, end) in
            (lowest..height).flat_map(|start| (start..height).map(move |end| (start, end + 1)))
        {
            let drawn_over = bits.rows()[start..end].iter().all(|row| *row == bits.full_row());
            let swapped = self.character(&bits.swapped(start..end));
            let covered =
                self.glyphs.iter().filter(|(glyph, _)| drawn_over && same_outside(glyph, bits, start..end));
            for character in swapped.into_iter().chain(covered.map(|(_, character)| *character)) {
                let rank = (end - start != 2, end - start, character != ' ');
                match best {
                    Some((known, _)) if known < rank => {}
                    Some((known, other)) if known == rank && other != character => {
                        best = Some((rank, char::REPLACEMENT_CHARACTER));
                    }
                    _ => best = Some((rank, character)),
                }
            }
        }
        best.filter(|(_, character)| *character != char::REPLACEMENT_CHARACTER)
    }
}

fn same_outside(one: &Glyph, other: &Glyph, rows: std::ops::Range<usize>) -> bool {
    let outside = |glyph: &Glyph| [&glyph.rows()[..rows.start], &glyph.rows()[rows.end..]].concat();
    outside(one) == outside(other)
}

/// Which colours are reverse video: text in the colour that fills most of the screen, or those of other text, swapped.
struct InverseVideo {
    /// By the text's colour and the one behind it, how often.
    pairs: HashMap<(Rgb, Rgb), usize>,
    ground: Rgb,
    /// What is behind characters in reverse video; blanks on it belong to them.
    behind: HashSet<Rgb>,
}

impl InverseVideo {
    fn of<'a>(readings: impl Iterator<Item = &'a Reading>, ground: Rgb) -> InverseVideo {
        let mut inverse = InverseVideo { pairs: HashMap::new(), ground, behind: HashSet::new() };
        for (text, behind) in readings.filter_map(|reading| reading.colours) {
            if let Some(text) = text {
                *inverse.pairs.entry((text, behind)).or_default() += 1;
            }
        }
        let swapped = inverse.pairs.keys().filter(|(text, behind)| inverse.is_swapped(*text, *behind));
        inverse.behind = swapped.map(|(_, behind)| *behind).collect();
        inverse
    }

    fn is_swapped(&self, text: Rgb, behind: Rgb) -> bool {
        let count = |pair| self.pairs.get(&pair).copied().unwrap_or(0);
        let on_the_ground = behind == self.ground;
        // Where neither is the ground, as in a coloured box, what is there more often is the usual.
        !on_the_ground && (text == self.ground || count((behind, text)) > count((text, behind)))
    }

    fn shows(&self, reading: &Reading) -> bool {
        match reading.colours {
            Some((Some(text), behind)) => self.is_swapped(text, behind),
            Some((None, behind)) => self.behind.contains(&behind),
            None => false,
        }
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
