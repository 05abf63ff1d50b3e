//! Copies that leave holes where the source has holes or zeros.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{IoContext, Result};

/// Unit in which zeros are left out.
const CHUNK: usize = 64 * 1024;
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// Writes the content of `from` into `to` at byte `offset`. The place must read as zeros before.
pub(crate) fn copy_into(from: &Path, to: &Path, offset: u64) -> Result<()> {
    let mut source = File::open(from).at("open", from)?;
    let target = File::options().write(true).open(to).at("open", to)?;
    let mut buffer = vec![0; CHUNK];
    let mut position = offset;
    loop {
        let mut filled = 0;
        while filled < CHUNK {
            match source.read(&mut buffer[filled..]).at("read", from)? {
                0 => break,
                n => filled += n,
            }
        }
        if filled == 0 {
            return Ok(());
        }
        // Slices are compared as a whole, byte by byte it would take seconds where xtask is not optimised.
        if buffer[..filled] != ZEROS[..filled] {
            target.write_all_at(&buffer[..filled], position).at("write", to)?;
        }
        position += filled as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn content_arrives_at_its_offset_and_zeros_take_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let mut content = vec![0u8; 3 * CHUNK + 100];
        content[CHUNK + 5] = 7;
        *content.last_mut().unwrap() = 9;
        std::fs::write(&from, &content).unwrap();
        File::create(&to).unwrap().set_len(1 << 20).unwrap();
        copy_into(&from, &to, 4096).unwrap();
        let result = std::fs::read(&to).unwrap();
        assert_eq!(result.len(), 1 << 20);
        assert_eq!(&result[4096..4096 + content.len()], content);
        assert!(to.metadata().unwrap().blocks() * 512 <= 3 * CHUNK as u64, "zeros were written out");
    }
}
