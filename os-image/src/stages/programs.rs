//! Programs of the workspace, compiled in the tools of the image's release with the host's toolchain
//! brought in. One cargo call for all of a kind, so that they share their dependencies.

use std::process::Command;

use crate::cache::Stage;
use crate::error::{IoContext, Result};
use crate::key::Key;
use crate::stages::Context;
use crate::workspace::Crate;

/// How a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linking {
    /// Against the image's libraries.
    Dynamic,
    /// With everything inside, for machines of other releases and for an initramfs.
    Static,
}

pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The binaries of `crates`, side by side; `None` without crates.
pub(crate) fn stage(
    context: &Context,
    recipe: &str,
    crates: &[&Crate],
    linking: Linking,
) -> Result<Option<Stage>> {
    if crates.is_empty() {
        return Ok(None);
    }
    let names: Vec<_> = crates.iter().map(|c| c.name.as_str()).collect();
    let key = Key::default()
        .value("compiled in steps", &context.in_steps)
        .value("crates", &names)
        .value("tools", &context.tools.hash)
        .value("builder", &include_str!("programs.rs"))
        .merge("", context.workspace.sources_key(crates)?);
    let label = if linking == Linking::Static { "static programs" } else { "programs" };
    let stage = context.cache.stage(&format!("{label} {recipe}"), &key, |out, _, log| {
        let mut fetch = Command::new("cargo");
        fetch.args(["fetch", "--locked"]).current_dir(&context.workspace.root);
        log.run("download the crates named in Cargo.lock", fetch)?;
        // A folder for each kind: cargo tells intermediate results apart by compiler flags, but not where the flags remap paths, as ours do.
        // In one folder each kind would compile anew all that the other had.
        let target = match linking {
            Linking::Dynamic => "cargo-target",
            Linking::Static => "cargo-target-static",
        };
        let (target, sources) = (context.cache.persistent(target)?, context.cache.persistent("cargo-src")?);
        // The sources must not change under the compiler. It uses all processors as it is, and cargo locks its folder anyway.
        let _turn = context.cache.turn("cargo-src");
        context.workspace.mirror(&sources)?;
        let cargo_home = home::cargo_home();
        let registry = cargo_home.join("registry");
        std::fs::create_dir_all(&registry).at("create", &registry)?;
        let mut root = context
            .build_root()
            .with("src", &sources)
            .with("rust", &context.workspace.toolchain)
            .with_writable("cargo/registry", &registry)
            .with_writable("target", &target)
            .with_writable("out", out);
        let config = cargo_home.join("config.toml");
        if config.is_file() {
            root = root.with("cargo/config.toml", &config); // a replaced registry lives under another name
        }
        root.run(log, &format!("compile {}", names.join(", ")), &script(crates, linking, context.in_steps))?;
        Ok(())
    })?;
    Ok(Some(stage))
}

fn script(crates: &[&Crate], linking: Linking, in_steps: bool) -> String {
    let packages: String = crates.iter().map(|c| format!(" -p {}", c.name)).collect();
    let mut lines = vec![
        "cd /run/build/src".to_owned(),
        "export PATH=/run/build/rust/bin:$PATH CARGO_HOME=/run/build/cargo CARGO_TARGET_DIR=/run/build/target".into(),
        // RUSTFLAGS takes the place of flags in the host's configuration. A registry's folder is called after where the host
        // takes crates from, and programs name the files they were compiled from.
        format!("export RUSTC_WRAPPER= CARGO_TERM_COLOR=never CARGO_INCREMENTAL={} RUSTFLAGS=", u8::from(in_steps)),
        "for folder in $CARGO_HOME/registry/src/*; do \
         RUSTFLAGS=\"$RUSTFLAGS --remap-path-prefix=$folder=/run/build/crates\"; done"
            .into(),
    ];
    if linking == Linking::Static {
        lines.push("RUSTFLAGS=\"$RUSTFLAGS -C target-feature=+crt-static\"".into());
    }
    // A target is named even though it is the host's: what only runs while compiling (build scripts, derive macros) is then the
    // host's, whatever flags the programs are compiled with.
    lines.push(format!("cargo build --release --locked --offline --bins --target {TARGET}{packages}"));
    for (bin, _) in crates.iter().flat_map(|c| c.bins()) {
        lines.push(format!("cp /run/build/target/{TARGET}/release/{bin} /run/build/out/"));
    }
    lines.join("\n")
}

mod home {
    use std::path::PathBuf;

    /// Where cargo keeps downloaded crates.
    pub fn cargo_home() -> PathBuf {
        std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
            .unwrap_or_else(|| PathBuf::from("/root/.cargo"))
    }
}
