//! A workspace of two programs: `server` (with a macro, a build script and a test library) and `other`.

use serde_json::{Value, json};

use super::*;

fn package(name: &str, source: Option<&str>, kind: &str, license: Value) -> Value {
    json!({
        "id": format!("id of {name}"), "name": name, "version": "1.0.0", "source": source, "license": license,
        "homepage": null, "repository": format!("https://example.org/{name}"), "targets": [{ "kind": [kind] }],
    })
}

fn node(name: &str, needs: &[(&str, Value)]) -> Value {
    let deps: Vec<_> = needs
        .iter()
        .map(|(name, kind)| json!({ "pkg": format!("id of {name}"), "dep_kinds": [{ "kind": kind }] }))
        .collect();
    json!({ "id": format!("id of {name}"), "deps": deps })
}

fn metadata() -> Value {
    let library = |name: &str, license: &str| package(name, Some(CRATES_IO), "lib", json!(license));
    json!({
        "workspace_members": ["id of server", "id of other"],
        "packages": [
            package("server", None, "bin", json!("Apache-2.0")),
            package("other", None, "bin", json!("Apache-2.0")),
            package("derive", Some(CRATES_IO), "proc-macro", json!("MIT")),
            package("elsewhere", Some("git+https://example.org/elsewhere#abc"), "lib", json!("my own")),
            library("common", "MIT/Apache-2.0"), library("quote", "MIT"), library("cc", "MIT"),
            library("testing", "MIT"), library("unused", "MIT"),
        ],
        "resolve": { "nodes": [
            node("server", &[
                ("common", json!(null)), ("derive", json!(null)), ("cc", json!("build")), ("testing", json!("dev")),
                ("elsewhere", json!(null)),
            ]),
            node("other", &[("unused", json!(null))]),
            node("common", &[]), node("derive", &[("quote", json!(null)), ("common", json!(null))]),
            node("elsewhere", &[]), node("quote", &[]), node("cc", &[]), node("testing", &[]), node("unused", &[]),
        ] },
    })
}

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"common\"\nversion = \"1.0.0\"\n\
                    source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"c0ffee\"\n\n\
                    [[package]]\nname = \"server\"\nversion = \"1.0.0\"\n";

fn workspace() -> Workspace {
    Workspace::parse(metadata().to_string().as_bytes(), LOCK).unwrap()
}

fn find<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a Package> {
    inventory.packages.iter().find(|package| package.name == name)
}

#[test]
fn what_runs_in_the_compiler_is_not_in_the_image() {
    let inventory = workspace().inventory(&["server"]).unwrap();
    let in_image = |name: &str| find(&inventory, name).map(|package| package.in_image);
    for name in ["server", "common", "elsewhere"] {
        assert_eq!(in_image(name), Some(true), "{name}");
    }
    for name in ["derive", "quote", "cc"] {
        assert_eq!(in_image(name), Some(false), "{name}");
    }
    for name in ["testing", "unused", "other"] {
        assert_eq!(in_image(name), None, "{name}");
    }
}

#[test]
fn relations_say_what_is_linked_and_what_builds() {
    let inventory = workspace().inventory(&["server"]).unwrap();
    let id = |name: &str| find(&inventory, name).unwrap().id();
    let has = |from: &str, kind, to: &str| {
        inventory.relations.contains(&Relation { from: id(from), kind, to: id(to) })
    };
    assert!(has("server", RelationKind::DependsOn, "common"));
    assert!(has("derive", RelationKind::BuildDependencyOf, "server"));
    assert!(has("cc", RelationKind::BuildDependencyOf, "server"));
    assert!(has("derive", RelationKind::DependsOn, "quote"));
    assert_eq!(inventory.relations.len(), 6);
}

#[test]
fn crates_carry_licence_checksum_and_package_url_where_they_have_them() {
    let inventory = workspace().inventory(&["server"]).unwrap();
    let common = find(&inventory, "common").unwrap();
    assert_eq!(common.licence.declared.as_ref().unwrap().to_string(), "Apache-2.0 OR MIT");
    assert_eq!(common.sha256.as_deref(), Some("c0ffee"));
    assert_eq!(common.purl.as_deref(), Some("pkg:cargo/common@1.0.0"));
    for name in ["server", "elsewhere"] {
        let package = find(&inventory, name).unwrap();
        assert_eq!((&package.purl, &package.sha256), (&None, &None), "{name} is not on crates.io");
    }
    assert_eq!(find(&inventory, "elsewhere").unwrap().licence, Licence::default());
}

#[test]
fn errors_say_what_to_do() {
    let error = workspace().inventory(&["sever"]).unwrap_err().to_string();
    assert!(error.contains("sever") && error.contains("other, server"), "{error}");
    let error = Workspace::parse(b"{}", LOCK).unwrap_err().to_string();
    assert!(error.contains("cargo metadata --format-version 1"), "{error}");
    let mut without = metadata();
    without["resolve"] = Value::Null;
    assert!(Workspace::parse(without.to_string().as_bytes(), LOCK).is_err());
    assert!(Workspace::parse(metadata().to_string().as_bytes(), "package = 1").is_err());
}
