//! Where the bytes of a disk image lie, as qemu-img tells it, so that they can be read without copying or exporting.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::disk::Format;
use crate::process::Program;
use crate::{Error, Result};

/// A stretch of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) at: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Reads as zero.
    Zero,
    /// In the file so many steps down the backing chain, from this offset on.
    File { depth: usize, offset: u64 },
}

/// A disk as a list of extents that covers it from 0 to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map {
    /// The image and what lies below it.
    pub(super) files: Vec<PathBuf>,
    pub(super) extents: Vec<Extent>,
    /// The disk's true size in bytes.
    pub(super) size: u64,
}

/// `-U`: QEMU may run on a file above these, which it has open but does not write any more.
pub(super) fn map(image: &Path, format: Format) -> Result<Map> {
    let qemu_img = |verb: &[&str]| {
        let program = Program::new("qemu-img", "qemu-utils").args(verb);
        program.args(["-U", "--output=json", "-f", format.name()]).arg(image).run()
    };
    let (chain, extents) = (qemu_img(&["info", "--backing-chain"])?, qemu_img(&["map"])?);
    parse(&chain, &extents)
        .map_err(|why| Error::Host(format!("cannot use what qemu-img tells of {}: {why}", image.display())))
}

fn parse(chain: &str, extents: &str) -> Result<Map, String> {
    let list = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Array(list)) => Ok(list),
        _ => Err(format!("no list: {text}")),
    };
    let chain = list(chain)?;
    let files = chain
        .iter()
        .map(|image| image["filename"].as_str().map(PathBuf::from).ok_or("an image without file name"))
        .collect::<Result<Vec<_>, _>>()?;
    let size = chain.first().and_then(|image| image["virtual-size"].as_u64()).ok_or("no size")?;
    let mut end = 0;
    let mut parsed = Vec::new();
    for extent in list(extents)? {
        let number = |key: &str| extent[key].as_u64().ok_or(format!("no {key} in {extent}"));
        let (start, length) = (number("start")?, number("length")?);
        if start != end {
            return Err(format!("a gap from {end} to {start}"));
        }
        end = start + length;
        let at = if extent["zero"] == true || extent["data"] == false {
            Place::Zero
        } else {
            let depth = number("depth")? as usize;
            if extent["compressed"] == true || depth >= files.len() {
                return Err(format!(
                    "data that is not in a file as it is, which compressed images have: {extent}"
                ));
            }
            Place::File { depth, offset: number("offset")? }
        };
        parsed.push(Extent { start, length, at });
    }
    match end == size {
        true => Ok(Map { files, extents: parsed, size }),
        false => Err(format!("the map ends at {end}, the disk at {size}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &str =
        r#"[{"filename": "/a.qcow2", "virtual-size": 200192}, {"filename": "/b.raw", "virtual-size": 9}]"#;

    #[test]
    fn extents_point_into_the_chain() {
        let map = parse(
            CHAIN,
            r#"[{"start": 0, "length": 65536, "depth": 1, "present": true, "zero": false, "data": true, "offset": 4096},
                {"start": 65536, "length": 65536, "depth": 0, "zero": true, "data": false},
                {"start": 131072, "length": 69120, "depth": 0, "zero": false, "data": true, "offset": 327680}]"#,
        )
        .unwrap();
        assert_eq!(map.size, 200_192);
        assert_eq!(map.files, [PathBuf::from("/a.qcow2"), PathBuf::from("/b.raw")]);
        let at: Vec<Place> = map.extents.iter().map(|extent| extent.at).collect();
        let file = |depth, offset| Place::File { depth, offset };
        assert_eq!(at, [file(1, 4096), Place::Zero, file(0, 327_680)]);
    }

    #[test]
    fn what_would_be_read_wrongly_is_refused() {
        let said = |extents: &str| parse(CHAIN, extents).unwrap_err();
        assert!(said(r#"[{"start": 0, "length": 512, "zero": true}]"#).contains("ends at 512"));
        assert!(said(r#"[{"start": 512, "length": 512, "zero": true}]"#).contains("gap from 0 to 512"));
        let compressed = r#"[{"start": 0, "length": 200192, "depth": 0, "zero": false, "data": true, "compressed": true}]"#;
        assert!(said(compressed).contains("compressed"));
        let no_offset = r#"[{"start": 0, "length": 200192, "depth": 0, "zero": false, "data": true}]"#;
        assert!(said(no_offset).contains("no offset"));
    }
}
