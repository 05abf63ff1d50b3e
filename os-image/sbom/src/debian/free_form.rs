//! Copyright files in prose (Debian Policy, section 12.5).

use crate::{Expression, Licence, LicenceText};

use super::short_name;

const FOLDER: &str = "common-licenses/";

/// Links to whatever version is the newest, and a text that is seldom the one meant.
const SAYS_NOTHING: [&str; 5] = ["GPL", "LGPL", "GFDL", "AGPL", "BSD"];

/// The file itself as the licence, together with the common licences that it refers to. Nothing is concluded:
/// the reference may be about a part of the package only.
pub(super) fn read(text: &str) -> Licence {
    let whole = LicenceText::new("copyright file", text);
    let references = references(text);
    let mut comment = "The copyright file is prose, quoted in whole.".to_owned();
    if !references.is_empty() {
        comment += &format!(" It refers to the common licences {}.", references.join(", "));
    }
    let later = says_or_later(text);
    let named = references.iter().filter_map(|name| {
        let later = if later && short_name::is_gnu(name) { "+" } else { "" };
        short_name::spdx_term(&format!("{name}{later}")).map(Expression::Term)
    });
    Licence {
        declared: Expression::all(named.chain([whole.term()])),
        concluded: None,
        texts: [whole].into(),
        comment: Some(comment),
    }
}

/// The versions of common licences that a text refers to, in order.
fn references(text: &str) -> Vec<String> {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    let mut names: Vec<String> = text
        .split(FOLDER)
        .skip(1)
        .map(|rest| rest.split(|c| !part_of_name(c)).next().unwrap_or_default())
        .map(|name| name.trim_end_matches(['.', '-']).to_owned())
        .filter(|name| !name.is_empty() && !SAYS_NOTHING.contains(&name.as_str()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether the usual words of GNU's licences offer later versions.
fn says_or_later(text: &str) -> bool {
    let words: Vec<_> = text.split_whitespace().collect();
    words.windows(3).any(|three| three[0] == "any" && three[1] == "later" && three[2].starts_with("version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_licences_are_named_beside_the_quoted_file() {
        let text = "It is free: either version 2, or any\nlater version.\n\
                    See /usr/share/common-licenses/GPL-2, `/usr/share/common-licenses/LGPL-2.1'\n\
                    and /usr/share/common-licenses/GPL.\n";
        let licence = read(text);
        let id = &licence.texts.first().unwrap().id;
        let expected = format!("GPL-2.0-or-later AND LGPL-2.1-or-later AND {id}");
        assert_eq!(licence.declared.unwrap().to_string(), expected);
        assert_eq!(licence.concluded, None);
        assert!(licence.comment.unwrap().ends_with("common licences GPL-2, LGPL-2.1."));
    }

    #[test]
    fn without_the_offer_of_later_versions_only_the_named_one_counts() {
        let declared = read("See /usr/share/common-licenses/GPL-2.").declared.unwrap().to_string();
        assert!(declared.starts_with("GPL-2.0-only AND LicenseRef-"), "{declared}");
    }
}
