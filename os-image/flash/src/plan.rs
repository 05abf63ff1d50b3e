//! What a target is to hold, byte for byte: the image, with its partition table made to fit.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::place::Place;
use crate::table;

/// Bytes at either end of the target that are erased first and written last: 1 MiB, which holds the table and, at the beginning,
/// whatever may be bootable without one.
pub(crate) const EDGE: u64 = 1 << 20;

/// What a target is to hold.
pub(crate) struct Plan {
    /// The first MiB.
    pub head: Vec<u8>,
    /// The last MiB.
    pub tail: Vec<u8>,
    /// Between them, in order and without gaps, as far as the image reaches. What lies behind it is not ours.
    pub pieces: Vec<Piece>,
}

/// A range of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub range: Range<u64>,
    /// Whether it is the image's data; zeros otherwise.
    pub data: bool,
}

impl Plan {
    /// For a target of `size` bytes.
    pub fn new(image: &Image, size: u64) -> Result<Self> {
        Place::fits(size, image.size())?;
        let (mut head, mut tail) = (vec![0; EDGE as usize], vec![0; EDGE as usize]);
        let larger = size > image.size();
        // The second copy of the table moves: nothing stays where it was.
        let end = if larger { image.backup_table() } else { image.size() };
        let tail_start = size - EDGE;
        image.read(0, &mut head)?;
        if tail_start < end {
            image.read(tail_start, &mut tail[..(end - tail_start) as usize])?;
        }
        if larger {
            table::fit(&mut head, &mut tail, size).map_err(|error| Error::Image {
                path: image.path().to_owned(),
                problem: format!("its partition table cannot be made to fit {size} bytes ({error})"),
                hint: "try a target of exactly its size",
            })?;
        }
        let data = image.data().iter().map(|range| range.start..range.end.min(end));
        Ok(Self { head, tail, pieces: pieces(EDGE..image.size().min(tail_start), data) })
    }

    /// Bytes of all pieces.
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Bytes of the pieces with data.
    pub fn data_bytes(&self) -> u64 {
        self.pieces.iter().filter(|piece| piece.data).map(Piece::len).sum()
    }
}

impl Piece {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Cuts it into chunks of at most `size` bytes.
    pub fn chunks(&self, size: u64) -> impl Iterator<Item = Range<u64>> + use<> {
        let Range { start, end } = self.range;
        (start..end).step_by(size as usize).map(move |at| at..(at + size).min(end))
    }
}

/// `body`, cut where `data` begins and ends. `data` is in order and does not overlap itself.
fn pieces(body: Range<u64>, data: impl Iterator<Item = Range<u64>>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = body.start;
    let mut add = |range: Range<u64>, data| {
        if !range.is_empty() {
            pieces.push(Piece { range, data });
        }
    };
    for range in data {
        let (start, end) = (range.start.clamp(at, body.end), range.end.clamp(at, body.end));
        add(at..start, false);
        add(start..end, true);
        at = end.max(at);
    }
    add(at..body.end, false);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_cover_the_body_in_order_and_data_is_what_was_data(
            body in (0u64..50, 0u64..100).prop_map(|(start, len)| start..start + len),
            mut cuts in proptest::collection::vec(0u64..200, 0..12),
        ) {
            cuts.sort();
            cuts.dedup();
            let data: Vec<_> = cuts.chunks_exact(2).map(|two| two[0]..two[1]).collect();
            let pieces = pieces(body.clone(), data.iter().cloned());
            let bytes: Vec<_> = pieces.iter().flat_map(|piece| piece.range.clone().map(|at| (at, piece.data))).collect();
            let expected: Vec<_> =
                body.map(|at| (at, data.iter().any(|range| range.contains(&at)))).collect();
            prop_assert_eq!(bytes, expected);
        }

        #[test]
        fn chunks_make_up_the_piece(start in 0u64..100, len in 0u64..100, size in 1u64..30) {
            let piece = Piece { range: start..start + len, data: true };
            let chunks: Vec<_> = piece.chunks(size).collect();
            prop_assert!(chunks.iter().all(|chunk| chunk.end - chunk.start <= size));
            prop_assert!(chunks.into_iter().flatten().eq(piece.range));
        }
    }
}
