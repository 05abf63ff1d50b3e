//! Being root without being root: a user namespace in which this user's subordinate ids are a whole
//! range of users, and a root filesystem of the image's release entered inside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{CommandError, Log, quote, tied};

/// Variables that a build sees as they are: how to reach the mirror.
const PASSED_ON: [&str; 7] =
    ["HOME", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY"];

/// A shell script (`sh -eu`) that runs as root of a fresh user, mount and process namespace.
///
/// The invoking user is root in there, so what it creates belongs to that user outside.
pub fn command(script: &str) -> Command {
    let mut command = tied("unshare");
    command.args(["--map-auto", "--map-root-user", "--mount", "--uts", "--pid", "--fork", "--kill-child"]);
    // What is built must not depend on who builds: neither on the user's umask nor on the host's name, nor, below, on language,
    // time zone and whatever else stands in the environment.
    command.args(["sh", "-euc", &format!("umask 022\nhostname localhost\n{script}")]);
    command.env_clear();
    command.envs(
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| PASSED_ON.contains(&name))),
    );
    // An ordinary user's path often lacks the administrator's programs, such as chroot.
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".into());
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env("LC_ALL", "C.UTF-8");
    command
}

/// A root filesystem to run programs in. They see `SOURCE_DATE_EPOCH`.
#[derive(Debug, Clone)]
pub struct BuildRoot {
    path: PathBuf,
    writable: bool,
    source_date: u64,
    binds: Vec<Bind>,
}

#[derive(Debug, Clone)]
struct Bind {
    from: PathBuf,
    name: String,
    writable: bool,
}

/// Where bound folders appear inside: on a tmpfs, so that they leave no trace in the root.
pub const INSIDE: &str = "/run/build";

impl BuildRoot {
    /// The tools: nothing in them can be changed from inside.
    pub fn read_only(path: &Path, source_date: u64) -> Self {
        Self { path: path.to_owned(), writable: false, source_date, binds: Vec::new() }
    }

    /// A root that is being made.
    pub fn writable(path: &Path, source_date: u64) -> Self {
        Self { writable: true, ..Self::read_only(path, source_date) }
    }

    /// Shows `from` as `/run/build/NAME`, read-only.
    pub fn with(mut self, name: &str, from: &Path) -> Self {
        self.binds.push(Bind { from: from.to_owned(), name: name.into(), writable: false });
        self
    }

    /// Shows `from` as `/run/build/NAME`, writable.
    pub fn with_writable(mut self, name: &str, from: &Path) -> Self {
        self.binds.push(Bind { from: from.to_owned(), name: name.into(), writable: true });
        self
    }

    /// Runs a shell script (`sh -eu`) inside and returns its standard output.
    pub fn run(&self, log: &Log, purpose: &str, script: &str) -> Result<Vec<u8>, CommandError> {
        log.run(purpose, command(&self.entry(script)))
    }

    /// The script that builds the mounts and enters.
    fn entry(&self, script: &str) -> String {
        let mut lines = vec![
            format!("R={}", quote(&self.path)),
            "mkdir -p $R/proc $R/dev $R/tmp $R/run".into(),
            "mount --bind $R $R".into(),
            "mount -t proc proc $R/proc".into(),
            "mount -t tmpfs -o mode=755 tmpfs $R/dev".into(),
            "for node in null zero full random urandom tty; do : > $R/dev/$node; mount --bind /dev/$node \
             $R/dev/$node; done"
                .into(),
            "ln -s /proc/self/fd $R/dev/fd; mkdir -m 1777 $R/dev/shm".into(),
            "mount -t tmpfs -o mode=1777 tmpfs $R/tmp".into(),
            "mount -t tmpfs -o mode=755 tmpfs $R/run".into(),
        ];
        for bind in &self.binds {
            let (from, to) = (quote(&bind.from), format!("$R{INSIDE}/{}", bind.name));
            lines.push(format!(
                "if [ -d {from} ]; then mkdir -p {to}; else mkdir -p $R{INSIDE}; : > {to}; fi"
            ));
            lines.push(format!("mount --bind {from} {to}"));
            if !bind.writable {
                // Flags such as nosuid that the host's mount has are locked in a user namespace and must be
                // repeated, or the kernel refuses the remount; read-only here is a guard, not a promise.
                lines.push(format!("mount -o remount,bind,ro {to} || true"));
            }
        }
        if !self.writable {
            lines.push("mount -o remount,bind,ro $R || true".into());
        }
        lines.push(format!(
            "exec chroot $R /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
             DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH={} /bin/sh -euc {}",
            self.source_date,
            quote(script)
        ));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_makes_the_caller_root_with_a_range_of_users() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log(dir.path().join("log"));
        let file = dir.path().join("file");
        let script = format!("id -u; touch {f}; chown 5:5 {f}; stat -c %u {f}", f = quote(&file));
        let out = log.run("try a user namespace", command(&script)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "0\n5\n");
        log.run("clean up", command(&format!("rm {}", quote(&file)))).unwrap();
    }
}
