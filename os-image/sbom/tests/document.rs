//! The document as a reader of SPDX sees it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;

use jiff::Timestamp;
use os_sbom::{Expression, Inventory, Licence, LicenceText, Origin, Package, Relation, RelationKind, Sbom};
use proptest::prelude::*;
use serde_json::Value;

fn sbom(inventories: impl IntoIterator<Item = Inventory>) -> Sbom {
    let mut sbom = Sbom::new("box", "1.2", Timestamp::from_second(1_700_000_000).unwrap());
    inventories.into_iter().for_each(|inventory| sbom.add(inventory));
    sbom
}

fn read(sbom: &Sbom) -> Value {
    serde_json::from_slice(&sbom.to_json()).unwrap()
}

fn inventory(packages: Vec<Package>) -> Inventory {
    Inventory { packages, relations: Vec::new() }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

fn relations(document: &Value) -> BTreeSet<(&str, &str, &str)> {
    list(document, "relationships")
        .iter()
        .map(|relation| {
            let part = |key: &str| relation[key].as_str().unwrap();
            (part("spdxElementId"), part("relationshipType"), part("relatedSpdxElement"))
        })
        .collect()
}

#[test]
fn the_document_describes_the_image_and_the_image_contains_what_is_in_it() {
    let (linked, tool) = (Package::new(Origin::Cargo, "lib", "1"), Package::new(Origin::Cargo, "cc", "2"));
    let (lib, cc) = (linked.id(), tool.id());
    let build = Relation { from: cc.clone(), kind: RelationKind::BuildDependencyOf, to: lib.clone() };
    let packages = vec![linked, Package { in_image: false, ..tool }];
    let document = read(&sbom([Inventory { packages, relations: vec![build] }]));
    let image = document["packages"][0]["SPDXID"].as_str().unwrap();
    let expected = [
        ("SPDXRef-DOCUMENT", "DESCRIBES", image),
        (image, "CONTAINS", lib.as_str()),
        (cc.as_str(), "BUILD_DEPENDENCY_OF", lib.as_str()),
    ];
    assert_eq!(relations(&document), expected.into());
    assert_eq!(document["creationInfo"]["created"], "2023-11-14T22:13:20Z");
    assert_eq!(document["spdxVersion"], "SPDX-2.3");
}

#[test]
fn a_package_shows_all_that_is_known_of_it() {
    let package = Package {
        purl: Some("pkg:deb/debian/a@1".into()),
        sha256: Some("00ff".into()),
        licence: Licence::stated(Expression::parse("MIT/Zlib").unwrap()),
        ..Package::new(Origin::Debian, "a", "1")
    };
    let document = read(&sbom([inventory(vec![package])]));
    let shown = &document["packages"][1];
    assert_eq!(shown["licenseConcluded"], "MIT OR Zlib");
    assert_eq!(shown["checksums"][0]["checksumValue"], "00ff");
    assert_eq!(shown["externalRefs"][0]["referenceLocator"], "pkg:deb/debian/a@1");
    assert_eq!((&shown["downloadLocation"], &shown["filesAnalyzed"]), (&"NOASSERTION".into(), &false.into()));
}

#[test]
fn the_summary_names_packages_without_a_licence() {
    let quoted = LicenceText::new("own", "words");
    let licence = Licence { declared: Some(quoted.term()), texts: [quoted].into(), ..Licence::default() };
    let stated = Licence::stated(Expression::parse("MIT").unwrap());
    let summary = sbom([inventory(vec![
        Package { licence, ..Package::new(Origin::Debian, "quoted", "1") },
        Package { licence: stated, ..Package::new(Origin::Debian, "stated", "1") },
        Package::new(Origin::Debian, "silent", "1"),
    ])])
    .summary();
    let expected = "3 packages: licence stated of 1, quoted of 1, unknown of 1 (silent 1)";
    assert_eq!(summary.to_string(), expected);
    assert_eq!(summary.quoted, ["quoted 1"]);
}

#[test]
fn another_content_has_another_namespace() {
    let namespace = |name: &str| {
        let document = read(&sbom([inventory(vec![Package::new(Origin::Other, name, "1")])]));
        document["documentNamespace"].as_str().unwrap().to_owned()
    };
    assert!(namespace("a").starts_with("https://spdx.org/spdxdocs/box-1.2-"));
    assert_eq!(namespace("a"), namespace("a"));
    assert_ne!(namespace("a"), namespace("b"));
}

fn package() -> impl Strategy<Value = Package> {
    let licence = prop_oneof![
        Just(Licence::default()),
        Just(Licence::stated(Expression::parse("MIT").unwrap())),
        ("\\PC{0,6}", "\\PC{0,6}").prop_map(|(name, text)| {
            let text = LicenceText::new(&name, &text);
            Licence { declared: Some(text.term()), texts: [text].into(), ..Licence::default() }
        }),
    ];
    let origin = prop_oneof![Just(Origin::Debian), Just(Origin::Cargo), Just(Origin::Other)];
    (origin, "\\PC{0,3}", "[a-c+~-]{0,2}", any::<bool>(), proptest::option::of("[0-9a-f]{2}"), licence)
        .prop_map(|(origin, name, version, in_image, sha256, licence)| Package {
            in_image,
            sha256,
            licence,
            ..Package::new(origin, name, version)
        })
}

proptest! {
    #[test]
    fn every_identifier_is_valid_unique_and_referenced(packages in proptest::collection::vec(package(), 0..20)) {
        let document = read(&sbom([inventory(packages)]));
        let ids: Vec<_> = list(&document, "packages").iter().map(|p| p["SPDXID"].as_str().unwrap()).collect();
        let unique: BTreeSet<_> = ids.iter().copied().collect();
        prop_assert_eq!(unique.len(), ids.len());
        let valid = |id: &str| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
        prop_assert!(ids.iter().all(|id| id.starts_with("SPDXRef-") && valid(id)));
        for (from, _, to) in relations(&document) {
            prop_assert!(unique.contains(to) && (unique.contains(from) || from == "SPDXRef-DOCUMENT"));
        }
        let declared: Vec<_> = list(&document, "packages").iter().map(|p| &p["licenseDeclared"]).collect();
        let quoted: Vec<_> =
            list(&document, "hasExtractedLicensingInfos").iter().map(|licence| &licence["licenseId"]).collect();
        prop_assert!(quoted.iter().all(|id| declared.contains(id) && valid(id.as_str().unwrap())));
        let refs = declared.iter().filter(|d| d.as_str().unwrap().starts_with("LicenseRef-"));
        prop_assert!(refs.into_iter().all(|id| quoted.contains(id)));
    }

    #[test]
    fn the_order_of_the_input_makes_no_difference(
        (packages, shuffled) in proptest::collection::vec(package(), 0..12)
            .prop_flat_map(|packages| (Just(packages.clone()), Just(packages).prop_shuffle())),
        cut in 0..12_usize,
    ) {
        let whole = sbom([inventory(packages)]).to_json();
        let (first, second) = shuffled.split_at(cut.min(shuffled.len()));
        prop_assert_eq!(&whole, &sbom([inventory(first.to_vec()), inventory(second.to_vec())]).to_json());
    }
}
