//! Takes secrets out of a text, by their form. None of ours is ever written into a log; this is for what slipped through, and for what others
//! write.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in a secret's place.
const REMOVED: &str = "(removed)";
/// No private key has more bytes, time stamps and all.
const LONGEST_KEY: usize = 20_000;

/// One form of secrets, and what is left of it: `$1` and so on are its groups.
struct Form {
    form: Regex,
    left: &'static str,
    /// What each of them has in it: to look for that is quick.
    has: &'static str,
    /// Longer ones are no secret but two halves of different ones.
    longest: usize,
    /// Whether it counts only where it is no part of a longer word of letters, digits and hyphens.
    alone: bool,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let form = |form: &str, left, alone| Form {
        form: Regex::new(form).expect("the forms are tested"),
        left,
        has: "",
        longest: usize::MAX,
        alone,
    };
    let key = |text: &str, left, longest| Form { has: "PRIVATE KEY", longest, ..form(text, left, false) };
    vec![
        // Private keys (RFC 7468 and its relatives), over lines that may each begin with a journal's time stamp, or as `\n` in one.
        key(
            r"(?s)-----BEGIN ([A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----.*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
            "-----BEGIN $1----- (removed)",
            LONGEST_KEY,
        ),
        // One that is cut off: whatever looks like its lines.
        key(
            r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----(?:(?:\r?\n|\\n)[^\n]*?[A-Za-z0-9+/=]{16,}[ \t]*)*",
            "-----BEGIN $1----- (removed)",
            usize::MAX,
        ),
        key(
            r"(?:[^\n]*?[A-Za-z0-9+/=]{16,}[ \t]*(?:\r?\n|\\n))*[^\n]*-----END ([A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----",
            "(removed) -----END $1-----",
            usize::MAX,
        ),
        // Password hashes: PHC strings, and those of crypt(5).
        form(
            r#"\$(argon2(?:id|i|d)|scrypt|pbkdf2[a-z0-9-]*|bcrypt[a-z0-9-]*|gy|y|7|2[abxy]?|6|5|sha1|md5|1)\$[^\s"'`;<>]+"#,
            "$$$1$$(removed)",
            false,
        ),
        // Recovery keys: eight groups of six digits, as they are shown, or typed with other signs or none in between.
        form(r"[0-9]{6}(?:[-–_.:/\s]{0,3}[0-9]{6}){7}", REMOVED, true),
        // Pairing codes: what selects them stays, and is no secret.
        form(r"([0-9A-HJKMNP-TV-Z]{4})-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", "$1-(removed)", true),
        // In front of a host.
        form(r#"([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s"'<>@]+@"#, "$1(removed)@", false),
        // Of HTTP.
        form(r"(?i)\b(bearer)(\s+)[A-Za-z0-9._~+/=-]{8,}", "$1$2(removed)", false),
        form(
            r#"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(["']?\s*[:=]\s*)[^\r\n]+"#,
            "$1$2(removed)",
            false,
        ),
        // By their names, with values as they are, in quotes, or as Rust shows them: CHAP's are digits like those of any id of ours.
        form(
            r#"(?i)((?:secret|password|passwd|passphrase|pass|pwd|token|apikey|api[_-]key|private[_-]key|recovery[_-]key|chap)(?:[_-]?(?:key|value|hash|in|out|mutual))?)(\\?["']?\s*(?:[:=]|=>)\s*(?:[A-Za-z]+\()*)(?:\\?"[^"\n]*"?|\\?'[^'\n]*'?|[^\s"',;}\\]+)"#,
            "$1$2(removed)",
            false,
        ),
    ]
});

/// The text without what looks like a secret.
pub fn redact(text: &str) -> String {
    let mut text = Cow::Borrowed(text);
    for form in FORMS.iter() {
        if let Cow::Owned(new) = form.apply(&text) {
            text = Cow::Owned(new);
        }
    }
    text.into_owned()
}

impl Form {
    fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !text.contains(self.has) {
            return Cow::Borrowed(text);
        }
        self.form.replace_all(text, |found: &Captures<'_>| {
            let whole = found.get(0).expect("a match has its text");
            let part = self.alone && is_part_of_word(text, whole.start(), whole.end());
            if part || whole.len() > self.longest {
                return whole.as_str().to_owned();
            }
            let mut left = String::new();
            found.expand(self.left, &mut left);
            left
        })
    }
}

fn is_part_of_word(text: &str, start: usize, end: usize) -> bool {
    let part = |character: char| character.is_ascii_alphanumeric() || character == '-';
    text[..start].ends_with(part) || text[end..].starts_with(part)
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
