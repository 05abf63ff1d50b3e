//! Names that callers give: of devices and of bundles. What is not plainly one is refused here and goes no further.

use understudy_bus::error::{Error, Result};

/// What a bundle's name ends with.
const BUNDLE: &str = ".raucb";
/// Longest name of a file that is taken, in bytes; FAT's is 255.
const LONGEST: usize = 128;

/// Whether a file looks like a bundle.
pub fn is_bundle(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(BUNDLE)
}

/// Accepts a bundle's name as mtools is told it: no wildcard, no path, no letter that FAT and we could write differently.
pub fn check_bundle(name: &str) -> Result<()> {
    let refuse = |why: &str| {
        let name = understudy_udev::printable(name);
        Err(Error::InvalidArgument(format!(
            "the bundle {name:?} cannot be read: {why}. Rename it on another computer, for example to update.raucb"
        )))
    };
    if !is_bundle(name) {
        return refuse("bundles are files whose names end with .raucb");
    }
    if name.len() > LONGEST {
        return refuse("its name is too long");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._-+~=,()@".contains(c);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return refuse("its name does not begin with a letter or digit");
    }
    if let Some(odd) = name.chars().find(|c| !plain(*c)) {
        return refuse(&format!("there is {odd:?} in its name"));
    }
    Ok(())
}

/// Whether this is a kernel's name of a disk or partition: it becomes part of a unit's name and of a path.
pub fn is_device(name: &str) -> bool {
    (2..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_downloads_have_them_are_taken() {
        for name in ["appliance-0.2.0.raucb", "appliance (1).raucb", "UPDATE.RAUCB", "a.raucb"] {
            check_bundle(name).unwrap();
        }
    }

    #[test]
    fn odd_names_are_refused_with_the_reason() {
        for (name, why) in [
            ("x*.raucb", "'*' in its name"),
            ("../x.raucb", "does not begin with"),
            ("a/b.raucb", "'/' in its name"),
            ("a\\b.raucb", "'\\\\' in its name"),
            ("größe.raucb", "'ö' in its name"),
            ("a\nb.raucb", "'\\n' in its name"),
            (".raucb", "does not begin with"),
            ("-i.raucb", "does not begin with"),
            ("update.img", "end with .raucb"),
        ] {
            let error = check_bundle(name).unwrap_err();
            assert!(matches!(&error, Error::InvalidArgument(text) if text.contains(why)), "{name}: {error}");
        }
        assert!(check_bundle(&format!("{}.raucb", "a".repeat(200))).is_err());
    }

    #[test]
    fn devices_are_the_kernels_names_and_nothing_else() {
        for good in ["sdb1", "sda", "vdc", "nvme0n1p1", "mmcblk0p1"] {
            assert!(is_device(good), "{good}");
        }
        for bad in ["", "s", "../sda", "sd a", "disk-by-id", "1sd", "sda.service", "SDA"] {
            assert!(!is_device(bad), "{bad}");
        }
    }
}
