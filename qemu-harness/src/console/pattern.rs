//! What a console is watched for.

use regex::Regex;

/// A text, or a regular expression.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// Exactly this text.
    Text(String),
    /// The first match of this expression.
    Regex(Regex),
}

/// What matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// What the console showed before it, since the last match.
    pub before: String,
    /// The matching text.
    pub text: String,
    /// The groups of a regular expression; an empty text for one that took no part.
    pub groups: Vec<String>,
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Pattern::Text(text.to_owned())
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Pattern::Text(text)
    }
}

impl From<Regex> for Pattern {
    fn from(regex: Regex) -> Self {
        Pattern::Regex(regex)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pattern::Text(text) => write!(f, "`{text}`"),
            Pattern::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

impl Pattern {
    /// Its first match, and where that ends.
    pub(super) fn find(&self, haystack: &str) -> Option<(Match, usize)> {
        match self {
            Pattern::Text(text) => {
                let start = haystack.find(text)?;
                let before = haystack[..start].to_owned();
                Some((Match { before, text: text.clone(), groups: Vec::new() }, start + text.len()))
            }
            Pattern::Regex(regex) => {
                let captures = regex.captures(haystack)?;
                let whole = captures.get(0)?;
                let group = |group: Option<regex::Match>| group.map_or("", |found| found.as_str()).to_owned();
                let found = Match {
                    before: haystack[..whole.start()].to_owned(),
                    text: whole.as_str().to_owned(),
                    groups: captures.iter().skip(1).map(group).collect(),
                };
                Some((found, whole.end()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_expression() {
        let (found, end) = Pattern::from("a.c").find("abc a.c d").unwrap();
        assert_eq!((found.before.as_str(), found.text.as_str(), end), ("abc ", "a.c", 7));
    }

    #[test]
    fn groups_are_given() {
        let pattern = Pattern::from(Regex::new(r"eth(\d+)(x)?: (\S+)").unwrap());
        let (found, _) = pattern.find("up: eth1: 10.0.0.7 ok").unwrap();
        assert_eq!(found.groups, ["1", "", "10.0.0.7"]);
    }
}
