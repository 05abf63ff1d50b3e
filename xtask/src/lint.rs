//! `cargo xtask lint`

use anyhow::Result;

use crate::process;

pub fn run() -> Result<()> {
    process::run("cargo", &["fmt", "--all", "--check"])?;
    process::run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}
