//! A crate as a Debian package: its statically linked program in `/usr/bin`, and what its `deb/`
//! folder holds.
//!
//! | in `deb/` | in the package |
//! |---|---|
//! | `control` | control file; missing fields (Package, Version, Architecture, Maintainer, Description) come from Cargo |
//! | `preinst postinst prerm postrm conffiles triggers` | as they are |
//! | `*.service *.socket *.target *.timer` | `/usr/lib/systemd/system` |
//! | `*.sysusers.conf`, `*.tmpfiles.conf` | `/usr/lib/sysusers.d`, `/usr/lib/tmpfiles.d` |

use std::path::Path;

use crate::cache::Stage;
use crate::error::{IoContext, Result};
use crate::key::Key;
use crate::overlay::Overlay;
use crate::service::Contribution;
use crate::stages::Context;
use crate::workspace::{BinPlace, Crate};

const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];
const LISTS: [&str; 2] = ["conffiles", "triggers"];

/// `PACKAGE_VERSION_amd64.deb`
pub(crate) fn stage(context: &Context, krate: &Crate, programs: &Stage) -> Result<Stage> {
    let folder = krate.folder().join("deb");
    let mut key = Key::default()
        .value("programs", &programs.hash)
        .value("tools", &context.tools.hash)
        .value("version", &krate.version)
        .value("builder", &include_str!("deb.rs"));
    if folder.is_dir() {
        key = key.path("deb folder", &folder)?;
    }
    context.cache.stage(&format!("deb {}", krate.name), &key, |out, scratch, log| {
        let tree = scratch.join("package");
        let mut contribution = Contribution::default();
        let control_file = folder.join("control");
        let mut given = String::new();
        if folder.is_dir() {
            contribution.add_files(&folder)?;
            if control_file.is_file() {
                given = std::fs::read_to_string(&control_file).at("read", &control_file)?;
            }
        }
        let mut overlay = contribution.overlay;
        for (bin, place) in krate.bins() {
            let to = match place {
                BinPlace::Vendor => "usr/bin".to_owned(),
                BinPlace::Folder(folder) => folder,
                BinPlace::LeftOut => continue,
            };
            overlay.file(format!("{to}/{bin}"), &programs.path.join(&bin));
        }
        overlay.text("DEBIAN/control", control(krate, &given));
        let scripts = add_maintainer_files(&mut overlay, &folder)?;
        overlay.write_to(&tree)?;
        let script = format!(
            "cp -a /run/build/package /tmp/p; cd /tmp/p; for s in {scripts}; do chmod 0755 DEBIAN/$s; done
             dpkg-deb --root-owner-group -Zzstd --threads-max=1 --build . /run/build/out"
        );
        let root = context.build_root().with("package", &tree).with_writable("out", out);
        root.run(log, &format!("pack {}", krate.name), &script)?;
        Ok(())
    })
}

/// Adds `DEBIAN/*`; returns the scripts among them.
fn add_maintainer_files(overlay: &mut Overlay, folder: &Path) -> Result<String> {
    let mut scripts = Vec::new();
    for name in SCRIPTS.iter().chain(&LISTS) {
        let path = folder.join(name);
        if path.is_file() {
            let text = std::fs::read_to_string(&path).at("read", &path)?;
            overlay.text(format!("DEBIAN/{name}"), text);
            if SCRIPTS.contains(name) {
                scripts.push(*name);
            }
        }
    }
    Ok(scripts.join(" "))
}

/// The control file: what the folder gives, completed from Cargo.
fn control(krate: &Crate, given: &str) -> String {
    let defaults = [
        ("Package", krate.name.clone()),
        ("Version", krate.version.clone()),
        ("Architecture", "amd64".into()),
        ("Maintainer", format!("{} developers <root@localhost>", krate.name)),
        ("Description", krate.description.clone().unwrap_or_else(|| krate.name.clone())),
    ];
    let has = |field: &str| given.lines().any(|line| line.starts_with(&format!("{field}:")));
    let mut text: String = defaults
        .iter()
        .filter(|(field, _)| !has(field))
        .map(|(field, value)| format!("{field}: {value}\n"))
        .collect();
    text.extend(given.lines().filter(|l| !l.trim().is_empty()).map(|line| format!("{line}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_file_is_completed_from_cargo() {
        let krate: Crate = serde_json::from_value(serde_json::json!({
            "name": "agent", "version": "1.2.0", "description": "Watches.", "manifest_path": "/w/agent/Cargo.toml",
            "targets": [], "dependencies": [], "metadata": null,
        }))
        .unwrap();
        let text = control(&krate, "Package: the-agent\nDescription: Long\n more\n");
        assert_eq!(text.lines().filter(|l| l.starts_with("Package:")).count(), 1);
        assert!(text.contains("Package: the-agent\n") && text.contains("Version: 1.2.0\n"));
        assert!(text.ends_with("Description: Long\n more\n"), "{text}");
    }
}
