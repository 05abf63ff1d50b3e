//! The installed packages, from dpkg's status file (`deb822(5)`, `dpkg-query(1)`).

use super::fields::{Stanza, stanzas};

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installed {
    pub name: String,
    pub version: String,
    pub architecture: String,
    /// Name and version of the source package.
    pub source: (String, String),
    /// `NAME <ADDRESS>`
    pub maintainer: Option<String>,
    pub homepage: Option<String>,
}

impl Installed {
    /// The name under which apt keeps the package's file: what could end a part of the name is written as its
    /// byte in hexadecimal digits.
    pub fn deb(&self) -> String {
        let quote = |part: &str| part.replace('%', "%25").replace('_', "%5f").replace(':', "%3a");
        format!("{}_{}_{}.deb", quote(&self.name), quote(&self.version), quote(&self.architecture))
    }
}

/// All packages of a status file that are installed: removed ones may leave a stanza behind.
pub(super) fn installed(status: &str) -> Vec<Installed> {
    stanzas(status).iter().filter_map(package).collect()
}

fn package(stanza: &Stanza) -> Option<Installed> {
    stanza.line("Status")?.ends_with(" installed").then_some(())?;
    let (name, version) = (stanza.line("Package")?, stanza.line("Version")?);
    Some(Installed {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: stanza.line("Architecture")?.to_owned(),
        source: source(stanza.line("Source").unwrap_or(name), version),
        maintainer: stanza.line("Maintainer").map(str::to_owned),
        homepage: stanza.line("Homepage").map(str::to_owned),
    })
}

/// `NAME`, or `NAME (VERSION)` where the source's version is another one.
fn source(field: &str, version: &str) -> (String, String) {
    match field.split_once(" (") {
        Some((name, source_version)) => (name.into(), source_version.trim_end_matches(')').into()),
        None => (field.into(), version.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_read_with_their_source() {
        let packages = installed(
            "Package: libz1\nStatus: install ok installed\nArchitecture: amd64\nSource: zed (1:2.0)\n\
             Version: 1:2.0+b1\nMaintainer: Zed Team <zed@example.org>\nDescription: x\n y\n\n\
             Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\
             Package: plain\nStatus: hold ok installed\nArchitecture: all\nVersion: 3-1\n",
        );
        assert_eq!(packages.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["libz1", "plain"]);
        assert_eq!(packages[0].source, ("zed".into(), "1:2.0".into()));
        assert_eq!(packages[0].deb(), "libz1_1%3a2.0+b1_amd64.deb");
        assert_eq!(packages[1].source, ("plain".into(), "3-1".into()));
    }
}
