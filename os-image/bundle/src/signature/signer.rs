//! Signing.

use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::X509;

use super::credentials::{CredentialsError, certificates, private_key};
use super::{MAX_SIGNATURE, cms, reason};

/// Who signs.
pub struct Signer {
    certificate: X509,
    /// Between the certificate and a trusted one; carried in the signature.
    intermediates: Stack<X509>,
    key: PKey<Private>,
    certificate_path: PathBuf,
    time: Option<i64>,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The library failed.
    #[error("cannot sign with {certificate}: {problem}")]
    Library {
        /// File of the signer's certificate.
        certificate: PathBuf,
        /// In OpenSSL's words.
        problem: String,
    },
    /// RAUC would refuse the bundle.
    #[error(
        "the signature has {size} bytes, RAUC reads at most {MAX_SIGNATURE}; shorten the manifest or the chain of \
         certificates in {certificate}"
    )]
    TooLarge {
        /// File of the signer's certificate.
        certificate: PathBuf,
        /// Bytes.
        size: u64,
    },
}

impl Signer {
    /// Reads a certificate and its private key, both PEM. Further certificates in the file of the first are its
    /// intermediates, and become part of the signature.
    ///
    /// # Errors
    /// When a file cannot be read, does not hold what it should, or the key is not the certificate's.
    pub fn load(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, CredentialsError> {
        let (certificate_path, key_path) = (certificate.as_ref(), key.as_ref());
        let mut chain = certificates(certificate_path)?;
        let key = private_key(key_path)?;
        let certificate = chain.remove(0);
        if !certificate.public_key().is_ok_and(|public| public.public_eq(&key)) {
            let problem = format!("its first certificate is not that of the key in {}", key_path.display());
            return Err(CredentialsError::content(certificate_path, problem));
        }
        let intermediates =
            stack(chain).map_err(|errors| CredentialsError::content(certificate_path, reason(&errors)))?;
        let certificate_path = certificate_path.to_owned();
        Ok(Self { certificate, intermediates, key, certificate_path, time: None })
    }

    /// Writes this signing time, seconds since 1970 UTC, instead of the current one. With a key whose signatures have
    /// no random part (RSA, not ECDSA) the same content then gets the same signature.
    #[must_use]
    pub fn at(mut self, time: i64) -> Self {
        self.time = Some(time);
        self
    }

    /// The signature over and around `content`, DER.
    ///
    /// # Errors
    /// When OpenSSL fails, and when the signature is longer than RAUC reads.
    pub fn sign(&self, content: &[u8]) -> Result<Vec<u8>, SignError> {
        let certificate = || self.certificate_path.clone();
        let bounded = |size: usize| match size as u64 {
            ..=MAX_SIGNATURE => Ok(()),
            size => Err(SignError::TooLarge { certificate: certificate(), size }),
        };
        bounded(content.len())?;
        let der = self
            .try_sign(content)
            .map_err(|errors| SignError::Library { certificate: certificate(), problem: reason(&errors) })?;
        bounded(der.len())?;
        Ok(der)
    }

    fn try_sign(&self, content: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let time = match self.time {
            Some(time) => Asn1Time::from_unix(time)?,
            None => Asn1Time::days_from_now(0)?,
        };
        cms::sign(&self.certificate, &self.key, &self.intermediates, content, &time)?.to_der()
    }
}

fn stack(certificates: Vec<X509>) -> Result<Stack<X509>, ErrorStack> {
    let mut stack = Stack::new()?;
    certificates.into_iter().try_for_each(|certificate| stack.push(certificate))?;
    Ok(stack)
}
