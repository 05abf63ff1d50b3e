//! The box's own certificate authority. Agents learn it when they pair and trust nothing else; it signs their client
//! certificates and the gateway's server certificate.
//!
//! Certificates are valid from 1970 to 9999 (RFC 5280, 4.1.2.5, gives the latter as "no well-defined expiration"), because a
//! box or a machine with a dead clock battery must still be able to back up and to fail over. An agent is shut out by the
//! scheduler, which knows the keys of its machines, not by a date.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber,
    date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use understudy_wire::{BOX_NAME, MachineId};

/// One file for certificate and key, so that no crash leaves one without the other.
const FILE: &str = "authority.pem";

/// The authority, ready to sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate request whose signature is good. Only its public key is used; what else it asks for is ignored.
pub struct Request(CertificateSigningRequestParams);

impl Authority {
    /// Reads the authority, or makes it at the first start.
    pub fn load_or_create(state: &Path) -> anyhow::Result<Self> {
        let path = state.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).with_context(|| {
                format!(
                    "{} is damaged; restore it from a copy, or remove it and pair every agent again",
                    path.display()
                )
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let text = create()?;
                store(state, &text)
                    .with_context(|| format!("cannot store the new authority in {}", path.display()))?;
                tracing::info!("made the box's certificate authority");
                Self::parse(&text)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let (pem, key) = text.split_at(text.find("-----BEGIN PRIVATE KEY").context("no private key in it")?);
        let key = KeyPair::from_pem(key).context("its private key is malformed")?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).context("no certificate in it")?;
        let public =
            x509_parser::parse_x509_certificate(&certificate).context("its certificate is malformed")?.1;
        if public.public_key().raw != key.subject_public_key_info() {
            bail!("its key does not belong to its certificate");
        }
        Ok(Self { issuer: Issuer::from_ca_cert_der(&certificate, key)?, certificate, pem: pem.to_owned() })
    }

    /// The authority's certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a client certificate for a machine, PEM.
    pub fn sign(&self, request: &Request, machine: MachineId) -> anyhow::Result<String> {
        let mut params = params(&machine.to_string(), ExtendedKeyUsagePurpose::ClientAuth);
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(&request.0.public_key, &self.issuer).context("cannot sign")?.pem())
    }

    /// TLS 1.3 with a fresh server certificate; a client certificate is optional here, because a machine that pairs has none
    /// yet, but one that is shown must be ours.
    pub fn tls(&self) -> anyhow::Result<ServerConfig> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("cannot make the server's key")?;
        let mut params = params(BOX_NAME, ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names = vec![rcgen::SanType::DnsName(BOX_NAME.try_into()?)];
        params.use_authority_key_identifier_extension = true;
        let certificate =
            params.signed_by(&key, &self.issuer).context("cannot sign the server's certificate")?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).context("the authority's certificate is refused by rustls")?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone(), self.certificate.clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl Request {
    /// Reads a PEM certificate request and checks that its sender holds the key.
    pub fn parse(pem: &str) -> Result<Self, String> {
        let request = CertificateSigningRequestParams::from_pem(pem)
            .map_err(|error| format!("the certificate request cannot be used: {error}"))?;
        if *request.public_key.algorithm() != PKCS_ECDSA_P256_SHA256 {
            return Err("the certificate request has another kind of key than ECDSA P-256".into());
        }
        Ok(Self(request))
    }

    /// How the scheduler knows the key, see [`key_id`].
    pub fn key_id(&self) -> String {
        key_id(&self.0.public_key.subject_public_key_info())
    }
}

/// SHA-256 of a SubjectPublicKeyInfo (DER), hexadecimal.
pub fn key_id(subject_public_key_info: &[u8]) -> String {
    Sha256::digest(subject_public_key_info).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn params(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
    params.serial_number = Some(SerialNumber::from_slice(&serial()));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params
}

/// 127 random bits: positive, at most 20 octets (RFC 5280, 4.1.2.2).
fn serial() -> [u8; 16] {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).expect("the kernel's random source answers once the system has booted");
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

/// A new authority, PEM: certificate, then key.
fn create() -> anyhow::Result<String> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("cannot make the authority's key")?;
    // A name of its own for each box: whoever holds certificates of two boxes can tell them apart.
    let name = format!("Understudy {}", MachineId::new());
    let mut params = params(&name, ExtendedKeyUsagePurpose::ClientAuth);
    params.extended_key_usages.clear();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).context("cannot make the authority's certificate")?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Writes beside the file, then renames: a crash leaves the whole file or none.
fn store(state: &Path, text: &str) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let temporary = state.join(format!("{FILE}.new"));
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, state.join(FILE))?;
    File::open(state)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn request() -> (KeyPair, Request) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut wanted = CertificateParams::new(vec![BOX_NAME.to_owned()]).unwrap();
        wanted.distinguished_name.push(DnType::CommonName, "somebody else");
        let pem = wanted.serialize_request(&key).unwrap().pem().unwrap();
        (key, Request::parse(&pem).unwrap())
    }

    #[test]
    fn the_authority_outlives_a_restart_and_nobody_else_reads_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("gateway");
        let first = Authority::load_or_create(&state).unwrap().pem;
        assert_eq!(Authority::load_or_create(&state).unwrap().pem, first);
        assert!(!first.contains("PRIVATE KEY"), "the key must not travel with the certificate");
        assert_eq!(std::fs::metadata(state.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_half_written_first_start_is_repeated() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("authority.pem.new"), "half").unwrap();
        Authority::load_or_create(dir.path()).unwrap();
    }

    #[test]
    fn a_damaged_authority_is_not_replaced_in_silence() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "rubbish").unwrap();
        let error = Authority::load_or_create(dir.path()).err().unwrap().to_string();
        assert!(error.contains("pair every agent again"), "{error}");
        assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).unwrap(), "rubbish");
    }

    #[test]
    fn a_certificate_carries_the_machine_and_the_requests_key_and_nothing_else_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(dir.path()).unwrap();
        let (key, request) = request();
        let machine = MachineId::new();
        let pem = authority.sign(&request, machine).unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let certificate = x509_parser::parse_x509_certificate(&der).unwrap().1;
        assert_eq!(certificate.subject().to_string(), format!("CN={machine}"));
        assert_eq!(certificate.public_key().raw, key.subject_public_key_info());
        assert_eq!(key_id(certificate.public_key().raw), request.key_id());
        assert!(certificate.subject_alternative_name().unwrap().is_none());
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
        assert_eq!(certificate.validity().not_before.timestamp(), 0);
        assert!(certificate.validity().not_after.to_datetime().year() == 9999);
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let der = CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
        let mut forged = der.clone();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        let pem = |der: &[u8]| {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
        };
        assert!(Request::parse(&pem(&der)).is_ok());
        assert!(Request::parse(&pem(&forged)).is_err());
        assert!(Request::parse("").is_err());
    }
}
