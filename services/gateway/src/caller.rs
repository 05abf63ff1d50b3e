//! Who is calling: taken from the verified client certificate, never from what a request says.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use rustls_pki_types::CertificateDer;
use understudy_wire::MachineId;

use crate::authority::key_id;
use crate::refusal::Refused;

/// A machine that has proved itself by its client certificate.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The certificate's common name.
    pub id: MachineId,
    /// [`key_id`] of the certificate's key.
    pub key: String,
    /// Where it calls from.
    pub address: IpAddr,
}

impl Machine {
    /// Reads a certificate that rustls has verified against the box's authority.
    pub fn from_verified(certificate: &CertificateDer<'_>, address: IpAddr) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let mut names = certificate.subject().iter_common_name();
        let id = names.next()?.as_str().ok()?.parse().ok()?;
        // Two names would leave it to the reader which one counts.
        names.next().is_none().then(|| Self { id, key: key_id(certificate.public_key().raw), address })
    }
}

impl<S: Sync> FromRequestParts<S> for Machine {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Refused::no_certificate)
    }
}
