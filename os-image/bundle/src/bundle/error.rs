//! Why a bundle is refused.

use std::io;
use std::path::PathBuf;

use crate::manifest::ManifestError;
use crate::signature::{MAX_SIGNATURE, SignatureError};
use crate::verity::VerityError;

/// Why a bundle is refused.
#[derive(Debug, thiserror::Error)]
#[error("bundle {path}: {problem}")]
pub struct BundleError {
    /// The bundle.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub problem: Box<Problem>,
}

/// What is wrong with a bundle.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The system refused.
    #[error("cannot read it: {0}")]
    Read(io::Error),
    /// Not even a length.
    #[error("{0} bytes are too few for a bundle; fetch it again")]
    TooShort(u64),
    /// The length is zero.
    #[error("it has no signature; sign it, or fetch it again")]
    NoSignature,
    /// The length points before the beginning.
    #[error(
        "its signature is said to have {length} bytes, of {before} there are; it was cut off or changed, \
         fetch it again"
    )]
    SignatureLength {
        /// From the last eight bytes.
        length: u64,
        /// Bytes before these.
        before: u64,
    },
    /// Longer than RAUC reads.
    #[error(
        "its signature is said to have {0} bytes, more than the {MAX_SIGNATURE} RAUC reads; it was cut off or \
         changed, fetch it again"
    )]
    SignatureTooLarge(u64),
    /// The signature is not accepted.
    #[error(transparent)]
    Signature(SignatureError),
    /// The signed manifest makes no sense, which is its maker's fault.
    #[error("its signature is good, but {0}; make it again")]
    Manifest(ManifestError),
    /// Parts are missing or too many.
    #[error(
        "squashfs and hash tree have {signed_size} bytes, which does not go with a tree of {tree_size} as signed; the \
         bundle was cut off or changed, fetch it again"
    )]
    TreeSize {
        /// Bytes before the signature.
        signed_size: u64,
        /// `verity-size` of the manifest.
        tree_size: u64,
    },
    /// The payload is not what was signed, or cannot be read.
    #[error(transparent)]
    Payload(VerityError),
    /// The payload is good and its copy could not be written.
    #[error("cannot write its payload to {path}: {source}")]
    Copy {
        /// The copy.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
