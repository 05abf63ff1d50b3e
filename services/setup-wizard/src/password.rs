//! The administrator's password: how good it is, and its hash.

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use understudy_answers::PasswordHash;
use zxcvbn::Score;

use crate::appliance::{Result, Secret};

/// Why a password is weak, in plain words; `None` if it is not. `words` are what anybody would guess for this box first.
pub(crate) fn weakness(password: &str, words: &[&str]) -> Option<String> {
    let estimate = zxcvbn::zxcvbn(password, words);
    let how_long = match estimate.score() {
        Score::Three | Score::Four => return None,
        Score::Zero => "It is guessed at once.",
        Score::One => "Somebody who tries can guess it quickly.",
        _ => "Somebody with time can guess it.",
    };
    let why = estimate.feedback().and_then(|feedback| feedback.warning()).map(|why| why.to_string());
    Some(match why {
        Some(why) => format!("{how_long} {why}"),
        None => format!("{how_long} Three or four words that do not belong together are better."),
    })
}

/// Hashes it by Argon2id with the parameters that OWASP's "Password Storage Cheat Sheet" names first: 19 MiB, two passes, one lane.
/// Takes a good part of a second: not for a thread that others wait for.
pub(crate) fn hash(password: &Secret) -> Result<PasswordHash> {
    let failed = |error: &dyn std::fmt::Display| format!("the password could not be hashed: {error}");
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| failed(&error))?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| failed(&error))?;
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| failed(&error))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(password.0.as_bytes(), &salt).map_err(|error| failed(&error))?;
    hash.to_string().parse().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier;

    use super::*;

    #[test]
    fn the_hash_is_of_this_password_and_never_the_same_twice() {
        let secret = Secret("correct horse".into());
        let (first, second) = (hash(&secret).unwrap(), hash(&secret).unwrap());
        assert_ne!(first, second);
        let parsed = password_hash::PasswordHash::new(first.as_str()).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"correct horses", &parsed).is_err());
    }

    #[test]
    fn weak_passwords_are_told_from_good_ones_in_words() {
        assert!(weakness("password1", &[]).unwrap().ends_with('.'));
        assert!(weakness("backup-berlin", &["backup-berlin"]).is_some(), "the box's name");
        assert_eq!(weakness("tubular giraffe mending slate", &[]), None);
    }
}
