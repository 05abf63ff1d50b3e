//! Keys for whoever builds and tests without keys of their own.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};

/// Where the keys lie, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevelopmentKeys {
    /// The keyring: the authority's certificate.
    pub authority: PathBuf,
    /// The authority's private key.
    pub authority_key: PathBuf,
    /// The signer's certificate.
    pub signer: PathBuf,
    /// The signer's private key.
    pub signer_key: PathBuf,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Keys are never replaced: bundles out there may need them.
    #[error("{0} is there already; use these keys, or remove them yourself")]
    Exists(PathBuf),
    /// The system refused.
    #[error("cannot write {path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The library failed.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

impl DevelopmentKeys {
    /// The names of the files in `dir`, whether or not they are there.
    pub fn at(dir: &Path) -> Self {
        Self {
            authority: dir.join("authority.cert.pem"),
            authority_key: dir.join("authority.key.pem"),
            signer: dir.join("signer.cert.pem"),
            signer_key: dir.join("signer.key.pem"),
        }
    }
}

/// Makes an authority and a signer it vouches for, with ECDSA keys on P-256, and writes them to `dir`, keys readable to
/// their owner only. The signer passes RAUC's `smimesign` as well as its `codesign`. Valid from 2025 to 2034, so that a
/// machine whose clock is behind by the age of the keys can still verify.
///
/// # Errors
/// When one of the files exists, and when writing fails.
pub fn development_keys(dir: &Path) -> Result<DevelopmentKeys, KeysError> {
    let keys = DevelopmentKeys::at(dir);
    for path in [&keys.authority, &keys.authority_key, &keys.signer, &keys.signer_key] {
        if path.symlink_metadata().is_ok() {
            return Err(KeysError::Exists(path.clone()));
        }
    }

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = params("Development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    let authority = Issuer::from_params(&params, &key);

    let (signer, signer_key) = signer(&authority)?;

    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| failed(dir, source))?;
    store(&keys.authority_key, &key.serialize_pem(), 0o600)?;
    store(&keys.authority, &certificate.pem(), 0o644)?;
    store(&keys.signer_key, &signer_key.serialize_pem(), 0o600)?;
    store(&keys.signer, &signer.pem(), 0o644)?;
    Ok(keys)
}

fn signer(authority: &Issuer<'_, &KeyPair>) -> Result<(Certificate, KeyPair), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = params("Development signer");
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::EmailProtection, ExtendedKeyUsagePurpose::CodeSigning];
    Ok((params.signed_by(&key, authority)?, key))
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2035, 1, 1);
    params
}

fn store(path: &Path, text: &str, mode: u32) -> Result<(), KeysError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> KeysError {
    KeysError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_for_their_owner_only_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let keys = development_keys(&dir.path().join("new/keys")).unwrap();
        for key in [&keys.authority_key, &keys.signer_key] {
            assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_file(&keys.authority).unwrap();
        let before = std::fs::read(&keys.signer_key).unwrap();
        let refused = development_keys(&dir.path().join("new/keys"));
        assert!(matches!(refused, Err(KeysError::Exists(path)) if path == keys.authority_key));
        assert_eq!(std::fs::read(&keys.signer_key).unwrap(), before);
    }
}
