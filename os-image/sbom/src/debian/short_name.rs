//! Debian's short names of licences as SPDX knows them (machine-readable copyright format 1.0, section 7.1).

use spdx::identifiers::{EXCEPTIONS, LICENSES};

/// Names that differ from SPDX's by more than case and version. Where a name omits the version, the format
/// says that the lowest is meant.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("apache", "Apache-1.0"),
    ("artistic", "Artistic-1.0-Perl"), // the text in /usr/share/common-licenses is Perl's, with ten clauses
    ("artistic-1", "Artistic-1.0-Perl"),
    ("cc0", "CC0-1.0"),
    ("cddl", "CDDL-1.0"),
    ("cpl", "CPL-1.0"),
    ("efl", "EFL-1.0"),
    ("expat", "MIT"),
    ("lppl", "LPPL-1.0"),
    ("mpl", "MPL-1.1"), // the lowest that the format lists
    ("python", "Python-2.0"),
    ("qpl", "QPL-1.0"),
    ("zope", "ZPL-1.1"), // 1.0 is not on SPDX's list
];

/// GNU's families: Debian's name, SPDX's beginning and middle, lowest version. `GFDL-NIV` before `GFDL`.
const GNU: &[(&str, &str, &str, &str)] = &[
    ("agpl", "AGPL", "", "1.0"),
    ("gfdl-niv", "GFDL", "-no-invariants", "1.1"),
    ("gfdl", "GFDL", "", "1.1"),
    ("lgpl", "LGPL", "", "2.0"),
    ("gpl", "GPL", "", "1.0"),
];

/// Exceptions that SPDX gives a version and Debian does not.
const EXCEPTIONS_WITH_VERSION: &[(&str, &str)] = &[
    ("bison", "Bison-exception-2.2"),
    ("bison-2.2", "Bison-exception-2.2"),
    ("classpath", "Classpath-exception-2.0"),
    ("font", "Font-exception-2.0"),
];

/// The SPDX term for a short name, which may go on `with KEYWORDS exception`; `None` if SPDX has none.
pub(super) fn spdx_term(name: &str) -> Option<String> {
    match name.split_once(" with ") {
        Some((licence, keywords)) => Some(format!("{} WITH {}", licence_id(licence)?, exception(keywords)?)),
        None => licence_id(name),
    }
}

/// Whether a short name is of a family in which each version has a form "or later" of its own.
pub(super) fn is_gnu(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    GNU.iter().any(|(family, ..)| name.starts_with(family))
}

fn licence_id(name: &str) -> Option<String> {
    if is_gnu(name) {
        return gnu(&name.to_ascii_lowercase());
    }
    let (plain, plus) = name.strip_suffix('+').map_or((name, ""), |plain| (plain, "+"));
    let other = OTHER_NAMES.iter().find(|(debian, _)| debian.eq_ignore_ascii_case(plain));
    // "Apache-2" and "Apache-2.0" are the same to Debian.
    let id =
        other.map(|(_, spdx)| *spdx).or_else(|| listed(plain)).or_else(|| listed(&format!("{plain}.0")))?;
    Some(format!("{id}{plus}"))
}

/// The identifier as the list writes it. Deprecated ones have a better name or are ambiguous.
fn listed(id: &str) -> Option<&'static str> {
    let licence = LICENSES.iter().find(|licence| licence.name.eq_ignore_ascii_case(id))?;
    spdx::license_id(licence.name).filter(|id| !id.is_deprecated()).map(|_| licence.name)
}

/// `GPL-2+`, `gplv2+`, `GPL-2.0-or-later`, …
fn gnu(name: &str) -> Option<String> {
    let (family, first, middle, lowest) = GNU.iter().find(|(family, ..)| name.starts_with(family))?;
    let rest = name.strip_prefix(family)?;
    let (rest, later) = match rest.strip_suffix('+').or_else(|| rest.strip_suffix("-or-later")) {
        Some(rest) => (rest, "-or-later"),
        None => (rest.strip_suffix("-only").unwrap_or(rest), "-only"),
    };
    let version = match rest.trim_start_matches('-').trim_start_matches('v') {
        "" if rest.is_empty() => (*lowest).to_owned(),
        version => two_numbers(version)?,
    };
    listed(&format!("{first}-{version}{middle}{later}")).map(str::to_owned)
}

/// "2", "2.0" and "2.0.0" as "2.0".
fn two_numbers(version: &str) -> Option<String> {
    let mut numbers = version.split('.');
    let (major, minor) = (numbers.next()?, numbers.next().unwrap_or("0"));
    numbers.all(|number| number == "0").then(|| format!("{major}.{minor}"))
}

/// `KEYWORDS exception`
fn exception(keywords: &str) -> Option<&'static str> {
    let keywords = keywords.strip_suffix("exceptions").or_else(|| keywords.strip_suffix("exception"))?.trim();
    let with_version =
        EXCEPTIONS_WITH_VERSION.iter().find(|(debian, _)| debian.eq_ignore_ascii_case(keywords));
    let long = format!("{keywords}-exception");
    let listed = || {
        let ours = |id: &str| id.eq_ignore_ascii_case(keywords) || id.eq_ignore_ascii_case(&long);
        EXCEPTIONS.iter().map(|exception| exception.name).find(|id| ours(id))
    };
    with_version.map(|(_, spdx)| *spdx).or_else(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_become_identifiers() {
        for (debian, expected) in [
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-2", "GPL-2.0-only"),
            ("GPL-2.0-only", "GPL-2.0-only"),
            ("GPLv3+", "GPL-3.0-or-later"),
            ("GPL", "GPL-1.0-only"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("LGPL-3.0.0", "LGPL-3.0-only"),
            ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
            ("gfdl-1.2+", "GFDL-1.2-or-later"),
            ("Expat", "MIT"),
            ("BSD-3-clause", "BSD-3-Clause"),
            ("Apache-2", "Apache-2.0"),
            ("Artistic", "Artistic-1.0-Perl"),
            ("Artistic-2.0", "Artistic-2.0"),
            ("AFL-2.1+", "AFL-2.1+"),
            ("zlib", "Zlib"),
            ("GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"),
            ("Apache-2.0 with LLVM exception", "Apache-2.0 WITH LLVM-exception"),
            ("GPL-3+ with Bison exception", "GPL-3.0-or-later WITH Bison-exception-2.2"),
        ] {
            assert_eq!(spdx_term(debian).as_deref(), Some(expected), "{debian}");
            assert!(spdx::Expression::parse(expected).is_ok(), "{expected}");
        }
    }

    #[test]
    fn every_name_in_the_tables_is_on_spdxs_list() {
        assert!(OTHER_NAMES.iter().all(|(_, spdx)| listed(spdx) == Some(spdx)));
        let exceptions = EXCEPTIONS_WITH_VERSION.iter();
        assert!(exceptions.map(|(_, spdx)| spdx).all(|id| spdx::exception_id(id).is_some()));
        assert!(GNU.iter().all(|(family, ..)| spdx_term(family).is_some()));
    }

    #[test]
    fn names_without_a_meaning_of_their_own_stay_unknown() {
        let unknown =
            ["public-domain", "BSD", "GPL-9", "GPL-2+-with-link-exception", "GPL-v-2", "", "+", "MIT/X11"];
        for name in unknown.into_iter().chain(["GPL-2+ with OpenSSL exception", "GPL-2+ with thanks"]) {
            assert_eq!(spdx_term(name), None, "{name}");
        }
    }
}
