//! Signatures: CMS SignedData, DER, which encloses what it signs (RFC 5652, section 5; RAUC Reference Manual,
//! "verity Format").
//!
//! Nothing is decided before two questions are answered one after the other: is the content what the certificate's key
//! signed, and does that certificate lead to one that is trusted, today and for this purpose. That is how an error can
//! say which of the two failed.

mod cms;
mod credentials;
mod der;
mod signed_data;
mod signer;
mod trust;

pub use credentials::CredentialsError;
pub use signer::{SignError, Signer};
pub use trust::{Purpose, Signed, Trust};

use openssl::error::ErrorStack;
use openssl::x509::X509NameRef;

/// Bytes a signature may have: RAUC refuses a bundle with more (`MAX_BUNDLE_SIGNATURE_SIZE`).
pub const MAX_SIGNATURE: u64 = 64 * 1024;

/// Why a signature is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The signature of a bundle of another format.
    #[error(
        "this is a bundle of the format `{0}`, only `verity` is supported; make it again with `format=verity`"
    )]
    Format(&'static str),
    /// Not what RAUC or this crate writes.
    #[error("not a signature of a verity bundle: {0}; the bundle is damaged or was never signed")]
    Malformed(String),
    /// Content or signature was changed after signing.
    #[error(
        "the signature does not fit what it signs ({0}): the bundle was changed after it was signed; fetch it again"
    )]
    Tampered(String),
    /// Nobody trusted signed it.
    #[error(
        "signed by \"{signer}\", whom no certificate in the keyring vouches for ({reason}); sign with a trusted key, or \
         give the keyring of its maker"
    )]
    NotTrusted {
        /// Subject of the signer's certificate.
        signer: String,
        /// In OpenSSL's words.
        reason: String,
    },
    /// A certificate is used outside its time.
    #[error(
        "signed by \"{signer}\", but the certificate of \"{subject}\" is valid from {not_before} to {not_after} only \
         ({reason}); check the clock, or sign with a current certificate"
    )]
    NotValidNow {
        /// Subject of the signer's certificate.
        signer: String,
        /// Subject of the certificate at fault: the signer's, or one above it.
        subject: String,
        /// UTC.
        not_before: String,
        /// UTC.
        not_after: String,
        /// In OpenSSL's words: expired, or not yet valid.
        reason: String,
    },
    /// A certificate was issued for something else.
    #[error(
        "signed by \"{signer}\", but the certificate of \"{subject}\" is not for {purpose}; sign with one whose key \
         usages allow it"
    )]
    Purpose {
        /// Subject of the signer's certificate.
        signer: String,
        /// Subject of the certificate at fault.
        subject: String,
        /// What was asked for.
        purpose: Purpose,
    },
    /// The library failed, which says nothing of the signature.
    #[error("OpenSSL failed: {0}")]
    Library(ErrorStack),
}

/// OpenSSL's last word on a failure, without its codes and source files.
fn reason(errors: &ErrorStack) -> String {
    let Some(last) = errors.errors().last() else { return "no reason given".into() };
    let reason = last.reason().unwrap_or("unknown");
    last.data().filter(|data| !data.is_empty()).map_or(reason.into(), |data| format!("{reason}: {data}"))
}

/// Such as `O = Example, CN = Release`.
fn name(name: &X509NameRef) -> String {
    let part = |entry: &openssl::x509::X509NameEntryRef| {
        let kind = entry.object().nid().short_name().unwrap_or("?").to_owned();
        let value = entry.data().to_string().unwrap_or_else(|_| "?".into());
        format!("{kind} = {value}")
    };
    name.entries().map(part).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
