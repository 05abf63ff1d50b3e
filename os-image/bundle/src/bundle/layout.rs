//! Where the parts of a bundle lie.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::Problem;
use crate::signature::MAX_SIGNATURE;

/// Bytes of the length at the end.
const LENGTH: u64 = 8;

/// Where the parts of a bundle lie, as its last eight bytes have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of squashfs and hash tree; the signature begins here.
    pub signed_size: u64,
    /// Bytes of the signature.
    pub signature_size: u64,
}

impl Layout {
    pub(super) fn read(file: &File) -> Result<Self, Problem> {
        let size = file.metadata().map_err(Problem::Read)?.len();
        let before = size.checked_sub(LENGTH).ok_or(Problem::TooShort(size))?;
        let mut length = [0; LENGTH as usize];
        file.read_exact_at(&mut length, before).map_err(Problem::Read)?;
        let length = u64::from_be_bytes(length);
        if length == 0 {
            return Err(Problem::NoSignature);
        }
        let signed_size = before.checked_sub(length).ok_or(Problem::SignatureLength { length, before })?;
        if length > MAX_SIGNATURE {
            return Err(Problem::SignatureTooLarge(length));
        }
        Ok(Self { signed_size, signature_size: length })
    }
}
