//! What a package says of its licence.

use std::collections::BTreeSet;

use crate::Expression;
use crate::text::{fingerprint, slug};

/// The licence of one package. The default says that nothing was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Licence {
    /// What its authors say (SPDX 2.3, clause 7.15).
    pub declared: Option<Expression>,
    /// The same where a machine could read all of it without guessing (clause 7.13).
    pub concluded: Option<Expression>,
    /// The words of every `LicenseRef-` in the expressions.
    pub texts: BTreeSet<LicenceText>,
    /// How the expression was found, if that is worth a sentence (clause 7.16).
    pub comment: Option<String>,
}

impl Licence {
    /// A licence stated in a form made for machines.
    pub fn stated(expression: Expression) -> Self {
        Self { declared: Some(expression.clone()), concluded: Some(expression), ..Self::default() }
    }
}

/// A licence that is not on SPDX's list, in its own words (SPDX 2.3, clause 10).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LicenceText {
    /// `LicenseRef-…`: equal for equal name and words, whatever package they come from.
    pub id: String,
    /// What the package calls it.
    pub name: String,
    /// Its words.
    pub text: String,
}

impl LicenceText {
    /// A licence called `name` with the words `text`.
    pub fn new(name: &str, text: &str) -> Self {
        let text = match text.trim() {
            "" => "The package names this licence without giving its words.", // SPDX asks for a text
            text => text,
        };
        let id = format!("LicenseRef-{}-{}", slug(name), fingerprint(&[name, text]));
        Self { id, name: name.to_owned(), text: text.to_owned() }
    }

    /// The expression that refers to it.
    pub fn term(&self) -> Expression {
        Expression::Term(self.id.clone())
    }
}
