//! The appliance's bill of materials, as a stranger reads it: the SPDX project's own validator, and a look for what is easily forgotten.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::narrate::Narrator;

const RECIPE: &str = "recipes/appliance-qemu.toml";
/// The validator and what it needs, with hashes.
const VALIDATOR: &str = include_str!("sbom-validator.txt");
/// What no list of installed packages or of crates shows: GRUB and busybox come from the builder's tools, the C library in static
/// programs too, the module of ZFS from a root that is thrown away, the standard library from the compiler.
const FORGOTTEN: [&str; 5] = ["grub-efi-amd64-bin", "busybox-static", "libc6-dev", "zfs-dkms", "rust-std"];

/// Plays it; the validator is installed below `out`.
pub fn play(
    workspace: &Path,
    builder: &os_image::Builder,
    out: &Path,
    narrator: &Narrator,
) -> anyhow::Result<()> {
    let file = narrator.step("build the appliance with its bill of materials", || {
        builder.build(&workspace.join(RECIPE))?.sbom.context("the image has no bill of materials")
    })?;
    let validator = narrator.step("install the SPDX project's validator", || install(out))?;
    narrator.step("the validator accepts the bill", || run(Command::new(validator).arg("-i").arg(&file)))?;
    narrator.step("nothing is forgotten, and no licence unknown", || complete(&file))
}

/// Makes a Python environment of its own, so that the host's stays as it is.
fn install(out: &Path) -> anyhow::Result<std::path::PathBuf> {
    let environment = out.join("validator");
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let programs = environment.join("bin");
    let requirements = out.join("requirements.txt");
    std::fs::write(&requirements, VALIDATOR)
        .with_context(|| format!("cannot write {}", requirements.display()))?;
    let pip = programs.join("pip");
    run(Command::new(pip).args(["install", "--quiet", "--require-hashes", "-r"]).arg(&requirements))?;
    Ok(programs.join("pyspdxtools"))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{name}: {}:\n{}", output.status, String::from_utf8_lossy(&said));
    Ok(())
}

fn complete(file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let document: Value = serde_json::from_slice(&text)?;
    let all = document["packages"].as_array().context("the bill has no packages")?;
    let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    for forgotten in FORGOTTEN {
        ensure!(all.iter().any(|package| name(package) == forgotten), "{forgotten} is not in the bill");
    }
    // The first is the image itself.
    let unknown = all.iter().skip(1).filter(|package| package["licenseDeclared"] == "NOASSERTION");
    let unknown: Vec<_> = unknown.map(name).collect();
    ensure!(unknown.is_empty(), "no licence is known of {}", unknown.join(", "));
    Ok(())
}
