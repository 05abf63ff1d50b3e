//! What an image is made of, whatever kind of package it came in.

use crate::Licence;
use crate::text::{fingerprint, slug};

/// One package. Two with the same origin, name, version and package URL are the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// The kind of package.
    pub origin: Origin,
    /// Its name there.
    pub name: String,
    /// Its version there.
    pub version: String,
    /// Package URL, for what can be had from a public archive.
    pub purl: Option<String>,
    /// Who is responsible for it, as SPDX wants it: `Organization: NAME (ADDRESS)`.
    pub supplier: Option<String>,
    /// Its page on the web.
    pub homepage: Option<String>,
    /// The source it was built from, in words.
    pub source_info: Option<String>,
    /// The file it came in.
    pub file_name: Option<String>,
    /// SHA-256 of that file, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Its licence.
    pub licence: Licence,
    /// Whether it, or code from it, lies in the image; else it only took part in making the image.
    pub in_image: bool,
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A Debian archive.
    Debian,
    /// Cargo: a registry, or the workspace itself.
    Cargo,
    /// Anything else that the maker of the image knows of.
    Other,
}

impl Package {
    /// A package of the image of which nothing more is known yet.
    pub fn new(origin: Origin, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            origin,
            name: name.into(),
            version: version.into(),
            purl: None,
            supplier: None,
            homepage: None,
            source_info: None,
            file_name: None,
            sha256: None,
            licence: Licence::default(),
            in_image: true,
        }
    }

    /// Its identifier in a document (SPDX 2.3, clause 7.2).
    pub fn id(&self) -> String {
        let origin = match self.origin {
            Origin::Debian => "deb",
            Origin::Cargo => "crate",
            Origin::Other => "other",
        };
        let purl = self.purl.as_deref().unwrap_or_default();
        let tail = fingerprint(&[origin, &self.name, &self.version, purl]);
        format!("SPDXRef-{origin}-{}-{tail}", slug(&self.name))
    }
}

/// Packages and what they have to do with one another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The packages, in any order.
    pub packages: Vec<Package>,
    /// Relations among them.
    pub relations: Vec<Relation>,
}

/// `from KIND to`, both [`Package::id`]s.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    /// Subject.
    pub from: String,
    /// Verb.
    pub kind: RelationKind,
    /// Object.
    pub to: String,
}

/// The verbs of SPDX 2.3, clause 11.1, that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RelationKind {
    /// The document is about a package.
    Describes,
    /// A package lies in another.
    Contains,
    /// A package needs another when it runs.
    DependsOn,
    /// A package is needed to build another and does not become part of it.
    BuildDependencyOf,
}
