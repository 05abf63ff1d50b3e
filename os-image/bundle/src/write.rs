//! Writes a bundle.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::manifest::{ManifestError, TreeKeys};
use crate::output::{create_beside, publish};
use crate::section::Section;
use crate::signature::SignError;
use crate::verity::{Verity, VerityError, build, tree_size};
use crate::{BLOCK, Manifest, Salt, Signer};

/// First bytes of a squashfs (kernel, `Documentation/filesystems/squashfs.rst`; `SQUASHFS_MAGIC`).
const SQUASHFS_MAGIC: &[u8; 4] = b"hsqs";

/// Why a bundle was not written. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refused.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The payload is something else.
    #[error("{0} is not a squashfs; make the payload with mksquashfs")]
    NotSquashfs(PathBuf),
    /// RAUC's format has no room for a tree over a single block.
    #[error("{path} has {size} bytes, a verity bundle needs more than {BLOCK}; add the images")]
    TooSmall {
        /// The squashfs.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// The tree could not be made.
    #[error("cannot hash the payload for {path}: {source}")]
    Tree {
        /// The bundle.
        path: PathBuf,
        /// Why.
        source: VerityError,
    },
    /// The manifest would not be read back.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No signature.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Makes a bundle of a squashfs and returns what authenticates its payload.
///
/// The squashfs holds the images `manifest` names, their adaptive indexes, and [`Manifest::to_text`] as
/// `manifest.raucm`; this is not checked here, nor is whether anybody trusts the signer. It is padded with zeros to
/// whole blocks. The same squashfs and salt give the same payload and tree; without a salt one is derived from the squashfs,
/// so that the squashfs alone decides them. The signature differs each time unless the signer's time is given and its
/// key signs without a random part.
///
/// # Errors
/// [`WriteError`]; `output` is then as it was before.
pub fn write(
    squashfs: &Path,
    manifest: &Manifest,
    signer: &Signer,
    salt: Option<Salt>,
    output: &Path,
) -> Result<Verity, WriteError> {
    let write_error = |source| WriteError::File { action: "write", path: output.to_owned(), source };
    let temporary = create_beside(output).map_err(write_error)?;
    let file = temporary.as_file();

    let copied = copy(squashfs, file, output)?;
    let data_size = copied.size.next_multiple_of(BLOCK as u64);
    if data_size <= BLOCK as u64 {
        return Err(WriteError::TooSmall { path: squashfs.to_owned(), size: copied.size });
    }
    let tree_error = |source| WriteError::Tree { path: output.to_owned(), source };
    let tree_size = tree_size(data_size).map_err(tree_error)?;
    let signed_size = data_size + tree_size;
    // Growing the file pads the squashfs with zeros.
    file.set_len(signed_size).map_err(write_error)?;

    let salt = salt.unwrap_or(copied.salt);
    let mut data = BufReader::with_capacity(256 * BLOCK, Section::new(file, 0..data_size));
    let mut tree = Section::new(file, data_size..signed_size);
    let root = build(&mut data, data_size, &salt, &mut tree).map_err(tree_error)?;

    let signature = signer.sign(manifest.to_signed_text(&TreeKeys { root, salt, tree_size })?.as_bytes())?;
    let length = (signature.len() as u64).to_be_bytes();
    let mut end = Section::new(file, signed_size..u64::MAX);
    end.write_all(&signature).and_then(|()| end.write_all(&length)).map_err(write_error)?;
    publish(temporary, output).map_err(write_error)?;
    Ok(Verity { root, salt, data_size })
}

struct Copied {
    size: u64,
    salt: Salt,
}

/// Copies the squashfs and derives the salt from it.
fn copy(squashfs: &Path, mut to: &File, output: &Path) -> Result<Copied, WriteError> {
    let read_error = |source| WriteError::File { action: "read", path: squashfs.to_owned(), source };
    let mut from = File::open(squashfs).map_err(read_error)?;
    let mut hasher = Sha256::new_with_prefix("salt of a verity bundle over ");
    let mut buffer = vec![0; 256 * BLOCK];
    let mut size = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(error)),
        };
        if size == 0 && !buffer[..read].starts_with(SQUASHFS_MAGIC) {
            return Err(WriteError::NotSquashfs(squashfs.to_owned()));
        }
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read]).map_err(|source| WriteError::File {
            action: "write",
            path: output.to_owned(),
            source,
        })?;
        size += read as u64;
    }
    Ok(Copied { size, salt: Salt(hasher.finalize().into()) })
}
