//! A licence expression (SPDX 2.3, annex D) as a value: equal in whatever order it was written.

use std::collections::BTreeSet;
use std::fmt;

use spdx::ParseMode;
use spdx::expression::{ExprNode, Operator};

/// Which licences apply, and how they combine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expression {
    /// An identifier of the SPDX licence list, where need be with `+` or `WITH` an exception; or a `LicenseRef-`.
    Term(String),
    /// Every one of these applies (`AND`).
    All(BTreeSet<Expression>),
    /// One of these, as the user chooses (`OR`).
    Any(BTreeSet<Expression>),
}

/// What crates.io accepted before it asked for SPDX: `MIT/Apache-2.0`.
const WITH_OLD_SLASH: ParseMode = ParseMode { allow_slash_as_or_operator: true, ..ParseMode::STRICT };

impl Expression {
    /// Reads an SPDX expression whose identifiers all stand in the licence list; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = spdx::Expression::parse_mode(text, WITH_OLD_SLASH).ok()?;
        let mut stack = Vec::new();
        // The nodes come in postfix order.
        for node in parsed.iter() {
            let expression = match node {
                ExprNode::Req(term) => Self::Term(term.req.to_string()),
                ExprNode::Op(Operator::And) => Self::all([stack.pop()?, stack.pop()?])?,
                ExprNode::Op(Operator::Or) => Self::any([stack.pop()?, stack.pop()?])?,
            };
            stack.push(expression);
        }
        stack.pop()
    }

    /// All of `parts` together; `None` without any.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::All(inner) => inner,
            other => BTreeSet::from([other]),
        });
        simplest(flat.collect(), Self::All)
    }

    /// A choice among `parts`; `None` without any.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::Any(inner) => inner,
            other => BTreeSet::from([other]),
        });
        simplest(flat.collect(), Self::Any)
    }

    /// Whether somebody who accepts exactly the terms that `accepts` names can comply.
    pub fn satisfied_by(&self, accepts: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Term(term) => accepts(term),
            Self::All(parts) => parts.iter().all(|part| part.satisfied_by(accepts)),
            Self::Any(parts) => parts.iter().any(|part| part.satisfied_by(accepts)),
        }
    }
}

/// One part needs no operator.
fn simplest(
    mut parts: BTreeSet<Expression>,
    combine: impl Fn(BTreeSet<Expression>) -> Expression,
) -> Option<Expression> {
    if parts.len() > 1 { Some(combine(parts)) } else { parts.pop_first() }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (parts, operator) = match self {
            Self::Term(term) => return f.write_str(term),
            Self::All(parts) => (parts, " AND "),
            Self::Any(parts) => (parts, " OR "),
        };
        for (n, part) in parts.iter().enumerate() {
            let between = if n > 0 { operator } else { "" };
            match part {
                Self::Term(term) => write!(f, "{between}{term}")?,
                _ => write!(f, "{between}({part})")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        Expression::parse(text).unwrap().to_string()
    }

    #[test]
    fn old_slashes_and_order_make_no_difference() {
        assert_eq!(written("MIT/Apache-2.0"), "Apache-2.0 OR MIT");
        assert_eq!(written("Apache-2.0 / MIT"), written("MIT OR Apache-2.0"));
        assert_eq!(written("(MIT OR Apache-2.0) AND Unicode-3.0"), "Unicode-3.0 AND (Apache-2.0 OR MIT)");
        assert_eq!(written("MIT AND (MIT AND MIT)"), "MIT");
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert_eq!(written("MIT OR ISC AND Zlib"), "MIT OR (ISC AND Zlib)");
        assert_eq!(
            Expression::parse(&written("MIT OR ISC AND Zlib")),
            Expression::parse("MIT OR ISC AND Zlib")
        );
    }

    #[test]
    fn exceptions_and_later_versions_are_kept() {
        for text in
            ["Apache-2.0 WITH LLVM-exception", "GPL-2.0-or-later", "AFL-2.1+", "LicenseRef-own.words-1"]
        {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn what_is_not_on_the_list_is_no_expression() {
        for text in ["", "My own", "MIT OR", "GPL-2.0", "non-standard"] {
            assert_eq!(Expression::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_choice_is_satisfied_by_one_part_and_a_conjunction_by_all() {
        let only_mit = |term: &str| term == "MIT";
        assert!(Expression::parse("MIT OR AGPL-3.0-only").unwrap().satisfied_by(&only_mit));
        assert!(!Expression::parse("MIT AND ISC").unwrap().satisfied_by(&only_mit));
    }
}
