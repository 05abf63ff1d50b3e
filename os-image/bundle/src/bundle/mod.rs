//! Reads a bundle: first where its parts lie, then whether its signature is good, then its payload.

mod error;
mod layout;

pub use error::{BundleError, Problem};
pub use layout::Layout;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::manifest::ManifestError;
use crate::output::{create_beside, publish};
use crate::section::Section;
use crate::verity::{self, Verity, VerityError, tree_size};
use crate::{BLOCK, Manifest, Trust};

/// An open bundle of which nothing is trusted yet.
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    file: File,
    layout: Layout,
}

/// A bundle whose signature is good. Its payload is as good as [`Verified::check_payload`] says.
#[derive(Debug)]
pub struct Verified<'b> {
    /// What was signed.
    pub manifest: Manifest,
    /// Subject of the signer's certificate, such as `O = Example, CN = Release`.
    pub signer: String,
    /// What authenticates the payload, and its size.
    pub verity: Verity,
    /// Bytes of the hash tree behind the payload.
    pub tree_size: u64,
    bundle: &'b Bundle,
}

impl Bundle {
    /// Opens a bundle and finds its parts.
    ///
    /// # Errors
    /// When it cannot be read, and when it is too short for its parts.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BundleError> {
        let path = path.as_ref().to_owned();
        let opened =
            File::open(&path).map_err(Problem::Read).and_then(|file| Ok((Layout::read(&file)?, file)));
        match opened {
            Ok((layout, file)) => Ok(Self { path, file, layout }),
            Err(problem) => Err(BundleError { path, problem: Box::new(problem) }),
        }
    }

    /// Where the parts lie; not yet trusted.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Checks the signature, and that the manifest in it goes with the sizes of the parts.
    ///
    /// # Errors
    /// When anybody but a trusted signer made the manifest, or it does not fit the file.
    pub fn verify(&self, trust: &Trust) -> Result<Verified<'_>, BundleError> {
        self.try_verify(trust).map_err(|problem| self.error(problem))
    }

    fn try_verify(&self, trust: &Trust) -> Result<Verified<'_>, Problem> {
        let Layout { signed_size, signature_size } = self.layout;
        // At most 64 KiB, as `Layout::read` saw to.
        let mut signature = vec![0; signature_size as usize];
        self.file.read_exact_at(&mut signature, signed_size).map_err(Problem::Read)?;
        let signed = trust.verify(&signature).map_err(Problem::Signature)?;
        let text = String::from_utf8(signed.content)
            .map_err(|_| Problem::Manifest(ManifestError::Syntax { line: 1, problem: "not UTF-8" }))?;
        let (manifest, tree) = Manifest::parse_signed(&text).map_err(Problem::Manifest)?;

        let wrong = Problem::TreeSize { signed_size, tree_size: tree.tree_size };
        let Some(data_size) = signed_size.checked_sub(tree.tree_size) else { return Err(wrong) };
        if tree_size(data_size).ok() != Some(tree.tree_size) {
            return Err(wrong);
        }
        let verity = Verity { root: tree.root, salt: tree.salt, data_size };
        Ok(Verified { manifest, signer: signed.signer, verity, tree_size: tree.tree_size, bundle: self })
    }

    fn error(&self, problem: Problem) -> BundleError {
        BundleError { path: self.path.clone(), problem: Box::new(problem) }
    }
}

impl Verified<'_> {
    /// Checks every byte of the payload and its tree.
    ///
    /// # Errors
    /// [`Problem::Payload`] names the first bad block.
    pub fn check_payload(&self) -> Result<(), BundleError> {
        self.copy_payload(&mut io::sink()).map_err(|source| self.bundle.error(Problem::Payload(source)))
    }

    /// Writes the payload, the squashfs, to `path`, which appears only when every byte is known to be good. The bytes
    /// written are the bytes checked, whatever happens to the bundle meanwhile.
    ///
    /// # Errors
    /// Like [`Verified::check_payload`], and when `path` cannot be written.
    pub fn payload_to(&self, path: &Path) -> Result<(), BundleError> {
        let copy_error = |source| self.bundle.error(Problem::Copy { path: path.to_owned(), source });
        let temporary = create_beside(path).map_err(copy_error)?;
        let mut out = BufWriter::with_capacity(256 * BLOCK, temporary.as_file());
        self.copy_payload(&mut out).map_err(|error| match error {
            VerityError::Write { source, .. } => copy_error(source),
            other => self.bundle.error(Problem::Payload(other)),
        })?;
        out.flush().map_err(copy_error)?;
        drop(out);
        publish(temporary, path).map_err(copy_error)
    }

    fn copy_payload(&self, out: &mut impl Write) -> Result<(), VerityError> {
        let data_size = self.verity.data_size;
        let file = &self.bundle.file;
        let mut data = BufReader::with_capacity(256 * BLOCK, Section::new(file, 0..data_size));
        let mut tree = Section::new(file, data_size..data_size + self.tree_size);
        verity::copy_verified(&self.verity, &mut data, &mut tree, out)
    }
}
