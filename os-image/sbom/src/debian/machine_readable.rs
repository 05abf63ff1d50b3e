//! Copyright files in the machine-readable format 1.0 (formerly DEP-5).

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{Stanza, Value, stanzas};
use super::{short_name, synopsis};
use crate::{Expression, Licence, LicenceText};

/// The licence of a package: everything that any of its source's files is under, together. `None` if the
/// file is not in this format or names no licence.
///
/// That may be more than the binary package holds: the file does not say what became of each source file.
pub(super) fn read(text: &str) -> Option<Licence> {
    let stanzas = stanzas(text);
    let format = stanzas.first()?.line("Format").or_else(|| stanzas.first()?.line("Format-Specification"))?;
    if !format.contains("copyright-format") && !format.to_ascii_lowercase().contains("dep5") {
        return None;
    }
    let (mut granted, mut alone) = (Vec::new(), Vec::new());
    for (n, stanza) in stanzas.iter().enumerate() {
        if let Some(licence) = stanza.get("License") {
            if n == 0 || is_for_files(stanza) { &mut granted } else { &mut alone }.push(licence);
        }
    }
    if granted.is_empty() {
        granted.clone_from(&alone);
    }
    let words = words_by_name(alone.iter().chain(&granted));
    let mut texts = BTreeSet::new();
    let parts: Vec<_> = granted.iter().filter_map(|field| expression(field, &words, &mut texts)).collect();
    Some(Licence { texts, ..Licence::stated(Expression::all(parts)?) })
}

fn is_for_files(stanza: &Stanza) -> bool {
    stanza.get("Files").is_some()
}

/// What a name stands for is often written only once in a file.
fn words_by_name<'a>(fields: impl Iterator<Item = &'a &'a Value>) -> BTreeMap<String, &'a str> {
    let mut words = BTreeMap::new();
    for field in fields.filter(|field| !field.rest.trim().is_empty()) {
        words.entry(field.first.to_ascii_lowercase()).or_insert(field.rest.as_str());
    }
    words
}

/// The expression of one `License` field, with the words of what SPDX does not know added to `texts`.
fn expression(
    field: &Value,
    words: &BTreeMap<String, &str>,
    texts: &mut BTreeSet<LicenceText>,
) -> Option<Expression> {
    if field.first.is_empty() && field.rest.trim().is_empty() {
        return None;
    }
    let mut unknown = BTreeSet::new();
    let mut meaning = |name: &str| {
        if let Some(term) = short_name::spdx_term(name) {
            return Expression::Term(term);
        }
        let here = field.rest.as_str();
        let elsewhere = words.get(&name.to_ascii_lowercase()).copied();
        let text =
            if name == field.first && !here.trim().is_empty() { here } else { elsewhere.unwrap_or(here) };
        let text = LicenceText::new(name, text);
        let term = text.term();
        unknown.insert(text);
        term
    };
    if let Some(expression) = synopsis::parse(&field.first, &mut meaning) {
        texts.append(&mut unknown);
        return Some(expression);
    }
    let prose = LicenceText::new("unnamed", &format!("{}\n{}", field.first, field.rest));
    let term = prose.term();
    texts.insert(prose);
    Some(term)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";

    fn licence(stanzas: &str) -> Licence {
        read(&format!("{HEADER}Upstream-Name: thing\n\n{stanzas}")).unwrap()
    }

    #[test]
    fn the_licences_of_all_files_are_taken_together() {
        let licence = licence(
            "Files: *\nCopyright: 2001 A\nLicense: GPL-2+ or Artistic\n\n\
             Files: debian/*\nCopyright: B\nLicense: Expat\n You may do this.\n\n\
             License: GPL-2+\n On Debian systems see /usr/share/common-licenses/GPL-2.\n",
        );
        let expected = "MIT AND (Artistic-1.0-Perl OR GPL-2.0-or-later)";
        assert_eq!(licence.declared.unwrap().to_string(), expected);
        assert_eq!(licence.concluded.unwrap().to_string(), expected);
        assert!(licence.texts.is_empty());
    }

    #[test]
    fn what_spdx_does_not_know_comes_with_its_words() {
        let licence = licence(
            "Files: *\nLicense: public-domain\n I give it away.\n\n\
             Files: a\nLicense: Own-1 and GPL-3\n\n\
             Files: b\nLicense: missing\n\n\
             License: own-1\n Be nice.\n .\n Always.\n",
        );
        let words: Vec<_> = licence.texts.iter().map(|t| (t.name.as_str(), t.text.as_str())).collect();
        assert_eq!(words.len(), 3);
        assert!(words.contains(&("Own-1", "Be nice.\n\nAlways.")));
        assert!(words.contains(&("public-domain", "I give it away.")));
        let expression = licence.declared.unwrap().to_string();
        assert!(licence.texts.iter().all(|text| expression.contains(&text.id)), "{expression}");
        assert!(expression.contains("GPL-3.0-only"), "{expression}");
    }

    #[test]
    fn prose_in_the_place_of_a_name_is_kept_whole() {
        let licence = licence("Files: *\nLicense: Use it, copy it,\n sell it and be happy.\n");
        let [text] = licence.texts.iter().collect::<Vec<_>>()[..] else { panic!("{:?}", licence.texts) };
        assert_eq!(text.text, "Use it, copy it,\nsell it and be happy.");
    }

    #[test]
    fn a_header_may_speak_for_all() {
        assert_eq!(
            read(&format!("{HEADER}License: ISC\n")),
            Some(Licence::stated(Expression::Term("ISC".into())))
        );
    }

    #[test]
    fn other_files_are_left_to_others() {
        assert_eq!(read(""), None);
        assert_eq!(read("This is free.\n\nLicense: GPL-2\n"), None);
        assert_eq!(read(HEADER), None);
    }
}
