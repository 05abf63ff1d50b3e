//! What a service's crate folder contributes to an image.
//!
//! | in the folder | in the image |
//! |---|---|
//! | binaries of the crate | `/usr/lib/VENDOR/`, or where `[package.metadata.image.bin]` says: `name = "/usr/bin"`; `name = false` leaves one out |
//! | `*.service *.socket *.target *.timer *.slice *.path *.mount` | `/usr/lib/systemd/system`, enabled if they have `[Install]`; templates (`x@.service`) are not enabled |
//! | `*.dbus.conf` | `/usr/share/dbus-1/system.d` |
//! | `*.polkit.rules`, `polkit/*.rules` | `/usr/share/polkit-1/rules.d` |
//! | `*.sysusers.conf` | `/usr/lib/sysusers.d`, applied when the image is built |
//! | `*.tmpfiles.conf` | `/usr/lib/tmpfiles.d` |

use std::path::Path;

use crate::error::{IoContext, Result};
use crate::key::sorted_children;
use crate::overlay::Overlay;
use crate::workspace::{BinPlace, Crate};

const UNITS: [&str; 7] = [".service", ".socket", ".target", ".timer", ".slice", ".path", ".mount"];

/// Files and units of some services.
#[derive(Debug, Default)]
pub struct Contribution {
    /// Files for the root.
    pub overlay: Overlay,
    /// Units to enable.
    pub enable: Vec<String>,
}

impl Contribution {
    /// Adds another service's.
    pub fn extend(&mut self, other: Contribution) {
        self.overlay.extend(other.overlay);
        self.enable.extend(other.enable);
    }

    /// Adds the configuration files of a crate folder.
    pub fn add_files(&mut self, folder: &Path) -> Result<()> {
        let mut files = sorted_children(folder)?;
        let polkit = folder.join("polkit");
        if polkit.is_dir() {
            files.extend(sorted_children(&polkit)?);
        }
        for path in files.iter().filter(|p| p.is_file()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(to) = destination(&name, path.parent() == Some(&polkit)) else { continue };
            if to.starts_with("usr/lib/systemd/system/") && !name.contains("@.") {
                let text = std::fs::read_to_string(path).at("read", path)?;
                if text.lines().any(|line| line.trim() == "[Install]") {
                    self.enable.push(name.clone());
                }
            }
            // Never executable, whatever the checkout says: systemd warns about units that are.
            let text = std::fs::read_to_string(path).at("read", path)?;
            self.overlay.text(to, text);
        }
        Ok(())
    }

    /// Adds the binaries of a crate, compiled into `programs`.
    pub fn add_programs(&mut self, krate: &Crate, vendor: &str, programs: &Path) {
        for (bin, place) in krate.bins() {
            let folder = match place {
                BinPlace::Vendor => format!("usr/lib/{vendor}"),
                BinPlace::Folder(folder) => folder,
                BinPlace::LeftOut => continue,
            };
            self.overlay.file(format!("{folder}/{bin}"), &programs.join(&bin));
        }
    }
}

/// Where a file belongs, by its name.
fn destination(name: &str, in_polkit_folder: bool) -> Option<String> {
    let under = |folder: &str, name: &str| Some(format!("{folder}/{name}"));
    let without = |part: &str, suffix: &str| {
        name.strip_suffix(&format!("{part}{suffix}")).map(|stem| format!("{stem}{suffix}"))
    };
    if let Some(name) = without(".dbus", ".conf") {
        under("usr/share/dbus-1/system.d", &name)
    } else if let Some(name) = without(".sysusers", ".conf") {
        under("usr/lib/sysusers.d", &name)
    } else if let Some(name) = without(".tmpfiles", ".conf") {
        under("usr/lib/tmpfiles.d", &name)
    } else if let Some(name) = without(".polkit", ".rules") {
        under("usr/share/polkit-1/rules.d", &name)
    } else if in_polkit_folder && name.ends_with(".rules") {
        under("usr/share/polkit-1/rules.d", name)
    } else if UNITS.iter().any(|suffix| name.ends_with(suffix)) {
        under("usr/lib/systemd/system", name)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_where_their_names_say_and_units_with_install_are_enabled() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("polkit")).unwrap();
        for (name, text) in [
            ("zfs-manager.service", "[Service]\n[Install]\nWantedBy=x\n"),
            ("understudy.target", "[Unit]\n"),
            ("vms.slice", "[Slice]\n"),
            ("vm@.service", "[Install]\nWantedBy=x\n"),
            ("org.x.Zfs1.dbus.conf", ""),
            ("x.sysusers.conf", ""),
            ("x.tmpfiles.conf", ""),
            ("40-x.polkit.rules", ""),
            ("polkit/50-x.rules", ""),
            ("Cargo.toml", ""),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let mut contribution = Contribution::default();
        contribution.add_files(dir.path()).unwrap();
        assert_eq!(contribution.enable, ["zfs-manager.service"]);
        let mut found: Vec<_> = contribution.overlay.destinations().collect();
        found.sort();
        assert_eq!(
            found,
            [
                "usr/lib/systemd/system/understudy.target",
                "usr/lib/systemd/system/vm@.service",
                "usr/lib/systemd/system/vms.slice",
                "usr/lib/systemd/system/zfs-manager.service",
                "usr/lib/sysusers.d/x.conf",
                "usr/lib/tmpfiles.d/x.conf",
                "usr/share/dbus-1/system.d/org.x.Zfs1.conf",
                "usr/share/polkit-1/rules.d/40-x.rules",
                "usr/share/polkit-1/rules.d/50-x.rules",
            ]
        );
    }
}
