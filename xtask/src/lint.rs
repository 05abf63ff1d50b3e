//! `cargo xtask lint`

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{paths, process};

/// The worst a unit may score in `systemd-analyze security`, which gives 0 (locked up) to 10 (unconfined), in tenths.
const EXPOSURE: u32 = 30;

/// Units that may score worse: theirs and why.
const EXPOSED: [(&str, u32, &str); 3] = [
    (
        "understudy-agent.service",
        75,
        "reads every disk, loads BPF programs, and needs the host's own mounts to freeze them",
    ),
    ("understudy-agent-watchdog.service", 60, "needs the host's own mounts to thaw them, whatever happens"),
    ("understudy-support-shell@.service", 100, "is a shell of root's, for what nobody thought of"),
];

pub fn run() -> Result<()> {
    process::run("cargo", &["fmt", "--all", "--check"])?;
    process::run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    units()
}

/// How much each of our units leaves to whoever takes its process over.
fn units() -> Result<()> {
    let mut found = Vec::new();
    for folder in ["services", "recipes/appliance"] {
        collect(&paths::workspace().join(folder), &mut found)?;
    }
    for unit in &found {
        let name = unit.file_name().unwrap_or_default().to_string_lossy();
        let exception = EXPOSED.iter().find(|(exposed, ..)| *exposed == name);
        let allowed = exception.map_or(EXPOSURE, |(_, allowed, _)| *allowed);
        let threshold = format!("--threshold={allowed}");
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", &threshold])
            .arg(unit)
            .output()
            .context("cannot start systemd-analyze")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{} is exposed more than {:.1}, or cannot be judged; sandbox it, see systemd.exec(5):\n{text}{why}",
                unit.display(),
                f64::from(allowed) / 10.0
            );
        }
        let verdict = text.lines().last().unwrap_or_default().trim_start_matches(['→', ' ']);
        eprintln!(
            "{verdict}{}",
            exception.map(|(.., why)| format!(", because it {why}")).unwrap_or_default()
        );
    }
    Ok(())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "service") {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}
