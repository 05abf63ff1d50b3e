//! Pictures of the screen.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use serde_json::json;

use super::Vm;
use crate::{Error, Result};

impl Vm {
    /// Writes what the screen shows to `path`, as PNG.
    pub fn screenshot(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let absolute = std::path::absolute(path).map_err(Error::io(format!("find {}", path.display())))?;
        match self.qmp("screendump", json!({"filename": absolute, "format": "png"})) {
            // A QEMU built without libpng.
            Err(Error::Qmp { source, .. }) if source.class() == Some("GenericError") => {
                let ppm = self.folder.join("screen.ppm");
                self.qmp("screendump", json!({"filename": ppm}))?;
                let picture = fs::read(&ppm).map_err(Error::io(format!("read {}", ppm.display())))?;
                let _ = fs::remove_file(&ppm);
                write_png(&picture, path)
            }
            other => other.map(drop),
        }
    }
}

/// From QEMU's PPM: "P6 WIDTH HEIGHT 255", one white space, and three bytes a pixel.
fn write_png(ppm: &[u8], path: &Path) -> Result<()> {
    let refused = || Error::Host("QEMU's screen dump is no P6 picture with 8 bits a colour".to_owned());
    let (width, height, pixels) = parse_ppm(ppm).ok_or_else(refused)?;
    let doing = format!("write {}", path.display());
    let file = File::create(path).map_err(Error::io(doing.clone()))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    written.map_err(|error| Error::io(doing)(std::io::Error::other(error)))
}

fn parse_ppm(ppm: &[u8]) -> Option<(u32, u32, &[u8])> {
    let mut rest = ppm.strip_prefix(b"P6")?;
    let mut number = || {
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let digits = rest[start..].iter().position(|byte| !byte.is_ascii_digit())?;
        let text = std::str::from_utf8(&rest[start..start + digits]).ok()?;
        rest = &rest[start + digits..];
        text.parse::<u32>().ok()
    };
    let (width, height, most) = (number()?, number()?, number()?);
    let pixels = rest.get(1..)?;
    (most == 255 && pixels.len() as u64 == u64::from(width) * u64::from(height) * 3)
        .then_some((width, height, pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ppm_becomes_the_same_picture_as_png() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("screen.png");
        let pixels: Vec<u8> = (0..2 * 3 * 3).collect();
        write_png(&[b"P6\n2 3\n255\n".as_slice(), &pixels].concat(), &path).unwrap();
        let decoder = png::Decoder::new(std::io::BufReader::new(File::open(&path).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut decoded = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut decoded).unwrap();
        assert_eq!((reader.info().width, reader.info().height), (2, 3));
        assert_eq!(decoded, pixels);
    }

    #[test]
    fn something_else_is_refused() {
        for bad in [&b"P5\n1 1\n255\nx"[..], b"P6\n2 2\n255\nshort", b"P6\n1 1\n65535\n123456", b""] {
            assert_eq!(parse_ppm(bad), None);
        }
    }
}
