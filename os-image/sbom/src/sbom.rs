//! The bill of materials of one image.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::document::{CreationInfo, DOCUMENT_ID, Document, IMAGE_ID, PackageInformation};
use crate::{Inventory, Origin, Package, Relation, RelationKind, Summary};

/// What an image is made of. Equal parts give equal bytes, in whatever order they were added.
#[derive(Debug)]
pub struct Sbom {
    image: Package,
    created: Timestamp,
    packages: BTreeMap<String, Package>,
    relations: BTreeSet<Relation>,
}

impl Sbom {
    /// The bill of an image that is still empty. `created` is the instant that the image's inputs have, not the
    /// one at which this runs; fractions of a second are dropped.
    pub fn new(name: &str, version: &str, created: Timestamp) -> Self {
        let image = Package::new(Origin::Other, name, version);
        let mut sbom = Self { image, created, packages: BTreeMap::new(), relations: BTreeSet::new() };
        sbom.relate(DOCUMENT_ID, RelationKind::Describes, IMAGE_ID);
        sbom
    }

    /// Adds packages. Of one that comes twice the description that says more is kept, and it is in the image if
    /// either says so.
    pub fn add(&mut self, inventory: Inventory) {
        for package in inventory.packages {
            let id = package.id();
            if package.in_image {
                self.relate(IMAGE_ID, RelationKind::Contains, &id);
            }
            // The order of packages puts what is there behind what is not.
            let known = self.packages.remove(&id);
            self.packages.extend(known.into_iter().chain([package]).max().map(|most| (id, most)));
        }
        self.relations.extend(inventory.relations);
    }

    fn relate(&mut self, from: &str, kind: RelationKind, to: &str) {
        self.relations.insert(Relation { from: from.to_owned(), kind, to: to.to_owned() });
    }

    /// How many packages there are, and what is known of their licences.
    pub fn summary(&self) -> Summary {
        Summary::of(self.packages.values())
    }

    /// The document: SPDX 2.3 in JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut document = self.document();
        // A namespace has to be this document's alone (clause 6.5) and still the same for the same content.
        let hash = Sha256::digest(json(&document));
        let unique = uuid::Builder::from_custom_bytes(hash[..16].try_into().expect("SHA-256 has 32 bytes"));
        document.document_namespace =
            format!("https://spdx.org/spdxdocs/{}-{}", crate::text::slug(&document.name), unique.into_uuid());
        json(&document)
    }

    fn document(&self) -> Document<'_> {
        let texts: BTreeSet<_> = self.packages.values().flat_map(|package| &package.licence.texts).collect();
        let image = PackageInformation::new(IMAGE_ID, &self.image, Some("OPERATING_SYSTEM"));
        let packages = self.packages.iter().map(|(id, package)| PackageInformation::new(id, package, None));
        Document {
            id: DOCUMENT_ID,
            spdx_version: "SPDX-2.3",
            data_license: "CC0-1.0",
            name: format!("{}-{}", self.image.name, self.image.version),
            document_namespace: String::new(),
            creation_info: CreationInfo {
                created: self.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                creators: vec![concat!("Tool: os-sbom-", env!("CARGO_PKG_VERSION")).to_owned()],
                license_list_version: list_version(),
            },
            packages: [image].into_iter().chain(packages).collect(),
            has_extracted_licensing_infos: texts.into_iter().map(Into::into).collect(),
            relationships: self.relations.iter().map(Into::into).collect(),
        }
    }
}

/// "3.29": the format has two numbers (clause 6.7).
fn list_version() -> String {
    spdx::license_version().splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

fn json(document: &Document) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(document).expect("plain data with string keys");
    json.push(b'\n');
    json
}
