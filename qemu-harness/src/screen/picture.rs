//! A picture of a screen: from QEMU's PPM, to a small PNG.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use crate::{Error, Result};

/// A colour: red, green, blue.
pub type Rgb = [u8; 3];

/// What a monitor showed at one moment.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    pixels: Vec<Rgb>,
}

impl Picture {
    /// A picture of whole lines of `width` pixels each, from the top.
    pub fn new(width: usize, pixels: Vec<Rgb>) -> Result<Picture> {
        match width > 0 && !pixels.is_empty() && pixels.len().is_multiple_of(width) {
            true => Ok(Picture { width, pixels }),
            false => Err(Error::Asked(format!("{} pixels are no lines of {width} pixels", pixels.len()))),
        }
    }

    /// From PPM's binary form (`P6`) with 8 bits a colour, as QEMU's `screendump` writes it.
    pub fn from_ppm(ppm: &[u8]) -> Result<Picture> {
        parse_ppm(ppm)
            .ok_or_else(|| Error::Host("QEMU's screen dump is no P6 picture with 8 bits a colour".to_owned()))
    }

    /// Pixels from left to right.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> usize {
        self.pixels.len() / self.width
    }

    /// One pixel's colour.
    ///
    /// # Panics
    /// Outside of the picture.
    pub fn pixel(&self, x: usize, y: usize) -> Rgb {
        self.line(y)[x]
    }

    /// All pixels of a line.
    pub(super) fn line(&self, y: usize) -> &[Rgb] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// The colour of most pixels: on a screen of text what is behind it.
    pub(super) fn main_colour(&self) -> Rgb {
        let mut counts: BTreeMap<Rgb, usize> = BTreeMap::new();
        for run in self.pixels.chunk_by(|left, right| left == right) {
            *counts.entry(run[0]).or_default() += run.len();
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map_or([0; 3], |(colour, _)| colour)
    }

    /// Writes it as PNG. Equal pictures become equal files; with up to 256 colours, which a text has, the file is small.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let doing = || format!("write {}", path.display());
        let file = File::create(path).map_err(Error::io(doing()))?;
        self.encode(BufWriter::new(file)).map_err(|error| Error::io(doing())(std::io::Error::other(error)))
    }

    fn encode(&self, file: impl std::io::Write) -> Result<(), png::EncodingError> {
        let side = |pixels: usize| u32::try_from(pixels).map_err(|_| png::EncodingError::LimitsExceeded);
        let mut encoder = png::Encoder::new(file, side(self.width)?, side(self.height())?);
        encoder.set_compression(png::Compression::High);
        // In order of value: the same colours make the same palette.
        let colours: BTreeSet<Rgb> = self.pixels.iter().copied().collect();
        let palette: Vec<Rgb> = colours.into_iter().collect();
        let (depth, bits) = match palette.len() {
            0..=2 => (png::BitDepth::One, 1),
            3..=4 => (png::BitDepth::Two, 2),
            5..=16 => (png::BitDepth::Four, 4),
            17..=256 => (png::BitDepth::Eight, 8),
            _ => {
                encoder.set_color(png::ColorType::Rgb);
                return finish(encoder, self.pixels.as_flattened());
            }
        };
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(depth);
        encoder.set_palette(palette.as_flattened());
        // Neighbours of a number in a palette mean nothing to the filters that guess from them.
        encoder.set_filter(png::Filter::NoFilter);
        let data: Vec<u8> =
            self.pixels.chunks(self.width).flat_map(|line| packed(line, &palette, bits)).collect();
        finish(encoder, &data)
    }
}

fn finish(encoder: png::Encoder<impl std::io::Write>, data: &[u8]) -> Result<(), png::EncodingError> {
    let mut writer = encoder.write_header()?;
    writer.write_image_data(data)?;
    writer.finish()
}

/// A line as numbers of the palette, several in a byte, the first in the highest bits (PNG specification, 7.2).
fn packed(line: &[Rgb], palette: &[Rgb], bits: usize) -> Vec<u8> {
    let in_a_byte = 8 / bits;
    let byte = |pixels: &[Rgb]| {
        pixels.iter().enumerate().fold(0, |byte, (place, colour)| {
            let number = palette.binary_search(colour).unwrap_or_default().to_le_bytes()[0];
            byte | number << (8 - bits * (place + 1))
        })
    };
    line.chunks(in_a_byte).map(byte).collect()
}

/// "P6 WIDTH HEIGHT 255", one white space, and three bytes a pixel.
fn parse_ppm(ppm: &[u8]) -> Option<Picture> {
    let mut rest = ppm.strip_prefix(b"P6")?;
    let mut number = || {
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let digits = rest[start..].iter().position(|byte| !byte.is_ascii_digit())?;
        let text = std::str::from_utf8(&rest[start..start + digits]).ok()?;
        rest = &rest[start + digits..];
        text.parse::<usize>().ok()
    };
    let (width, height, most) = (number()?, number()?, number()?);
    let (pixels, odd) = rest.get(1..)?.as_chunks::<3>();
    (most == 255 && width > 0 && odd.is_empty() && width.checked_mul(height)? == pixels.len())
        .then(|| Picture::new(width, pixels.to_vec()).ok())?
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width(), self.height())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn png_of(picture: &Picture) -> Vec<u8> {
        let mut file = Vec::new();
        picture.encode(&mut file).unwrap();
        file
    }

    fn decoded(png: &[u8]) -> Picture {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        Picture::new(reader.info().width as usize, pixels.as_chunks::<3>().0.to_vec()).unwrap()
    }

    /// A picture with so many colours, in an order that is not theirs.
    fn colourful(width: usize, colours: u32) -> Picture {
        let colour = |number: u32| {
            let [a, b, c, _] = (number.wrapping_mul(40_503) % colours).to_le_bytes();
            [c, b, a]
        };
        Picture::new(width, (0..colours.max(6) * 7).map(colour).collect()).unwrap()
    }

    proptest! {
        #[test]
        fn any_picture_is_the_same_as_png(
            width in 1_usize..40,
            colours in prop::sample::select(vec![1_u32, 2, 3, 4, 5, 16, 17, 256, 257, 600]),
        ) {
            let mut picture = colourful(1, colours);
            picture.pixels.truncate((picture.pixels.len() / width).max(1) * width);
            picture.pixels.resize(picture.pixels.len().next_multiple_of(width), [1, 2, 3]);
            picture.width = width;
            prop_assert_eq!(decoded(&png_of(&picture)), picture);
        }
    }

    #[test]
    fn equal_pictures_are_equal_files_and_a_text_is_small() {
        let picture = Picture::new(720, vec![[0; 3]; 720 * 400]).unwrap();
        assert_eq!(png_of(&picture), png_of(&picture.clone()));
        assert!(png_of(&picture).len() < 400, "{}", png_of(&picture).len());
    }

    #[test]
    fn a_ppm_is_read_and_written_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("screen.png");
        let pixels: Vec<u8> = (0..2 * 3 * 3).collect();
        let picture = Picture::from_ppm(&[b"P6\n2 3\n255\n".as_slice(), &pixels].concat()).unwrap();
        assert_eq!((picture.width(), picture.height(), picture.pixel(1, 2)), (2, 3, [15, 16, 17]));
        picture.write_png(&path).unwrap();
        assert_eq!(decoded(&std::fs::read(path).unwrap()), picture);
        let said = picture.write_png(folder.path().join("no/such/folder.png")).unwrap_err().to_string();
        assert!(said.contains("no/such/folder.png"), "{said}");
    }

    #[test]
    fn something_else_is_refused() {
        for bad in [
            &b"P5\n1 1\n255\nx"[..],
            b"P6\n2 2\n255\nshort",
            b"P6\n1 1\n65535\n123456",
            b"P6\n0 0\n255\n",
            b"P6\n4294967296 4294967296\n255\n",
            b"",
        ] {
            assert_eq!(parse_ppm(bad), None);
        }
        assert!(Picture::new(2, vec![[0; 3]; 3]).is_err() && Picture::new(0, vec![]).is_err());
    }
}
