//! What a bill of materials comes to, for a person.

use std::fmt;

use crate::Package;

/// Packages, by what is known of their licences. Names are in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// All packages, in the image or needed to build it.
    pub packages: usize,
    /// Those whose licence was stated for machines to read.
    pub stated: usize,
    /// Those whose licence is quoted as prose.
    pub quoted: Vec<String>,
    /// Those of whose licence nothing is known.
    pub unknown: Vec<String>,
}

impl Summary {
    pub(crate) fn of<'a>(packages: impl Iterator<Item = &'a Package>) -> Self {
        let mut summary = Self::default();
        for package in packages {
            summary.packages += 1;
            let name = format!("{} {}", package.name, package.version);
            match (&package.licence.concluded, &package.licence.declared) {
                (Some(_), _) => summary.stated += 1,
                (None, Some(_)) => summary.quoted.push(name),
                (None, None) => summary.unknown.push(name),
            }
        }
        summary.quoted.sort();
        summary.unknown.sort();
        summary
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { packages, stated, quoted, unknown } = self;
        write!(f, "{packages} packages: licence stated of {stated}, quoted of {}, ", quoted.len())?;
        match unknown[..] {
            [] => write!(f, "unknown of none"),
            _ => write!(f, "unknown of {} ({})", unknown.len(), unknown.join(", ")),
        }
    }
}
