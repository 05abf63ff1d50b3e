//! A repository that holds the locked packages and nothing else, made from cached files, so that apt has no choice.

use std::path::Path;
use std::process::Command;

use super::lock::{Pin, Pins};
use crate::command::Log;
use crate::error::{IoContext, Result};
use crate::sha256::sha256;

/// Those of `pins` whose file is not in `debs`, or is there with other bytes.
pub(super) fn missing(debs: &Path, pins: &Pins) -> Result<Pins> {
    let mut missing = Pins::new();
    for (name, pin) in pins {
        if !is_genuine(&debs.join(pin.file_name(name)), pin)? {
            missing.insert(name.clone(), pin.clone());
        }
    }
    Ok(missing)
}

/// Whether `file` exists and holds the bytes that the lock means.
pub(super) fn is_genuine(file: &Path, pin: &Pin) -> Result<bool> {
    if !file.is_file() {
        return Ok(false);
    }
    Ok(sha256(file)? == pin.sha256)
}

/// Makes the repository of `pins` in the new folder `to`. Their files have been checked.
pub(super) fn make(debs: &Path, pins: &Pins, release: &str, to: &Path, log: &Log) -> Result<()> {
    std::fs::create_dir(to).at("create", to)?;
    for (name, pin) in pins {
        let file = pin.file_name(name);
        std::os::unix::fs::symlink(debs.join(&file), to.join(&file)).at("link", &debs.join(&file))?;
    }
    let mut index = Command::new("sh");
    index.args(["-euc", INDEX, "sh", release]).current_dir(to).env("LC_ALL", "C");
    log.run("index the locked packages", index)?;
    Ok(())
}

/// Debian's repository format, flat; mmdebstrap looks for the release's name.
const INDEX: &str = r#"
for deb in *.deb; do
    dpkg-deb --field "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -Lc %s "$deb")" "$(sha256sum < "$deb" | cut -c -64)"
done > Packages
printf 'Codename: %s\nSHA256:\n %s %s Packages\n' "$1" "$(sha256sum < Packages | cut -c -64)" "$(stat -c %s Packages)" > Release
"#;

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a package and the pin of it.
    fn package(debs: &Path, name: &str, log: &Log) -> Pin {
        let tree = debs.join("tree");
        std::fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        let control =
            format!("Package: {name}\nVersion: 1:2\nArchitecture: all\nMaintainer: x\nDescription: x\n");
        std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
        let mut pin = Pin { version: "1:2".into(), architecture: "all".into(), sha256: String::new() };
        let file = debs.join(pin.file_name(name));
        let mut build = Command::new("dpkg-deb");
        build.arg("--build").args([&tree, &file]);
        log.run("pack", build).unwrap();
        pin.sha256 = sha256(&file).unwrap();
        pin
    }

    #[test]
    fn only_files_with_the_locked_bytes_count_as_there() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log(dir.path().join("log"));
        let mut pins: Pins =
            ["a", "b", "c"].map(|name| (name.to_owned(), package(dir.path(), name, &log))).into();
        std::fs::write(dir.path().join(pins["b"].file_name("b")), "other bytes").unwrap();
        pins.get_mut("c").unwrap().version = "3".into();
        assert_eq!(missing(dir.path(), &pins).unwrap().into_keys().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn the_index_names_every_package_with_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log(dir.path().join("log"));
        let pins: Pins = [("a".to_owned(), package(dir.path(), "a", &log))].into();
        let to = dir.path().join("repository");
        make(dir.path(), &pins, "trixie", &to, &log).unwrap();
        let index = std::fs::read_to_string(to.join("Packages")).unwrap();
        for expected in
            ["Package: a\n", "Filename: ./a_1%3a2_all.deb\n", &format!("SHA256: {}\n", pins["a"].sha256)]
        {
            assert!(index.contains(expected), "{index}");
        }
        assert!(
            std::fs::read_to_string(to.join("Release")).unwrap().starts_with("Codename: trixie\nSHA256:\n ")
        );
    }
}
