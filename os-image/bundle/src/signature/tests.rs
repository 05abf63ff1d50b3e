use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::pkey::PKey;
use openssl::stack::Stack;
use openssl::symm::Cipher;
use openssl::x509::X509;

use super::*;
use crate::{DevelopmentKeys, development_keys};

const CONTENT: &[u8] = b"[update]\ncompatible=example\n";

struct Fixture {
    keys: DevelopmentKeys,
    signer: Signer,
    trust: Trust,
    _dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let keys = development_keys(dir.path()).unwrap();
    let signer = Signer::load(&keys.signer, &keys.signer_key).unwrap();
    let trust = Trust::load(&keys.authority).unwrap();
    Fixture { keys, signer, trust, _dir: dir }
}

/// Seconds from 1970 to the first day of a year.
fn year(year: i64) -> i64 {
    (year - 1970) * 31_556_952
}

#[test]
fn what_was_signed_is_verified_for_either_purpose() {
    let Fixture { keys, signer, trust, .. } = &fixture();
    let der = signer.sign(CONTENT).unwrap();
    let signed = trust.verify(&der).unwrap();
    assert_eq!(signed.content, CONTENT);
    assert_eq!(signed.signer, "CN = Development signer");
    Trust::load(&keys.authority).unwrap().purpose(Purpose::CodeSign).verify(&der).unwrap();
}

#[test]
fn a_stranger_is_not_trusted() {
    let der = fixture().signer.sign(CONTENT).unwrap();
    let refused = fixture().trust.verify(&der).unwrap_err();
    assert!(matches!(refused, SignatureError::NotTrusted { .. }), "{refused}");
}

#[test]
fn certificates_are_good_in_their_time_only() {
    let Fixture { keys, signer, .. } = &fixture();
    let der = signer.sign(CONTENT).unwrap();
    let verify_in = |when| Trust::load(&keys.authority).unwrap().at(year(when)).verify(&der);
    verify_in(2026).unwrap();
    for (when, why) in [(2024, "not yet valid"), (2036, "expired")] {
        let refused = verify_in(when).unwrap_err();
        assert!(matches!(refused, SignatureError::NotValidNow { .. }), "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
        assert!(refused.to_string().contains("Jan  1 00:00:00 2035 GMT"), "{refused}");
    }
}

#[test]
fn the_authority_itself_may_not_sign() {
    let Fixture { keys, trust, .. } = &fixture();
    let der = Signer::load(&keys.authority, &keys.authority_key).unwrap().sign(CONTENT).unwrap();
    let refused = trust.verify(&der).unwrap_err();
    assert!(matches!(refused, SignatureError::Purpose { .. }), "{refused}");
    let refused = Trust::load(&keys.authority).unwrap().purpose(Purpose::CodeSign).verify(&der).unwrap_err();
    assert!(matches!(refused, SignatureError::Purpose { .. }), "{refused}");
}

#[test]
fn every_byte_counts() {
    let Fixture { signer, trust, .. } = &fixture();
    let mut der = signer.sign(CONTENT).unwrap();
    for at in 0..der.len() {
        for change in [1, 0x20, 0x80, 0xff] {
            der[at] ^= change;
            assert!(trust.verify(&der).is_err(), "byte {at}, changed by {change:#x}, is not noticed");
            der[at] ^= change;
        }
    }
    for length in 0..der.len() {
        assert!(matches!(trust.verify(&der[..length]), Err(SignatureError::Malformed(_))));
    }
    der.push(0);
    assert!(matches!(trust.verify(&der), Err(SignatureError::Malformed(_))));
}

#[test]
fn changed_content_is_called_that() {
    let Fixture { signer, trust, .. } = &fixture();
    let mut der = signer.sign(CONTENT).unwrap();
    let at = der.windows(CONTENT.len()).position(|window| window == CONTENT).unwrap();
    der[at + 3] ^= 1;
    assert!(matches!(trust.verify(&der), Err(SignatureError::Tampered(_))));
}

#[test]
fn other_formats_are_named() {
    let Fixture { keys, trust, .. } = &fixture();
    let certificate = X509::from_pem(&std::fs::read(&keys.signer).unwrap()).unwrap();
    let key = PKey::private_key_from_pem(&std::fs::read(&keys.signer_key).unwrap()).unwrap();
    let detached = CMSOptions::DETACHED | CMSOptions::BINARY;
    let plain = CmsContentInfo::sign(Some(&certificate), Some(&key), None, Some(CONTENT), detached).unwrap();
    let refused = trust.verify(&plain.to_der().unwrap());
    assert!(matches!(refused, Err(SignatureError::Format("plain"))), "{refused:?}");

    let mut readers = Stack::new().unwrap();
    readers.push(certificate).unwrap();
    let crypt =
        CmsContentInfo::encrypt(&readers, CONTENT, Cipher::aes_256_cbc(), CMSOptions::BINARY).unwrap();
    let refused = trust.verify(&crypt.to_der().unwrap());
    assert!(matches!(refused, Err(SignatureError::Format("crypt"))), "{refused:?}");
}

#[test]
fn a_long_manifest_is_not_signed() {
    let refused = fixture().signer.sign(&vec![b'x'; MAX_SIGNATURE as usize]);
    assert!(matches!(refused, Err(SignError::TooLarge { .. })));
}

#[test]
fn the_signing_time_can_be_given() {
    let Fixture { keys, trust, .. } = &fixture();
    let signer = Signer::load(&keys.signer, &keys.signer_key).unwrap();
    let der = signer.at(1_750_000_000).sign(CONTENT).unwrap();
    assert!(der.windows(13).any(|window| window == b"250615150640Z"));
    trust.verify(&der).unwrap();
}

#[test]
fn files_without_what_they_should_hold_are_named() {
    let Fixture { keys, .. } = &fixture();
    for (certificate, key, problem) in [
        (&keys.signer, &keys.authority_key, "not that of the key"),
        (&keys.signer_key, &keys.signer_key, "no certificate"),
        (&keys.signer, &keys.signer, "no private key"),
    ] {
        let Err(refused) = Signer::load(certificate, key) else { panic!("{problem}") };
        assert!(refused.to_string().contains(problem), "{refused}");
    }
    let passphrase = PKey::private_key_from_pem(&std::fs::read(&keys.signer_key).unwrap()).unwrap();
    let passphrase =
        passphrase.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret").unwrap();
    let other = PKey::generate_ed25519().unwrap().private_key_to_pem_pkcs8().unwrap();
    for (pem, problem) in [(passphrase, "without a passphrase"), (other, "neither RSA nor ECDSA")] {
        std::fs::write(&keys.authority_key, pem).unwrap();
        let Err(refused) = Signer::load(&keys.authority, &keys.authority_key) else { panic!("{problem}") };
        assert!(refused.to_string().contains(problem), "{refused}");
    }
    let Err(refused) = Trust::load(&keys.signer_key) else { panic!() };
    assert!(refused.to_string().contains("signer.key.pem"), "{refused}");

    let list = "-----BEGIN X509 CRL-----\n".to_owned() + &std::fs::read_to_string(&keys.authority).unwrap();
    std::fs::write(&keys.authority, list).unwrap();
    let Err(refused) = Trust::load(&keys.authority) else { panic!() };
    assert!(refused.to_string().contains("revocation list"), "{refused}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_a_panic(
        start in proptest::num::u16::ANY, garbage in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
    ) {
        thread_local!(static FIXTURE: (Fixture, Vec<u8>) = {
            let fixture = fixture();
            let der = fixture.signer.sign(CONTENT).unwrap();
            (fixture, der)
        });
        FIXTURE.with(|(fixture, der)| {
            assert!(fixture.trust.verify(&garbage).is_err());
            let mut changed = der.clone();
            let start = usize::from(start) % der.len();
            let end = der.len().min(start + garbage.len() / 2);
            changed.splice(start..end, garbage);
            assert!(changed == *der || fixture.trust.verify(&changed).is_err());
        });
    }
}
