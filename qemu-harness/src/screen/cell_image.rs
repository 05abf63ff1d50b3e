//! One character's part of a picture.

use super::font::{CellSize, Glyph};
use super::picture::{Picture, Rgb};

/// A cell of at most two colours. Which of them is the text's is not known yet.
pub(super) struct CellImage {
    /// The colour of the upper left pixel.
    pub(super) first: Rgb,
    /// The other one, where there is one.
    pub(super) second: Option<Rgb>,
    /// Set where the second is.
    pub(super) bits: Glyph,
}

impl CellImage {
    /// What is in this row and column of cells; `None` where it leaves the picture, or has more than two colours.
    pub(super) fn cut(picture: &Picture, size: CellSize, row: usize, column: usize) -> Option<CellImage> {
        let (left, top) = (column * size.width, row * size.height);
        if left + size.width > picture.width() || top + size.height > picture.height() {
            return None;
        }
        let first = picture.pixel(left, top);
        let mut second = None;
        let mut rows = Vec::with_capacity(size.height);
        for y in top..top + size.height {
            let mut bits = 0;
            for &colour in &picture.line(y)[left..left + size.width] {
                let set = colour != first;
                if set && *second.get_or_insert(colour) != colour {
                    return None;
                }
                bits = bits << 1 | u32::from(set);
            }
            rows.push(bits);
        }
        let bits = Glyph::new(u32::try_from(size.width).ok()?, rows).ok()?;
        Some(CellImage { first, second, bits })
    }
}
