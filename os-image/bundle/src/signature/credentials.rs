//! Certificates and keys from PEM files.

use std::path::{Path, PathBuf};

use openssl::pkey::{Id, PKey, Private};
use openssl::x509::X509;

use super::reason;

/// Why a certificate or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The system refused.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The content is not what it should be.
    #[error("{path} cannot be used: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl CredentialsError {
    pub(super) fn content(path: &Path, problem: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), problem: problem.into() }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    std::fs::read(path).map_err(|source| CredentialsError::Read { path: path.to_owned(), source })
}

/// One certificate or more.
pub(super) fn certificates(path: &Path) -> Result<Vec<X509>, CredentialsError> {
    let pem = read(path)?;
    // Whoever puts one there counts on it, and a revoked key would pass unseen.
    if pem.windows(24).any(|text| text == b"-----BEGIN X509 CRL-----") {
        return Err(CredentialsError::content(
            path,
            "it holds a revocation list, and these are not checked; take it out",
        ));
    }
    match X509::stack_from_pem(&pem) {
        Ok(certificates) if certificates.is_empty() => {
            Err(CredentialsError::content(path, "it holds no certificate in PEM form"))
        }
        Ok(certificates) => Ok(certificates),
        Err(errors) => {
            Err(CredentialsError::content(path, format!("a certificate is malformed ({})", reason(&errors))))
        }
    }
}

/// An RSA or ECDSA key without a passphrase: nobody is there to type one.
pub(super) fn private_key(path: &Path) -> Result<PKey<Private>, CredentialsError> {
    let pem = read(path)?;
    let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0)).map_err(|errors| {
        let why = reason(&errors);
        CredentialsError::content(
            path,
            format!("it holds no private key in PEM form without a passphrase ({why})"),
        )
    })?;
    if !matches!(key.id(), Id::RSA | Id::EC) {
        return Err(CredentialsError::content(path, "its key is neither RSA nor ECDSA; make one of these"));
    }
    Ok(key)
}
