//! The first line of a `License` field: short names joined by `and` and `or` (machine-readable copyright
//! format 1.0, section 7.2).

use crate::Expression;

/// Reads a synopsis; `name` gives the meaning of a short name, with its exception if it has one. `None` where
/// the line is no synopsis: some people write prose there.
pub(super) fn parse(synopsis: &str, name: &mut impl FnMut(&str) -> Expression) -> Option<Expression> {
    let mut whole: Option<Expression> = None;
    // A comma takes away what "and" has over "or": "A or B, and C" means "(A or B) and C".
    for part in synopsis.split(',') {
        let words: Vec<&str> = part.split_whitespace().collect();
        let (operator, words) = match (&whole, words.split_first()) {
            (Some(_), Some((first, rest))) if is(first, "or") => (Expression::any as Combine, rest),
            (Some(_), Some((first, rest))) if is(first, "and") => (Expression::all as Combine, rest),
            _ => (Expression::all as Combine, words.as_slice()),
        };
        let part = choice(words, name)?;
        whole = operator(whole.into_iter().chain([part]).collect());
    }
    whole
}

type Combine = fn(Vec<Expression>) -> Option<Expression>;

/// `A and B or C`
fn choice(words: &[&str], name: &mut impl FnMut(&str) -> Expression) -> Option<Expression> {
    let mut parts = Vec::new();
    for conjunction in words.split(|word| is(word, "or")) {
        let mut terms = Vec::new();
        for term in conjunction.split(|word| is(word, "and")) {
            terms.push(name(&short_name(term)?));
        }
        parts.extend(Expression::all(terms));
    }
    Expression::any(parts)
}

/// One word, or `A with KEYWORDS exception`.
fn short_name(words: &[&str]) -> Option<String> {
    match words {
        [name] => Some((*name).to_owned()),
        [name, with, keywords @ .., exception]
            if is(with, "with") && (is(exception, "exception") || is(exception, "exceptions")) =>
        {
            Some(format!("{name} with {} exception", keywords.join(" ")))
        }
        _ => None,
    }
}

fn is(word: &str, keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(synopsis: &str) -> Option<String> {
        parse(synopsis, &mut |name| Expression::Term(name.to_owned())).map(|e| e.to_string())
    }

    #[test]
    fn and_binds_closer_than_or_unless_a_comma_says_otherwise() {
        assert_eq!(read("A or B and C").unwrap(), "A OR (B AND C)");
        assert_eq!(read("A or B, and C").unwrap(), "C AND (A OR B)");
        assert_eq!(read("A and B, or C").unwrap(), "C OR (A AND B)");
        assert_eq!(read("A OR B").unwrap(), "A OR B");
        assert_eq!(read("A, B").unwrap(), "A AND B");
    }

    #[test]
    fn an_exception_stays_with_its_licence() {
        assert_eq!(
            read("A with Some Linking exceptions or B").unwrap(),
            "A with Some Linking exception OR B"
        );
    }

    #[test]
    fn prose_is_no_synopsis() {
        for prose in ["", "Permission to use, copy, modify", "CC0 license", "A or", "and", "A,,B", "A with B"]
        {
            assert_eq!(read(prose), None, "{prose}");
        }
    }
}
