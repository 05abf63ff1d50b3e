//! Typed ids: 128 random bits, written as 32 lowercase hexadecimal digits.
//!
//! Random, so that they depend on no clock and no name, and so that whatever we create outside our own memory
//! (a target's IQN, a dataset, a unit) can carry one and be recognised as ours. Hexadecimal, because that is valid
//! in a ZFS name, an IQN, a D-Bus object path, a systemd instance and a file name alike.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not 32 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind} id: 32 lowercase hexadecimal digits are expected")]
pub struct IdError {
    /// What the id was meant to name, for example `machine`.
    pub kind: &'static str,
    /// The refused text.
    pub text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new id from the system's random source.
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).expect("the kernel's random source answers once the system has booted");
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{self}", $kind)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text).map(Self).ok_or_else(|| IdError { kind: $kind, text: text.to_owned() })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

id!(
    /// A protected machine.
    MachineId, "machine");
id!(
    /// One disk of one protected machine. The agent chooses it and finds the same disk again by its serial number
    /// or partition table id, so that it survives renaming (`sda` becoming `vda`).
    DiskId, "disk");
id!(
    /// One recovery point: all disks of a machine at one instant.
    RecoveryPointId, "recovery point");
id!(
    /// One run of one backup.
    JobId, "job");
id!(
    /// A virtual machine on the box.
    VmId, "VM");
id!(
    /// One arming of the agent's write tracker; a new one voids every map made under the old.
    TrackerId, "tracker");

fn parse(text: &str) -> Option<[u8; 16]> {
    let digits = text.as_bytes();
    if digits.len() != 32 || digits.iter().any(|d| !matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let value = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0]) << 4 | value(pair[1]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_reads_back_from_its_text() {
        let id = MachineId::new();
        assert_eq!(id.to_string().parse::<MachineId>().unwrap(), id);
        assert_ne!(id, MachineId::new());
    }

    #[test]
    fn text_that_is_no_id_is_refused_with_what_was_expected() {
        for text in
            ["", "../../etc/passwd", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcde"]
        {
            let error = text.parse::<DiskId>().unwrap_err().to_string();
            assert!(error.contains("disk id"), "{error}");
        }
    }

    #[test]
    fn an_id_is_its_text_in_json() {
        let id: JobId = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"000102030405060708090a0b0c0d0e0f\"");
        assert!(serde_json::from_str::<JobId>("\"x\"").is_err());
    }
}
