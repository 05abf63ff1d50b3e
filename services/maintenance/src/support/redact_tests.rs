use proptest::prelude::*;
use understudy_recovery_key::RecoveryKey;

use super::*;

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Vn3MpD3Jz3nVJbJ8Jm8O1n4yW8jK5c3Jr1m0Qk0mWhI";

/// Where secrets are found, and that nothing of them is left; what surrounds them is.
#[test]
fn each_kind_of_secret_goes_and_what_is_around_it_stays() {
    let key = RecoveryKey::generate().unwrap().to_string();
    let typed = key.replace('-', " ");
    let digits = key.replace('-', "");
    let cases = [
        (HASH.to_owned(), "c29tZXNhbHRzb21lc2FsdA"),
        ("$y$j9T$saltsaltsalt$hashhashhash".to_owned(), "hashhash"),
        ("$6$rounds=5000$saltsalt$abcdefghij".to_owned(), "abcdefghij"),
        (key.clone(), &key[7..13]),
        (typed.clone(), &typed[7..13]),
        (digits.clone(), &digits[6..12]),
        ("7K4P-9QXM-2HTA".to_owned(), "9QXM"),
        ("Authorization: Bearer eyJhbGciOi.abc-def".to_owned(), "eyJhbGciOi"),
        ("bearer 0123456789abcdef".to_owned(), "0123456789abcdef"),
        ("secret: \"00112233445566778899aabbccddeeff\"".to_owned(), "00112233"),
        ("\"secret\":\"00112233445566778899aabbccddeeff\"".to_owned(), "00112233"),
        ("{\\\"secret\\\":\\\"00112233445566778899aabbccddeeff\\\"}".to_owned(), "00112233"),
        ("node.session.auth.password = 00112233445566778899aabbccddeeff".to_owned(), "00112233"),
        ("chap_secret=00112233445566778899aabbccddeeff".to_owned(), "00112233"),
        ("secret: Some(\"00112233445566778899aabbccddeeff\")".to_owned(), "00112233"),
        ("passphrase: Secret(\"correct horse battery\"),".to_owned(), "battery"),
        ("PASSWORD='two words'".to_owned(), "words"),
        ("https://owner:hunter22@example.org/x.raucb".to_owned(), "hunter22"),
    ];
    for (planted, word) in cases {
        let text = format!("Nov 22 before {planted} after\nnext line");
        let left = redact(&text);
        assert!(!left.contains(word), "{left}");
        assert!(left.starts_with("Nov 22 before ") && left.contains("(removed)"), "{left}");
        assert!(left.ends_with("\nnext line"), "{left}");
    }
}

#[test]
fn private_keys_go_whole_or_cut_off_and_with_time_stamps_before_each_line() {
    let lines = [
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
        "VJTUt9Us8cKjMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3S",
    ];
    let whole = format!("-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----", lines[0], lines[1]);
    let stamped = whole.replace('\n', "\nNov 22 12:00:00 box gateway[7]: ");
    let escaped = whole.replace('\n', "\\n");
    let begin = whole.rsplit_once('\n').unwrap().0;
    let end = whole.split_once('\n').unwrap().1;
    let ec = whole.replace("PRIVATE", "EC PRIVATE");
    let stamped_begin = stamped.rsplit_once('\n').unwrap().0;
    for key in [&whole, &stamped, &escaped, begin, end, &ec, stamped_begin] {
        let left = redact(&format!("before\n{key}\nafter it"));
        for line in lines {
            assert!(!left.contains(line), "{key}\n->\n{left}");
        }
        assert!(left.starts_with("before") || key == end, "{left}");
        assert!(left.ends_with("after it"), "{left}");
    }
    // Anybody may see these.
    let certificate =
        "-----BEGIN CERTIFICATE-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END CERTIFICATE-----\n";
    assert_eq!(redact(certificate), certificate);
}

#[test]
fn what_only_looks_a_little_like_a_secret_stays() {
    for text in [
        "machine 00112233445566778899aabbccddeeff is paired",
        "verity.hash=4e1243bd22c66e76c2ba9eddc1f91394e57f9f83e4e1243bd22c66e76c2ba9ed",
        "A1B2C3D4-1111-2222-3333-444455556666",
        "2026-11-22T15:04:05.123456Z",
        "pairing code 7K4P-… was tried 5 times",
        "costs $5 and $6",
        "cannot find a password file",
        "https://example.org/x@y",
        "123456-123456",
    ] {
        assert_eq!(redact(text), text);
    }
}

proptest! {
    #[test]
    fn no_recovery_key_is_overlooked(before in "[^0-9A-Za-z-]{0,4}", after in "[^0-9A-Za-z-]{0,4}") {
        let key = RecoveryKey::generate().unwrap().to_string();
        let left = redact(&format!("{before}{key}{after}"));
        prop_assert!(!left.contains(&key[..13]));
    }

    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        redact(&text);
    }
}
