//! The crates of this very workspace.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use os_sbom::{Inventory, cargo, policy};

/// What all members are made of, as cargo resolves it for the programs of an image.
fn inventory() -> Inventory {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform"];
    let output =
        Command::new(cargo).args(arguments).arg("x86_64-unknown-linux-gnu").current_dir(folder).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lock =
        folder.ancestors().map(|folder| folder.join("Cargo.lock")).find(|file| file.is_file()).unwrap();
    let workspace = cargo::Workspace::parse(&output.stdout, &std::fs::read_to_string(lock).unwrap()).unwrap();
    let members = workspace.members();
    assert!(members.contains(&"os-sbom"), "{members:?}");
    workspace.inventory(&members).unwrap()
}

#[test]
fn every_crate_may_be_part_of_a_program_under_apache_2() {
    let offenders: Vec<_> = policy::offenders(&inventory()).iter().map(ToString::to_string).collect();
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn every_crate_from_a_registry_has_its_checksum() {
    let inventory = inventory();
    let without =
        inventory.packages.iter().filter(|package| package.purl.is_some() && package.sha256.is_none());
    assert_eq!(without.map(|package| &package.name).collect::<Vec<_>>(), [] as [&String; 0]);
}

#[test]
fn relations_are_among_listed_crates() {
    let inventory = inventory();
    let ids: BTreeSet<_> = inventory.packages.iter().map(|package| package.id()).collect();
    assert_eq!(ids.len(), inventory.packages.len());
    assert!(
        inventory.relations.iter().all(|relation| ids.contains(&relation.from) && ids.contains(&relation.to))
    );
}
