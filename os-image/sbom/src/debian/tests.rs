//! Root filesystems and package files, small ones.

use std::process::Command;

use proptest::prelude::*;

use super::tree::tests::tar;
use super::*;

const OS_RELEASE: &str = "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=trixie\nID=debian\n";

const STATUS: &str = "\
Package: tool\nStatus: install ok installed\nArchitecture: amd64\nSource: suite (1:1.0)\nVersion: 1:1.0+b1\n\
Maintainer: Tool Team <tool@example.org>\nHomepage: https://example.org/tool\n\n\
Package: tool-doc\nStatus: install ok installed\nArchitecture: all\nVersion: 1:1.0\n\n\
Package: bare\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n";

fn root(entries: &[(&str, &str)]) -> Root {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("root.tar");
    let mut all = vec![("var/lib/dpkg/status", STATUS), ("usr/lib/os-release", OS_RELEASE)];
    all.extend(entries);
    std::fs::write(&file, tar(&all)).unwrap();
    Root::read(&file).unwrap()
}

fn declared(package: &Package) -> Option<String> {
    package.licence.declared.as_ref().map(ToString::to_string)
}

#[test]
fn packages_are_listed_with_all_that_dpkg_knows() {
    let entries = [("usr/share/doc/tool/copyright", "Format: x/copyright-format/1.0\nLicense: Expat\n")];
    let inventory = root(&entries).inventory(Path::new("/nonexistent")).unwrap();
    let [tool, doc, bare] = &inventory.packages[..] else { panic!("{inventory:?}") };
    assert_eq!(tool.purl.as_deref(), Some("pkg:deb/debian/tool@1:1.0%2Bb1?arch=amd64&distro=trixie"));
    assert_eq!(tool.supplier.as_deref(), Some("Organization: Tool Team (tool@example.org)"));
    assert_eq!(tool.source_info.as_deref(), Some("built from the source package suite 1:1.0"));
    assert_eq!(tool.homepage.as_deref(), Some("https://example.org/tool"));
    assert_eq!(declared(tool).as_deref(), Some("MIT"));
    assert_eq!((doc.licence.clone(), bare.sha256.clone()), (Licence::default(), None));
}

#[test]
fn licences_and_checksums_come_from_package_files() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, debs) = (dir.path().join("tree"), dir.path().join("debs"));
    let doc = tree.join("usr/share/doc/tool");
    for folder in [&doc, &tree.join("DEBIAN"), &debs] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(doc.join("copyright"), "Format: x/copyright-format/1.0\nLicense: GPL-3+\n").unwrap();
    std::os::unix::fs::symlink("tool", tree.join("usr/share/doc/tool-doc")).unwrap();
    let control = "Package: tool\nVersion: 1:1.0+b1\nArchitecture: amd64\nMaintainer: x\nDescription: x\n";
    std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let deb = debs.join("tool_1%3a1.0+b1_amd64.deb");
    let build =
        Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&tree).arg(&deb).output();
    assert!(build.unwrap().status.success());

    let packages = root(&[]).inventory(&debs).unwrap().packages;
    assert_eq!(declared(&packages[0]).as_deref(), Some("GPL-3.0-or-later"));
    assert_eq!(
        declared(&packages[1]).as_deref(),
        Some("GPL-3.0-or-later"),
        "through the link in tool's package"
    );
    assert_eq!(packages[0].sha256, Some(deb::sha256(&deb).unwrap()));
    assert_eq!(packages[0].file_name.as_deref(), Some("tool_1%3a1.0+b1_amd64.deb"));
    assert_eq!(declared(&packages[2]), None);

    std::fs::write(&deb, "no package").unwrap();
    let error = root(&[]).inventory(&debs).unwrap_err().to_string();
    assert!(error.contains("tool_1%3a1.0+b1_amd64.deb"), "{error}");
}

#[test]
fn some_packages_of_a_root_can_be_picked() {
    let root = |names: &[&str]| Root::new(STATUS, OS_RELEASE).unwrap().only(names);
    let packages = root(&["bare"]).unwrap().inventory(Path::new("/nonexistent")).unwrap().packages;
    assert_eq!(packages.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["bare"]);
    assert!(root(&["bare", "gone"]).unwrap_err().to_string().contains("gone"));
}

#[test]
fn a_root_without_packages_is_refused() {
    assert!(Root::new("", OS_RELEASE).unwrap_err().to_string().contains("Debian"));
    assert!(Root::new(STATUS, "ID=debian\n").unwrap_err().to_string().contains("VERSION_CODENAME"));
}

/// Lines as they stand in copyright files, in senseless orders.
fn copyright_file() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        Just("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n".to_owned()),
        Just("\n".to_owned()),
        Just(" .\n".to_owned()),
        "(Files|License|Copyright|Comment): \\PC{0,40}\n",
        "License: ((A?L?GPL|GFDL|Expat|Artistic|own)[-+v0-9.]{0,5}( and | or |, and |, | with |/)?){0,4}\n",
        "License: [A-Za-z]{1,5} with \\PC{0,10} exception\n",
        " (see /usr/share/common-licenses/)?\\PC{0,40}\n",
        "\\PC{0,60}\n",
    ];
    proptest::collection::vec(fragment, 0..30).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn any_copyright_file_gives_a_valid_expression_whose_texts_are_all_used(text in copyright_file()) {
        let licence = licence(&text);
        let declared = licence.declared.expect("a file that is there says something").to_string();
        prop_assert!(spdx::Expression::parse(&declared).is_ok(), "{declared}");
        for text in &licence.texts {
            prop_assert!(declared.contains(&text.id));
        }
        let quoted = declared.matches("LicenseRef-").count();
        prop_assert!(quoted >= licence.texts.len());
    }
}
