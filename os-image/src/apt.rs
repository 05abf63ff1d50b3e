//! Package sources: the host's own mirror, asked for the image's release.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::Log;
use crate::error::{IoContext, Result};

/// Where a host takes Debian from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mirrors {
    /// The main archive.
    pub archive: Option<String>,
    /// The security archive.
    pub security: Option<String>,
}

impl Mirrors {
    /// Reads `/etc/apt` of this host. Empty where it holds no Debian source.
    pub fn of_host() -> Self {
        Self::of(Path::new("/etc/apt"))
    }

    fn of(apt: &Path) -> Self {
        let mut files = vec![apt.join("sources.list")];
        files.extend(crate::key::sorted_children(&apt.join("sources.list.d")).unwrap_or_default());
        let mut mirrors = Self::default();
        for file in files {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let entries = match file.extension().and_then(|e| e.to_str()) {
                Some("list") => one_line(&text),
                Some("sources") => deb822(&text),
                _ => Vec::new(),
            };
            for (uri, suite) in entries {
                let Some(release) = debian_release(&suite) else { continue };
                let slot = if release == "security" { &mut mirrors.security } else { &mut mirrors.archive };
                slot.get_or_insert(uri);
            }
        }
        mirrors
    }

    /// The sources of `release` in apt's one-line form; `None` leaves the choice to mmdebstrap.
    pub fn sources(&self, release: &str, components: &[String], keyring: &Path) -> Option<String> {
        let archive = self.archive.as_ref()?;
        let components = components.join(" ");
        let line = |uri: &str, suite: &str| {
            format!("deb [signed-by={}] {uri} {suite} {components}\n", keyring.display())
        };
        let mut text = line(archive, release) + &line(archive, &format!("{release}-updates"));
        if let Some(security) = &self.security {
            text += &line(security, &format!("{release}-security"));
        }
        Some(text)
    }
}

/// The names under which Debian ships its archive keys.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// Debian's archive keys on this host.
pub(crate) fn keyring() -> Option<PathBuf> {
    KEYRINGS.map(PathBuf::from).into_iter().find(|keyring| keyring.exists())
}

/// Writes sources and the way to them below `folder`/etc/apt, for a root of `release` with Debian's archive keys.
pub(crate) fn write_configuration(
    mirrors: &Mirrors,
    release: &str,
    components: &[String],
    folder: &Path,
    log: &Log,
) -> Result<()> {
    let mut files = vec![("apt.conf.d/host", acquire_options(log).join("\n") + "\n")];
    if let Some(sources) = mirrors.sources(release, components, Path::new(KEYRINGS[0])) {
        files.push(("sources.list.d/host.list", sources));
    }
    for (name, text) in files {
        let file = folder.join("etc/apt").join(name);
        let parent = file.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).at("create", parent)?;
        std::fs::write(&file, text).at("write", &file)?;
    }
    Ok(())
}

/// How this host reaches its mirror: proxies, time-outs, checks that its administrator switched off. As lines of `apt.conf`.
pub(crate) fn acquire_options(log: &Log) -> Vec<String> {
    let mut command = Command::new("apt-config");
    command.args(["dump", "Acquire"]);
    let Ok(dump) = log.run("read the host's apt configuration", command) else { return Vec::new() };
    let wanted = ["http", "https", "ftp", "Retries", "ForceIPv", "Check-Valid-Until", "Check-Date"];
    String::from_utf8_lossy(&dump)
        .lines()
        .filter(|line| {
            let name = line.strip_prefix("Acquire::").unwrap_or_default();
            wanted.iter().any(|w| name.starts_with(w)) && !line.ends_with("\"\";")
        })
        .map(str::to_owned)
        .collect()
}

/// Whether a suite is one of Debian's, and which archive it lives in.
fn debian_release(suite: &str) -> Option<&'static str> {
    const RELEASES: [&str; 10] = [
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "oldstable",
        "stable",
        "testing",
        "unstable",
    ];
    let (release, pocket) = suite.split_once(['-', '/']).unwrap_or((suite, ""));
    if !RELEASES.contains(&release) {
        return None;
    }
    match pocket {
        "security" | "updates/main" => Some("security"),
        "" | "updates" | "backports" | "proposed-updates" => Some("archive"),
        _ => None,
    }
}

/// `deb [options] URI SUITE COMPONENT…`
fn one_line(text: &str) -> Vec<(String, String)> {
    let entry = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?.trim();
        let rest = if rest.starts_with('[') { rest.split_once(']')?.1 } else { rest };
        let mut words = rest.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    text.lines().filter_map(entry).collect()
}

/// Stanzas of `Types`, `URIs`, `Suites`.
fn deb822(text: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let text: String = text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
    for stanza in text.split("\n\n") {
        let field = |name: &str| -> Vec<String> {
            let mut lines = stanza
                .lines()
                .skip_while(|l| !l.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name)));
            let first = lines.next().and_then(|l| l.split_once(':')).map_or("", |(_, value)| value);
            let more = lines.take_while(|l| l.starts_with([' ', '\t']));
            std::iter::once(first).chain(more).flat_map(str::split_whitespace).map(str::to_owned).collect()
        };
        let disabled = field("Enabled").first().is_some_and(|v| v.eq_ignore_ascii_case("no"));
        if disabled || !field("Types").iter().any(|t| t == "deb") {
            continue;
        }
        for uri in field("URIs") {
            entries.extend(field("Suites").into_iter().map(|suite| (uri.clone(), suite)));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirrors(name: &str, text: &str) -> Mirrors {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sources.list.d");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
        Mirrors::of(dir.path())
    }

    fn expected() -> Mirrors {
        Mirrors {
            archive: Some("http://mirror.example/debian".into()),
            security: Some("http://mirror.example/security".into()),
        }
    }

    #[test]
    fn deb822_sources_are_understood() {
        let text = "Types: deb\n# a comment\nURIs: http://mirror.example/debian/nodistro\nSuites: nodistro\n\n\
                    Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm\n bookworm-updates\n\
                    Components: main\n\nTypes: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\n\n\
                    Enabled: no\nTypes: deb\nURIs: http://other.example\nSuites: bookworm\n";
        assert_eq!(mirrors("debian.sources", text), expected());
    }

    #[test]
    fn one_line_sources_are_understood() {
        let text = "# deb http://old.example/debian bookworm main\ndeb http://x.example/ nodistro main\n\
                    deb [arch=amd64 signed-by=/k] http://mirror.example/debian bookworm main\n\
                    deb-src http://src.example/debian bookworm main\n\
                    deb http://mirror.example/security bookworm-security main\n";
        assert_eq!(mirrors("debian.list", text), expected());
    }

    #[test]
    fn a_host_without_debian_sources_leaves_the_choice_to_mmdebstrap() {
        let found = mirrors("other.sources.disabled", "Types: deb\nURIs: http://x\nSuites: bookworm\n");
        assert_eq!(found, Mirrors::default());
        assert_eq!(found.sources("trixie", &["main".into()], Path::new("/k")), None);
    }

    #[test]
    fn the_images_release_is_asked_from_the_hosts_mirror() {
        let text = expected().sources("trixie", &["main".into(), "contrib".into()], Path::new("/k")).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.contains("deb [signed-by=/k] http://mirror.example/security trixie-security main contrib")
        );
    }
}
