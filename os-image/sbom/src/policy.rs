//! Which licences the crates of a program may have that is itself distributed under Apache-2.0.

use crate::{Inventory, Origin, Package};

/// Terms that ask of somebody who passes on the program nothing but to keep notices, or to publish changes to
/// the crate's own files (MPL). A term that is not here needs a person's decision, not a silent yes.
const COMPATIBLE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// A crate whose licence does not allow what is done with it, or does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offender {
    /// The crate.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence, if it states one that SPDX knows.
    pub licence: Option<String>,
}

/// The crates, linked or needed to build, that cannot be taken under terms compatible with Apache-2.0.
///
/// What a program only calls as a process, such as any Debian package, is not looked at.
pub fn offenders(inventory: &Inventory) -> Vec<Offender> {
    let crates = inventory.packages.iter().filter(|package| package.origin == Origin::Cargo);
    let mut offenders: Vec<_> = crates.filter(|package| !is_compatible(package)).map(offender).collect();
    offenders.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    offenders
}

fn is_compatible(package: &Package) -> bool {
    let declared = package.licence.declared.as_ref();
    declared.is_some_and(|expression| expression.satisfied_by(&|term| COMPATIBLE.contains(&term)))
}

fn offender(package: &Package) -> Offender {
    Offender {
        name: package.name.clone(),
        version: package.version.clone(),
        licence: package.licence.declared.as_ref().map(ToString::to_string),
    }
}

impl std::fmt::Display for Offender {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let licence = self.licence.as_deref().unwrap_or("no licence that SPDX knows");
        write!(
            f,
            "crate {} {} has {licence}, which is not known to fit a program under Apache-2.0: use another crate, \
             call it as a process, or, if the licence fits, add it to the list of compatible ones",
            self.name, self.version
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expression, Licence};

    fn krate(name: &str, licence: &str) -> Package {
        let licence = Expression::parse(licence).map(Licence::stated).unwrap_or_default();
        Package { licence, ..Package::new(Origin::Cargo, name, "1.0.0") }
    }

    #[test]
    fn copyleft_and_silence_offend_and_a_choice_does_not() {
        let packages = vec![
            krate("strong", "GPL-3.0-only"),
            krate("network", "MIT AND AGPL-3.0-or-later"),
            krate("union", "EUPL-1.2"),
            krate("silent", ""),
            krate("choice", "GPL-3.0-only OR MIT"),
            krate("plain", "MIT/Apache-2.0"),
            Package::new(Origin::Debian, "process", "1"),
        ];
        let offenders = offenders(&Inventory { packages, relations: Vec::new() });
        let names: Vec<_> = offenders.iter().map(|offender| offender.name.as_str()).collect();
        assert_eq!(names, ["network", "silent", "strong", "union"]);
        assert!(offenders[2].to_string().contains("strong 1.0.0 has GPL-3.0-only"));
    }

    #[test]
    fn every_compatible_term_is_valid() {
        for term in COMPATIBLE {
            assert_eq!(Expression::parse(term), Some(Expression::Term((*term).to_owned())));
        }
    }
}
