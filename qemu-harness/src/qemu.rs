//! QEMU as it is installed here.

use crate::process::Program;
use crate::{Error, Result};

pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// QEMU 7.2's translator corrupts flags under Linux 6.12, which shows as panics at random places.
const OLDEST: (u32, u32) = (8, 2);

/// Refuses a QEMU that is missing or too old, and says what to do.
pub(crate) fn check_version() -> Result<()> {
    let said = Program::new(PROGRAM, "qemu-system-x86").arg("--version").run()?;
    let first_line = said.lines().next().unwrap_or_default();
    match parse_version(first_line) {
        Some(version) if version >= OLDEST => Ok(()),
        found => Err(Error::Host(format!(
            "{PROGRAM} must be {}.{} or newer, as older ones corrupt the state of current guests; this one says \
             `{first_line}`{}. Install a newer qemu-system-x86: on Debian 12 it is in the backports suite",
            OLDEST.0,
            OLDEST.1,
            if found.is_none() { ", which names no version we can read" } else { "" },
        ))),
    }
}

/// From "QEMU emulator version 10.0.2 (Debian …)".
fn parse_version(line: &str) -> Option<(u32, u32)> {
    let version = line.split_once(" version ")?.1.split([' ', '(']).next()?;
    let mut numbers = version.split('.').map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        let debian = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)";
        assert_eq!(parse_version(debian), Some((10, 0)));
        assert_eq!(parse_version("QEMU emulator version 8.2.0"), Some((8, 2)));
        assert_eq!(parse_version("QEMU emulator version 9.0.50 (v9.0.0-1-gabc)"), Some((9, 0)));
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn seven_two_is_too_old() {
        assert!(parse_version("QEMU emulator version 7.2.15").unwrap() < OLDEST);
    }
}
