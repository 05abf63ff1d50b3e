//! What the characters of a text screen look like.

use std::collections::HashMap;

use crate::{Error, Result};

/// A character's bitmap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glyph {
    width: u32,
    /// From the top; of each row the leftmost pixel is bit `width - 1`.
    rows: Vec<u32>,
}

/// How many pixels a character takes, with the space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CellSize {
    pub(super) width: usize,
    pub(super) height: usize,
}

/// Characters by their looks, all of one size: enough to read a picture of a text screen ([`Font::read`]).
///
/// No font is built in. A test has known text printed and learns from it ([`Font::learn`]): whatever the machine
/// draws with, the kernel's own font or another, is then known, without a copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Font {
    pub(super) size: CellSize,
    pub(super) glyphs: HashMap<Glyph, char>,
}

impl Glyph {
    /// A bitmap of `width` (1 to 32) pixels a row, the leftmost in bit `width - 1`, from the top.
    pub fn new(width: u32, rows: Vec<u32>) -> Result<Glyph> {
        let glyph = (1..=32).contains(&width).then_some(Glyph { width, rows });
        glyph
            .filter(|glyph| {
                !glyph.rows.is_empty() && glyph.rows.iter().all(|row| row & !glyph.full_row() == 0)
            })
            .ok_or_else(|| {
                Error::Asked(format!("a glyph has 1 to 32 pixels a row, and rows that fit; not {width}"))
            })
    }

    /// A row with all pixels set.
    pub(super) fn full_row(&self) -> u32 {
        u32::MAX >> (32 - self.width)
    }

    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    pub(super) fn is_blank(&self) -> bool {
        self.rows.iter().all(|row| *row == 0)
    }

    /// With set and unset pixels swapped, in these rows.
    pub(super) fn swapped(&self, rows: std::ops::Range<usize>) -> Glyph {
        let mut swapped = self.clone();
        let full = self.full_row();
        swapped.rows[rows].iter_mut().for_each(|row| *row ^= full);
        swapped
    }

    /// With set and unset pixels swapped.
    pub(super) fn inverse(&self) -> Glyph {
        self.swapped(0..self.rows.len())
    }

    fn size(&self) -> CellSize {
        CellSize { width: self.width as usize, height: self.rows.len() }
    }
}

impl Font {
    /// All printable ASCII, in lines that a screen of 80 columns holds, each character twice and at different places:
    /// what [`Font::learn`] needs to tell what it sees from chance.
    ///
    /// In a shell, for example: `printf '%s\n' LINES`, each line quoted, after clearing the screen.
    pub const SAMPLE: [&str; 4] = [
        "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNO",
        "PQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
        "~}|{zyxwvutsrqponmlkjihgfedcba`_^]\\[ZYXWVUTSRQP",
        "ONMLKJIHGFEDCBA@?>=<;:9876543210/.-,+*)('&%$#\"!",
    ];

    /// A font of these glyphs, which must have one size. Where characters look the same, the first is read. A blank
    /// needs no glyph.
    pub fn new(known: impl IntoIterator<Item = (char, Glyph)>) -> Result<Font> {
        let mut glyphs = HashMap::new();
        let mut size = None;
        for (character, glyph) in known {
            if *size.get_or_insert(glyph.size()) != glyph.size() {
                return Err(Error::Asked(format!(
                    "the glyph of `{character}` has another size than the first"
                )));
            }
            glyphs.entry(glyph).or_insert(character);
        }
        let size = size.ok_or_else(|| Error::Asked("a font without a glyph reads nothing".to_owned()))?;
        Ok(Font { size, glyphs })
    }

    /// A character's width and height in pixels.
    pub fn cell_size(&self) -> (usize, usize) {
        (self.size.width, self.size.height)
    }

    /// What looks exactly so.
    pub(super) fn character(&self, glyph: &Glyph) -> Option<char> {
        if glyph.is_blank() { Some(' ') } else { self.glyphs.get(glyph).copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glyph_that_does_not_fit_is_refused() {
        assert!(Glyph::new(8, vec![0xff; 16]).is_ok() && Glyph::new(32, vec![u32::MAX]).is_ok());
        for (width, rows) in [(0, vec![0]), (33, vec![0]), (8, vec![]), (8, vec![0x100])] {
            assert!(Glyph::new(width, rows).is_err(), "{width}");
        }
    }

    #[test]
    fn a_font_has_one_size() {
        let glyph = |height: usize| Glyph::new(8, vec![0x18; height]).unwrap();
        assert_eq!(Font::new([('a', glyph(16))]).unwrap().cell_size(), (8, 16));
        let said = Font::new([('a', glyph(16)), ('b', glyph(14))]).unwrap_err().to_string();
        assert!(said.contains("the glyph of `b` has another size"), "{said}");
        assert!(Font::new([]).is_err());
    }

    #[test]
    fn the_sample_has_all_printable_characters_twice() {
        let mut all: Vec<char> = Font::SAMPLE.concat().chars().collect();
        all.sort_unstable();
        let twice: Vec<char> = ('!'..='~').flat_map(|character| [character; 2]).collect();
        assert_eq!(all, twice);
    }
}
