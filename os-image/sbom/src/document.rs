//! An SPDX document as it stands in a file (SPDX 2.3, JSON serialisation). Fields are in the specification's
//! order; an absent one is left out.

use serde::Serialize;

use crate::{LicenceText, Package, Relation, RelationKind};

/// What SPDX writes where nothing is known (2.3, clause 7.7 and others).
const NOASSERTION: &str = "NOASSERTION";
/// The document's own identifier (clause 6.3).
pub(crate) const DOCUMENT_ID: &str = "SPDXRef-DOCUMENT";
/// The image's; no package has it, theirs say where they come from.
pub(crate) const IMAGE_ID: &str = "SPDXRef-image";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    #[serde(rename = "SPDXID")]
    pub id: &'static str,
    pub spdx_version: &'static str,
    pub data_license: &'static str,
    pub name: String,
    pub document_namespace: String,
    pub creation_info: CreationInfo,
    pub packages: Vec<PackageInformation<'a>>,
    pub has_extracted_licensing_infos: Vec<ExtractedLicence<'a>>,
    pub relationships: Vec<Relationship<'a>>,
}

/// Clause 6.8 to 6.10.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreationInfo {
    pub created: String,
    pub creators: Vec<String>,
    pub license_list_version: String,
}

/// Clause 7.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageInformation<'a> {
    #[serde(rename = "SPDXID")]
    id: &'a str,
    name: &'a str,
    version_info: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_file_name: Option<&'a str>,
    supplier: &'a str,
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksums: Option<[Checksum<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<&'a str>,
    license_concluded: String,
    license_declared: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_comments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_refs: Option<[ExternalRef<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum<'a> {
    algorithm: &'static str,
    checksum_value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef<'a> {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: &'a str,
}

/// Clause 10.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExtractedLicence<'a> {
    license_id: &'a str,
    extracted_text: &'a str,
    name: &'a str,
}

/// Clause 11.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Relationship<'a> {
    spdx_element_id: &'a str,
    relationship_type: RelationKind,
    related_spdx_element: &'a str,
}

impl<'a> PackageInformation<'a> {
    pub fn new(id: &'a str, package: &'a Package, purpose: Option<&'static str>) -> Self {
        let expression = |expression: &Option<crate::Expression>| {
            expression.as_ref().map_or_else(|| NOASSERTION.to_owned(), ToString::to_string)
        };
        Self {
            id,
            name: &package.name,
            version_info: &package.version,
            package_file_name: package.file_name.as_deref(),
            supplier: package.supplier.as_deref().unwrap_or(NOASSERTION),
            download_location: NOASSERTION, // mirrors come and go; the package URL names the package
            files_analyzed: false,
            checksums: package
                .sha256
                .as_deref()
                .map(|checksum_value| [Checksum { algorithm: "SHA256", checksum_value }]),
            homepage: package.homepage.as_deref(),
            source_info: package.source_info.as_deref(),
            license_concluded: expression(&package.licence.concluded),
            license_declared: expression(&package.licence.declared),
            license_comments: package.licence.comment.as_deref(),
            external_refs: package.purl.as_deref().map(|reference_locator| {
                [ExternalRef {
                    reference_category: "PACKAGE-MANAGER",
                    reference_type: "purl",
                    reference_locator,
                }]
            }),
            primary_package_purpose: purpose,
        }
    }
}

impl<'a> From<&'a LicenceText> for ExtractedLicence<'a> {
    fn from(licence: &'a LicenceText) -> Self {
        Self { license_id: &licence.id, extracted_text: &licence.text, name: &licence.name }
    }
}

impl<'a> From<&'a Relation> for Relationship<'a> {
    fn from(relation: &'a Relation) -> Self {
        Self {
            spdx_element_id: &relation.from,
            relationship_type: relation.kind,
            related_spdx_element: &relation.to,
        }
    }
}
