use proptest::prelude::*;

use super::*;

const KEY: &str = "720885-000000-000011-123453-111111-222222-333333-444444";

#[test]
fn a_key_is_eight_groups_of_six_digits_and_reads_back() {
    let key = RecoveryKey::generate().unwrap();
    let text = key.to_string();
    assert_eq!(text.len(), 55);
    assert!(text.split('-').all(|group| group.len() == 6 && group.parse::<u32>().unwrap() % 11 == 0));
    assert_eq!(text.parse::<RecoveryKey>().unwrap(), key);
    assert_ne!(RecoveryKey::generate().unwrap(), key);
}

#[test]
fn hyphens_spaces_and_nothing_at_all_separate_groups() {
    let key: RecoveryKey = KEY.parse().unwrap();
    assert_eq!(key.to_string(), KEY);
    for typed in [
        KEY.replace('-', ""),
        KEY.replace('-', " "),
        KEY.replace('-', " - "),
        format!(" {KEY}\n"),
        KEY.replacen('-', "", 3),
    ] {
        assert_eq!(typed.parse::<RecoveryKey>().as_ref(), Ok(&key), "{typed:?}");
    }
}

#[test]
fn the_group_to_look_at_again_is_named() {
    let wrong = |from: &str, to: &str| KEY.replacen(from, to, 1).parse::<RecoveryKey>().unwrap_err();
    assert_eq!(wrong("000011", "000012"), KeyError::Mistyped(vec![3]));
    assert_eq!(
        wrong("720885", "720896"),
        KeyError::Mistyped(vec![1]),
        "a multiple of 11, but of no 16-bit number"
    );
    assert_eq!(wrong("123453", "12345"), KeyError::Group { group: 4, digits: 5 });
    assert_eq!(wrong("123453", "12345o"), KeyError::Character { group: 4 });
    assert_eq!(wrong("-444444", ""), KeyError::Length { digits: 42 });
    assert_eq!("".parse::<RecoveryKey>(), Err(KeyError::Length { digits: 0 }));
    let joined = KEY.replace('-', "").replace("123453", "12345x");
    assert_eq!(joined.parse::<RecoveryKey>(), Err(KeyError::Character { group: 4 }));
    let two = wrong("000000", "000001").to_string().replace("group 2 ", "");
    assert!(!two.contains("000001"), "{two}");
}

#[test]
fn an_error_never_repeats_what_was_typed() {
    let typed = KEY.replace("444444", "444445").replace("111111", "111112");
    let error = typed.parse::<RecoveryKey>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "groups 5 and 8 of the recovery key are mistyped; compare the digits there once more"
    );
    assert!(!format!("{error:?}").contains("44444"));
}

#[test]
fn a_key_is_not_shown_by_debug() {
    let key: RecoveryKey = KEY.parse().unwrap();
    assert_eq!(format!("{key:?}"), "RecoveryKey(secret)");
}

proptest! {
    #[test]
    fn any_key_reads_back(groups: [u16; 8]) {
        let key = RecoveryKey(groups);
        prop_assert_eq!(key.to_string().parse::<RecoveryKey>(), Ok(key));
    }

    #[test]
    fn one_wrong_digit_is_always_found(groups: [u16; 8], place in 0..48_usize, other in 0..9_u8) {
        let mut digits: Vec<u8> = RecoveryKey(groups).to_string().bytes().filter(u8::is_ascii_digit).collect();
        let other = b'0' + other;
        digits[place] = if other >= digits[place] { other + 1 } else { other };
        let typed = String::from_utf8(digits).unwrap();
        prop_assert_eq!(typed.parse::<RecoveryKey>(), Err(KeyError::Mistyped(vec![place / 6 + 1])));
    }

    #[test]
    fn two_neighbours_exchanged_are_always_found(groups: [u16; 8], group in 0..8_usize, place in 0..5_usize) {
        let mut digits: Vec<u8> = RecoveryKey(groups).to_string().bytes().filter(u8::is_ascii_digit).collect();
        let place = group * 6 + place;
        prop_assume!(digits[place] != digits[place + 1]);
        digits.swap(place, place + 1);
        let typed = String::from_utf8(digits).unwrap();
        prop_assert_eq!(typed.parse::<RecoveryKey>(), Err(KeyError::Mistyped(vec![group + 1])));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        let _ = text.parse::<RecoveryKey>();
    }

    #[test]
    fn nothing_nearly_right_makes_it_panic(text in "[0-9 -]{40,70}") {
        if let Ok(key) = text.parse::<RecoveryKey>() {
            let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            prop_assert_eq!(digits(&key.to_string()), digits(&text));
        }
    }
}
