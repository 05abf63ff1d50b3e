//! Two folders, file by file.

use std::collections::{BTreeMap, BTreeSet};

/// Lists the folders `a.d` and `b.d`: a line for each file, and one for each content.
pub(super) const SCRIPT: &str = r"
for i in a b; do
    cd $i.d
    find . -mindepth 1 -printf $i'\tfile\t%P\t%y\t%m\t%U:%G\t%T@\t%l\n'
    find . -type f -printf '%P\0' | xargs -0 -r sha256sum | sed 's/^\([0-9a-f]*\)  \(.*\)/'$i'\tcontent\t\2\t\1/'
    cd ..
done
";

/// What [`SCRIPT`] tells of a file besides its content.
const ATTRIBUTES: [&str; 5] = ["type", "mode", "owner", "date", "target"];

#[derive(Default, PartialEq)]
struct Entry<'a> {
    attributes: Vec<&'a str>,
    content: &'a str,
}

/// The first file that is not the same in both, and what differs: `None` is its content.
///
/// Content before attributes: a folder's date changes with what is in it.
pub(super) fn first_difference(lists: &str) -> Option<(String, Option<String>)> {
    let mut sides = BTreeMap::from([("a", BTreeMap::new()), ("b", BTreeMap::new())]);
    for line in lists.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [side, kind, path, rest @ ..] = fields.as_slice() else { continue };
        let Some(side) = sides.get_mut(side) else { continue };
        let entry: &mut Entry = side.entry(*path).or_default();
        match *kind {
            "content" => entry.content = rest.first().copied().unwrap_or_default(),
            _ => entry.attributes = rest.to_vec(),
        }
    }
    let (a, b) = (&sides["a"], &sides["b"]);
    let paths: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let content = paths.iter().find_map(|path| {
        let what = match (a.get(*path), b.get(*path)) {
            (None, _) => Some("only the second build has it".to_owned()),
            (_, None) => Some("only the first build has it".to_owned()),
            (Some(a), Some(b)) if a.content != b.content => None,
            _ => return None,
        };
        Some((path.to_string(), what))
    });
    content.or_else(|| {
        paths.iter().find_map(|path| {
            let (a, b) = (&a[*path].attributes, &b[*path].attributes);
            let (name, (a, b)) = ATTRIBUTES.iter().zip(a.iter().zip(b)).find(|(_, (a, b))| a != b)?;
            Some((path.to_string(), Some(format!("its {name} is {a} and {b}"))))
        })
    })
}
