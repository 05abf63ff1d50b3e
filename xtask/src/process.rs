//! Programs whose output a person watches.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Runs a program in the workspace, its output shown; says what it was and how long it took.
pub fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let shown = format!("{program} {}", arguments.join(" "));
    eprintln!("$ {shown}");
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(crate::paths::workspace())
        .status()
        .with_context(|| format!("cannot start `{program}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status}); its output stands above");
    }
    eprintln!("# {shown}: {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}
