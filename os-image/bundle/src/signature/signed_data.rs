//! The one shape of SignedData that RAUC and OpenSSL write (RFC 5652, sections 3 and 5).
//!
//! A signature does not cover all of the structure around it: versions, the names of algorithms, the type of the
//! content. OpenSSL overlooks much of that. Here every byte is either fixed, or equal to another that is signed, so that
//! none can be changed unnoticed but in a certificate nobody needs. OpenSSL remains the judge of the signature; this
//! only narrows what it may accept.

use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::sign::Verifier;
use openssl::x509::X509Ref;

use super::SignatureError;
use super::der::{CONTEXT_0, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, SET};

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// As it is encoded.
const NULL: &[u8] = &[5, 0];

/// SHA-2 by its object identifier (RFC 5754, section 2), and ECDSA with it (section 3.3).
struct Hash {
    oid: &'static [u8],
    ecdsa: &'static [u8],
    digest: fn() -> MessageDigest,
}

const HASHES: [Hash; 3] = [
    Hash {
        oid: &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1],
        ecdsa: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        digest: MessageDigest::sha256,
    },
    Hash {
        oid: &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2],
        ecdsa: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
        digest: MessageDigest::sha384,
    },
    Hash {
        oid: &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3],
        ecdsa: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
        digest: MessageDigest::sha512,
    },
];

/// The parts of a SignedData with one signer and enclosed content.
pub(super) struct SignedData<'a> {
    pub content: &'a [u8],
    hash: &'static Hash,
    /// Issuer and serial number of the signer's certificate, as they are encoded.
    signer: [&'a [u8]; 2],
    /// With tag and length.
    attributes: &'a [u8],
    /// Of the signature: its name, and its parameter as it is encoded.
    algorithm: [&'a [u8]; 2],
    signature: &'a [u8],
}

impl<'a> SignedData<'a> {
    /// Takes it apart.
    pub fn parse(der: &'a [u8]) -> Result<Self, SignatureError> {
        let malformed = |what: &str| SignatureError::Malformed(what.into());
        let mut outside = Reader(der);
        let mut info = outside.inside(SEQUENCE).ok_or_else(|| malformed("it is no CMS"))?;
        outside.end().ok_or_else(|| malformed("bytes follow the CMS"))?;
        match info.value(OID) {
            Some(SIGNED_DATA) => {}
            Some(ENVELOPED_DATA) => return Err(SignatureError::Format("crypt")),
            _ => return Err(malformed("it is no signed CMS")),
        }
        let head = Head::parse(info).ok_or_else(|| malformed("its CMS has an unusual form"))?;
        let content = head.content.ok_or(SignatureError::Format("plain"))?;
        let unusual = "its CMS has an unusual form, or is not signed over SHA-2";
        Self::of_signer(content, head.hash_name, head.signers).ok_or_else(|| malformed(unusual))
    }

    /// RFC 5652, section 5.3.
    fn of_signer(content: &'a [u8], hash_name: &[u8], mut signers: Reader<'a>) -> Option<Self> {
        let mut info = signers.inside(SEQUENCE)?;
        signers.end()?;
        (info.value(INTEGER)? == [1]).then_some(())?;
        let mut id = info.inside(SEQUENCE)?;
        let signer = [id.whole(SEQUENCE)?, id.whole(INTEGER)?];
        id.end()?;
        let named_again = info.value(SEQUENCE)?;
        let attributes = info.whole(CONTEXT_0)?;
        let mut algorithm = info.inside(SEQUENCE)?;
        let algorithm = [algorithm.value(OID)?, algorithm.0];
        let signature = info.value(OCTET_STRING)?;
        info.end()?;

        // The parameter is left out or null (RFC 5754, section 2), in both places alike.
        let mut name = Reader(hash_name);
        let oid = name.value(OID)?;
        (named_again == hash_name && (name.0.is_empty() || name.0 == NULL)).then_some(())?;
        let hash = HASHES.iter().find(|hash| hash.oid == oid)?;
        Some(Self { content, hash, signer, attributes, algorithm, signature })
    }

    /// The parts that no signature covers must be as the signer's `certificate` says, and its key must have signed the
    /// very bytes here.
    pub fn check(&self, certificate: &X509Ref) -> Result<(), SignatureError> {
        let key = certificate.public_key().map_err(SignatureError::Library)?;
        let algorithm = match key.id() {
            // RFC 3370, section 3.2.
            Id::RSA => [RSA, NULL],
            // RFC 5754, section 3.3.
            Id::EC => [self.hash.ecdsa, &[]],
            _ => return Err(SignatureError::Malformed("its signer's key is neither RSA nor ECDSA".into())),
        };
        let same = self.algorithm == algorithm && self.is_signer(certificate) && self.is_signed_with(&key);
        same.then_some(())
            .ok_or_else(|| SignatureError::Tampered("its signer or algorithm was renamed".into()))
    }

    /// Issuer and serial number are compared as they are encoded in the certificate (RFC 5280, section 4.1).
    fn is_signer(&self, certificate: &X509Ref) -> bool {
        let of = |certificate: &[u8]| {
            let mut fields = Reader(certificate).inside(SEQUENCE)?.inside(SEQUENCE)?;
            let _version = fields.whole(CONTEXT_0);
            let serial = fields.whole(INTEGER)?;
            let _signed_with = fields.whole(SEQUENCE)?;
            Some(self.signer == [fields.whole(SEQUENCE)?, serial])
        };
        certificate.to_der().ok().and_then(|certificate| of(&certificate)) == Some(true)
    }

    /// RFC 5652, section 5.4: the attributes are signed as a SET, though they are written as `[0]`.
    fn is_signed_with(&self, key: &PKeyRef<Public>) -> bool {
        let verify = || {
            let mut verifier = Verifier::new((self.hash.digest)(), key)?;
            verifier.update(&[SET])?;
            verifier.update(&self.attributes[1..])?;
            verifier.verify(self.signature)
        };
        verify().unwrap_or(false)
    }
}

/// RFC 5652, section 5.1.
struct Head<'a> {
    hash_name: &'a [u8],
    /// Not there in a detached signature.
    content: Option<&'a [u8]>,
    signers: Reader<'a>,
}

impl<'a> Head<'a> {
    fn parse(mut info: Reader<'a>) -> Option<Self> {
        let mut explicit = info.inside(CONTEXT_0)?;
        info.end()?;
        let mut data = explicit.inside(SEQUENCE)?;
        explicit.end()?;

        (data.value(INTEGER)? == [1]).then_some(())?;
        let mut hashes = data.inside(SET)?;
        let hash_name = hashes.value(SEQUENCE)?;
        hashes.end()?;
        let mut enclosed = data.inside(SEQUENCE)?;
        (enclosed.value(OID)? == DATA).then_some(())?;
        let content = match enclosed.inside(CONTEXT_0) {
            Some(mut explicit) => {
                let content = explicit.value(OCTET_STRING)?;
                explicit.end()?;
                Some(content)
            }
            None => None,
        };
        enclosed.end()?;
        data.inside(CONTEXT_0)?; // the certificates, which have signatures of their own
        let signers = data.inside(SET)?;
        data.end()?;
        Some(Self { hash_name, content, signers })
    }
}
