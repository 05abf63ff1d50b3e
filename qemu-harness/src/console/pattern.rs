//! What a console is watched for.

use regex::Regex;

use crate::{Error, Result};

/// A regular expression, which is what a plain string stands for, or an exact text.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// The first match of this expression (the syntax of the `regex` crate).
    Expression(String),
    /// Exactly this text.
    Text(String),
}

/// What matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    before: String,
    groups: Vec<String>,
}

impl Pattern {
    /// Exactly this text, whatever characters are in it.
    pub fn text(text: &str) -> Self {
        Pattern::Text(text.to_owned())
    }

    /// Ready to search; an error where the expression is none.
    pub(crate) fn finder(&self) -> Result<Finder> {
        let expression = match self {
            Pattern::Expression(expression) => expression.clone(),
            Pattern::Text(text) => regex::escape(text),
        };
        let refused = |error| Error::Asked(format!("/{expression}/ is no regular expression: {error}"));
        Regex::new(&expression).map(Finder).map_err(refused)
    }
}

impl Match {
    /// The matching text.
    pub fn text(&self) -> &str {
        self.group(0)
    }

    /// What the console showed before it, since the last match.
    pub fn before(&self) -> &str {
        &self.before
    }

    /// A group of the expression, counted from 1; empty where it took no part or is none.
    pub fn group(&self, index: usize) -> &str {
        self.groups.get(index).map_or("", String::as_str)
    }
}

/// A pattern that can be searched for.
pub(crate) struct Finder(Regex);

impl Finder {
    /// The first match, and where it ends.
    pub(crate) fn find(&self, haystack: &str) -> Option<(Match, usize)> {
        let captures = self.0.captures(haystack)?;
        let whole = captures.get(0)?;
        let group = |group: Option<regex::Match>| group.map_or("", |found| found.as_str()).to_owned();
        let before = haystack[..whole.start()].to_owned();
        Some((Match { before, groups: captures.iter().map(group).collect() }, whole.end()))
    }
}

impl From<&str> for Pattern {
    fn from(expression: &str) -> Self {
        Pattern::Expression(expression.to_owned())
    }
}

impl From<String> for Pattern {
    fn from(expression: String) -> Self {
        Pattern::Expression(expression)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pattern::Expression(expression) => write!(f, "/{expression}/"),
            Pattern::Text(text) => write!(f, "`{text}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_text_is_no_expression() {
        let (found, end) = Pattern::text("a.c").finder().unwrap().find("abc a.c d").unwrap();
        assert_eq!((found.before(), found.text(), end), ("abc ", "a.c", 7));
    }

    #[test]
    fn groups_are_given() {
        let finder = Pattern::from(r"eth(\d+)(x)?: (\S+)").finder().unwrap();
        let (found, _) = finder.find("up: eth1: 10.0.0.7 ok").unwrap();
        assert_eq!([1, 2, 3, 4].map(|index| found.group(index)), ["1", "", "10.0.0.7", ""]);
        assert_eq!(found.text(), "eth1: 10.0.0.7");
    }

    #[test]
    fn a_broken_expression_is_shown() {
        let said = Pattern::from("box(").finder().err().unwrap().to_string();
        assert!(said.starts_with("/box(/ is no regular expression"), "{said}");
    }
}
