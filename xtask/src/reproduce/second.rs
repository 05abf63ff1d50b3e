//! The surroundings of the second build: nothing in them that could leave a trace in an image is as it was for the first.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::report::Varied;
use crate::paths;
use crate::sources::{self, copy};

/// Somebody who exists in the second build's mount namespace only.
const SOMEBODY: &str = "61234";
const UMASK: &str = "0077";
const TIME_ZONE: &str = "XYZ-13:45";
const LOCALE: &str = "POSIX";

pub struct Surroundings {
    folder: PathBuf,
    /// Only root can be somebody else.
    root: bool,
}

impl Surroundings {
    /// Puts into `folder` what the second build needs: sources that git knows, crates, toolchain, certificates, this program.
    pub fn prepare(folder: &Path, keyring: &Path) -> Result<Self> {
        let surroundings = Self { folder: folder.to_owned(), root: nix::unistd::geteuid().is_root() };
        sources::copy_workspace(&surroundings.workspace())?;
        let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo = cargo.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
        let cargo = cargo.context("no home folder: set HOME or CARGO_HOME")?;
        // Not what was unpacked from them: that is made again.
        for name in ["config.toml", "registry/cache", "registry/index"] {
            copy(&cargo.join(name), &folder.join("cargo").join(name))?;
        }
        copy(keyring, &surroundings.keyring())?;
        copy(&std::env::current_exe()?, &folder.join("xtask"))?;
        std::fs::create_dir(folder.join("home"))?;
        let toolchain = output(Command::new("rustc").args(["--print", "sysroot"]))?;
        std::os::unix::fs::symlink(toolchain.trim(), folder.join("toolchain"))?;
        if surroundings.root {
            surroundings.make_somebody()?;
        }
        Ok(surroundings)
    }

    /// What the command below lays over `/etc`; and the folders become somebody's. Packages do not: they are links to the host's.
    fn make_somebody(&self) -> Result<()> {
        let read = |name: &str| std::fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
        let range = |name: &str| {
            let range = read(name).lines().find_map(|line| line.strip_prefix("root:").map(str::to_owned));
            range
                .map(|range| format!("somebody:{range}"))
                .with_context(|| format!("/etc/{name} has no range for root"))
        };
        for (name, line) in [
            ("passwd", format!("somebody:x:{SOMEBODY}:{SOMEBODY}::/:/bin/sh")),
            ("group", format!("somebody:x:{SOMEBODY}:")),
            ("subuid", range("subuid")?),
            ("subgid", range("subgid")?),
        ] {
            std::fs::write(self.folder.join(name), format!("{}{line}\n", read(name)))?;
        }
        std::fs::create_dir(self.folder.join("rust"))?;
        let chown = |words: &[&str]| output(Command::new("chown").args(words).current_dir(&self.folder));
        chown(&["-R", SOMEBODY, "workspace", "cargo", "home"])?;
        chown(&[SOMEBODY, ".", "cache", "cache/debs", "keyring.pem"])?;
        Ok(())
    }

    /// Where the sources are.
    pub fn workspace(&self) -> PathBuf {
        self.folder.join("workspace")
    }

    /// The certificates for the image.
    pub fn keyring(&self) -> PathBuf {
        self.folder.join("keyring.pem")
    }

    /// This program, in these surroundings.
    pub fn command(&self) -> Command {
        // The toolchain may lie where only root gets to.
        let somebody = format!(
            "for file in passwd group subuid subgid; do mount --bind $F/$file /etc/$file; done
             mount --bind $F/toolchain $F/rust; rust=$F/rust
             become='setpriv --reuid {SOMEBODY} --regid {SOMEBODY} --clear-groups --pdeathsig KILL'"
        );
        let script = format!(
            "{who}
             umask {UMASK}; cd $F/workspace
             exec $become env -i HOME=$F/home USER=somebody CARGO_HOME=$F/cargo PATH=$rust/bin:$PATH TZ={TIME_ZONE} \
             LC_ALL={LOCALE} http_proxy=\"${{http_proxy-}}\" https_proxy=\"${{https_proxy-}}\" $F/xtask \"$@\"",
            who = if self.root { &somebody } else { "rust=$F/toolchain; become=" },
        );
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if self.root {
            command.args(["unshare", "--mount"]);
        }
        command.args(["sh", "-euc", &script, "sh"]).env("F", &self.folder);
        command
    }

    /// What is different around the two builds.
    pub fn varied(&self, first: &Path, later: Duration) -> Vec<Varied> {
        let shown = |path: &Path| path.display().to_string();
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| "unset".into());
        let user = nix::unistd::geteuid().to_string();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let umask =
            status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap_or("?").trim().to_owned();
        let somebody = if self.root { SOMEBODY.into() } else { user.clone() };
        [
            ("sources", [shown(paths::workspace()), shown(&self.workspace())]),
            ("cache", [shown(&first.join("cache")), shown(&self.folder.join("cache"))]),
            ("user", [user, somebody]),
            ("umask", [umask, UMASK.into()]),
            ("time zone", [variable("TZ"), TIME_ZONE.into()]),
            ("locale", [variable("LC_ALL"), LOCALE.into()]),
            ("time", ["now".into(), format!("{} s later", later.as_secs())]),
        ]
        .map(|(what, builds)| Varied { what, builds })
        .into()
    }
}

/// What a program prints, run in the workspace unless it says otherwise.
fn output(command: &mut Command) -> Result<String> {
    if command.get_current_dir().is_none() {
        command.current_dir(paths::workspace());
    }
    let out = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !out.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&out.stderr));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
