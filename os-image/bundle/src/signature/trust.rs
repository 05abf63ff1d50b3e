//! Verifying.

use std::fmt;
use std::path::Path;

use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::error::ErrorStack;
use openssl::stack::StackRef;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::X509VerifyParam;
use openssl::x509::{
    X509, X509ExtendedKeyUsage, X509KeyUsage, X509PurposeId, X509Ref, X509StoreContext, X509VerifyResult,
};
use openssl_sys::{
    X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_SIGNATURE_FAILURE,
    X509_V_ERR_INVALID_PURPOSE,
};

use super::credentials::{CredentialsError, certificates};
use super::signed_data::SignedData;
use super::{SignatureError, cms, name, reason};

/// Whom to trust and for what.
pub struct Trust {
    authorities: Vec<X509>,
    purpose: Purpose,
    time: Option<i64>,
}

/// What a signer's certificate must be good for (RAUC Reference Manual, "`[keyring]` Section", `check-purpose`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// `smimesign`, what RAUC asks for unless told otherwise: if the certificate has extended key usages, e-mail
    /// protection is among them; if it has key usages, digital signature or non-repudiation is.
    #[default]
    SmimeSign,
    /// `codesign`, RAUC's own: the certificate has the extended key usage code signing, so does every one above that
    /// has any, and digital signature is among its key usages if it has these.
    CodeSign,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SmimeSign => "signing messages (smimesign)",
            Self::CodeSign => "signing code (codesign)",
        })
    }
}

/// Content whose signature is good.
#[derive(Debug)]
pub struct Signed {
    /// What was signed.
    pub content: Vec<u8>,
    /// Subject of the signer's certificate, such as `O = Example, CN = Release`.
    pub signer: String,
}

impl Trust {
    /// Trusts the certificates in a PEM file and what they, or intermediates in the signature, have issued. They must
    /// be self-signed, as RAUC asks by default.
    ///
    /// # Errors
    /// When the file cannot be read, holds no certificate, or holds a revocation list, which is not checked.
    pub fn load(keyring: impl AsRef<Path>) -> Result<Self, CredentialsError> {
        Ok(Self { authorities: certificates(keyring.as_ref())?, purpose: Purpose::default(), time: None })
    }

    /// Asks for another purpose than [`Purpose::SmimeSign`].
    #[must_use]
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// Checks validity at this time, seconds since 1970 UTC, instead of now.
    #[must_use]
    pub fn at(mut self, time: i64) -> Self {
        self.time = Some(time);
        self
    }

    /// Checks a signature, DER, that encloses its content.
    ///
    /// # Errors
    /// Each reason to refuse is a variant of its own.
    pub fn verify(&self, der: &[u8]) -> Result<Signed, SignatureError> {
        let parts = SignedData::parse(der)?;
        let malformed = |errors: ErrorStack| SignatureError::Malformed(reason(&errors));
        let mut cms = CmsContentInfo::from_der(der).map_err(malformed)?;

        let mut content = Vec::new();
        let only_signature = CMSOptions::BINARY | CMSOptions::NO_SIGNER_CERT_VERIFY;
        cms.verify(None, None, None, Some(&mut content), only_signature)
            .map_err(|errors| SignatureError::Tampered(reason(&errors)))?;
        let signers = cms::signers(&cms);
        let [signer] = &signers[..] else {
            return Err(SignatureError::Malformed("it lacks its signer's certificate".into()));
        };
        parts.check(signer)?;
        if content != parts.content {
            return Err(SignatureError::Malformed("it can be read in two ways".into()));
        }

        let others = cms::certificates(&cms).map_err(SignatureError::Library)?;
        let outcome = self.check_chain(signer, &others).map_err(SignatureError::Library)?;
        let signer = name(signer.subject_name());
        match outcome {
            Outcome::Good => Ok(Signed { content, signer }),
            Outcome::Unusable(at) => {
                let subject = name(at.subject_name());
                Err(SignatureError::Purpose { signer, subject, purpose: self.purpose })
            }
            Outcome::Bad { result, at } => Err(self.refusal(signer, result, at.as_deref())),
        }
    }

    fn check_chain(&self, signer: &X509Ref, others: &StackRef<X509>) -> Result<Outcome, ErrorStack> {
        let store = self.store()?;
        X509StoreContext::new()?.init(&store, signer, others, |context| {
            if !context.verify_cert()? {
                let at = context.current_cert().map(ToOwned::to_owned);
                return Ok(Outcome::Bad { result: context.error(), at });
            }
            let chain = context.chain().ok_or_else(ErrorStack::get)?;
            let unusable = chain.iter().enumerate().find(|(depth, link)| !self.usable(*depth, link));
            Ok(unusable.map_or(Outcome::Good, |(_, link)| Outcome::Unusable(link.to_owned())))
        })
    }

    fn store(&self) -> Result<X509Store, ErrorStack> {
        let mut parameters = X509VerifyParam::new()?;
        // OpenSSL 3.0 has no purpose of that name, and later ones mean something stricter by it: see `usable`.
        parameters.set_purpose(match self.purpose {
            Purpose::SmimeSign => X509PurposeId::SMIME_SIGN,
            Purpose::CodeSign => X509PurposeId::ANY,
        })?;
        if let Some(time) = self.time {
            parameters.set_time(time);
        }
        let mut store = X509StoreBuilder::new()?;
        store.set_param(&parameters)?;
        self.authorities.iter().try_for_each(|authority| store.add_cert(authority.clone()))?;
        Ok(store.build())
    }

    /// RAUC's rule for code signing (`check_purpose_code_sign` in `src/signature.c`).
    fn usable(&self, depth: usize, certificate: &X509Ref) -> bool {
        if self.purpose != Purpose::CodeSign {
            return true;
        }
        let signs = certificate.key_usage().is_none_or(|u| u.contains(X509KeyUsage::DIGITAL_SIGNATURE));
        match certificate.extended_key_usage() {
            Some(usages) => usages.contains(X509ExtendedKeyUsage::CODE_SIGN) && (depth > 0 || signs),
            None => depth > 0,
        }
    }

    fn refusal(&self, signer: String, result: X509VerifyResult, at: Option<&X509Ref>) -> SignatureError {
        let reason = result.error_string().to_owned();
        let subject = at.map_or_else(|| signer.clone(), |at| name(at.subject_name()));
        match (result.as_raw(), at) {
            (X509_V_ERR_CERT_HAS_EXPIRED | X509_V_ERR_CERT_NOT_YET_VALID, Some(at)) => {
                let (not_before, not_after) = (at.not_before().to_string(), at.not_after().to_string());
                SignatureError::NotValidNow { signer, subject, not_before, not_after, reason }
            }
            (X509_V_ERR_INVALID_PURPOSE, _) => {
                SignatureError::Purpose { signer, subject, purpose: self.purpose }
            }
            (X509_V_ERR_CERT_SIGNATURE_FAILURE, _) => {
                SignatureError::Tampered(format!("certificate of \"{subject}\": {reason}"))
            }
            _ => SignatureError::NotTrusted { signer, reason },
        }
    }
}

enum Outcome {
    Good,
    /// Good but for our own rule.
    Unusable(X509),
    Bad {
        result: X509VerifyResult,
        at: Option<X509>,
    },
}
