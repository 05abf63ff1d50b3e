//! A font from a picture of known text.

use std::collections::HashMap;

use super::cell_image::CellImage;
use super::font::{CellSize, Font, Glyph};
use super::picture::{Picture, Rgb};
use crate::{Error, Result};

/// Fonts of consoles, in pixels; with the kernel's for screens of many pixels (16x32).
const WIDTHS: std::ops::RangeInclusive<usize> = 6..=32;
const HEIGHTS: std::ops::RangeInclusive<usize> = 8..=64;

impl Font {
    /// Learns from a picture on which these lines stand, one below the other, each from the first column on and in the
    /// screen's normal colours. Where they are and how large a character is, is found: the one way to cut the picture
    /// in which each character always looks the same, and no two the same. For that each character must be there more
    /// than once; [`Font::SAMPLE`] is made so.
    ///
    /// The text may stand there more than once. An error where it is not found, or where it is too short to be sure.
    pub fn learn<S: AsRef<str>>(picture: &Picture, known: &[S]) -> Result<Font> {
        let known: Vec<Vec<char>> = known.iter().map(|line| line.as_ref().chars().collect()).collect();
        let longest = known.iter().map(Vec::len).max().unwrap_or(0);
        if known.iter().flatten().all(|character| *character == ' ') {
            return Err(Error::Asked("a font cannot be learned from no text".to_owned()));
        }
        let ground = picture.main_colour();
        let mut found: Vec<Font> = Vec::new();
        for (width, height) in WIDTHS.flat_map(|width| HEIGHTS.map(move |height| (width, height))) {
            let rows = picture.height() / height;
            if width * longest > picture.width() || known.len() > rows {
                continue;
            }
            for top in 0..=rows - known.len() {
                let font = cut(picture, ground, CellSize { width, height }, top, &known);
                found.extend(font.filter(|font| !found.contains(font)));
            }
        }
        match (found.pop(), found.len()) {
            (Some(font), 0) => Ok(font),
            (None, _) => Err(Error::Asked(format!(
                "the known text is not on the picture of {} x {} pixels; print it from the first column of an empty screen",
                picture.width(),
                picture.height()
            ))),
            (Some(_), others) => Err(Error::Asked(format!(
                "the known text can be read in {} ways; take one with each character more than once",
                others + 1
            ))),
        }
    }
}

/// The font, if the text stands from this row on in characters of this size.
fn cut(picture: &Picture, ground: Rgb, size: CellSize, top: usize, known: &[Vec<char>]) -> Option<Font> {
    let mut looks: HashMap<char, Glyph> = HashMap::new();
    let mut glyphs: HashMap<Glyph, char> = HashMap::new();
    for (row, line) in known.iter().enumerate() {
        for (column, &character) in line.iter().enumerate() {
            let image = CellImage::cut(picture, size, top + row, column)?;
            let glyph = match image.second {
                None if character == ' ' && image.first == ground => continue,
                Some(_) if image.first == ground => image.bits,
                Some(second) if second == ground => image.bits.inverse(),
                _ => return None,
            };
            if character == ' ' {
                return None;
            }
            if *looks.entry(character).or_insert_with(|| glyph.clone()) != glyph
                || *glyphs.entry(glyph).or_insert(character) != character
            {
                return None;
            }
        }
    }
    Some(Font { size, glyphs })
}
