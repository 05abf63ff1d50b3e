//! What is in a folder, file by file.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{IoContext, Result};

/// Every entry below `top` by its path, with its type and a hash of its content. A file stands alone, under an empty path.
pub(super) fn of(top: &Path) -> Result<BTreeMap<String, String>> {
    let mut listing = BTreeMap::new();
    add(&mut listing, top, top)?;
    Ok(listing)
}

fn add(listing: &mut BTreeMap<String, String>, top: &Path, path: &Path) -> Result<()> {
    let meta = path.symlink_metadata().at("read", path)?;
    let entry = if meta.is_symlink() {
        format!("link {}", text(&path.read_link().at("read", path)?))
    } else if meta.is_dir() {
        for child in super::sorted_children(path)? {
            add(listing, top, &child)?;
        }
        "folder".into()
    } else {
        let kind = if meta.permissions().mode() & 0o111 != 0 { "program" } else { "file" };
        let mut hasher = blake3::Hasher::new();
        let file = std::fs::File::open(path).at("read", path)?;
        hasher.update_reader(file).at("read", path)?;
        format!("{kind} {}", hasher.finalize().to_hex())
    };
    listing.insert(text(path.strip_prefix(top).unwrap_or(path)), entry);
    Ok(())
}

/// A path as text; one that is no text keeps its bytes, escaped, so that two different ones never look the same.
fn text(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => path.as_os_str().as_encoded_bytes().escape_ascii().to_string(),
    }
}
