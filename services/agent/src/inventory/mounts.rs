//! What is mounted where, as the host's first process sees it: the agent may run in another mount namespace, and what is
//! mounted only there is of no interest.

use std::collections::HashMap;

use anyhow::Context;

use super::Root;

/// A device, as the kernel numbers it: `253:1`.
pub type Number = String;

/// Mount points by device number, and by device path for file systems such as btrfs that show a number of their own.
#[derive(Debug, Default)]
pub struct Mounts {
    by_number: HashMap<Number, Vec<String>>,
    by_path: HashMap<String, Vec<String>>,
}

impl Mounts {
    /// Where the file system on this device is mounted, sorted.
    pub fn of(&self, number: &str, path: &str) -> Vec<String> {
        let mut points: Vec<String> = [self.by_number.get(number), self.by_path.get(path)]
            .into_iter()
            .flatten()
            .flatten()
            .cloned()
            .collect();
        points.sort();
        points.dedup();
        points
    }
}

pub fn read(root: &Root) -> anyhow::Result<Mounts> {
    let path = root.path("proc/1/mountinfo");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}; the agent runs as root", path.display()))?;
    Ok(parse(&text))
}

/// Parses proc_pid_mountinfo(5): `36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/vda1 rw`.
fn parse(text: &str) -> Mounts {
    let mut mounts = Mounts::default();
    for line in text.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (mut before, mut after) = (before.split(' ').skip(2), after.split(' ').skip(1));
        let (Some(number), Some(point), Some(source)) = (before.next(), before.nth(1), after.next()) else {
            continue;
        };
        let point = unescape(point);
        let source = unescape(source);
        if !number.starts_with("0:") {
            mounts.by_number.entry(number.to_owned()).or_default().push(point);
        } else if source.starts_with("/dev/") {
            mounts.by_path.entry(source).or_default().push(point);
        }
    }
    mounts
}

/// Blanks, tabs, newlines and backslashes stand as three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match rest {
            [b'\\', digits @ ..] if digits.len() >= 3 => std::str::from_utf8(&digits[..3]).ok(),
            _ => None,
        };
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_found_by_number_and_for_btrfs_by_path() {
        let mounts = parse(
            "21 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw\n\
             22 21 0:5 / /proc rw - proc proc rw\n\
             30 21 254:1 /srv /srv\\040files rw - ext4 /dev/vda1 rw\n\
             31 21 0:40 /@ /data rw shared:3 - btrfs /dev/vdb2 rw,subvol=/@\n\
             broken\n",
        );
        assert_eq!(mounts.of("254:1", "/dev/vda1"), ["/", "/srv files"]);
        assert_eq!(mounts.of("254:18", "/dev/vdb2"), ["/data"]);
        assert!(mounts.of("254:2", "/dev/vda2").is_empty());
    }

    #[test]
    fn escapes_are_undone_and_what_is_none_is_kept() {
        assert_eq!(unescape("/a\\134b\\011c"), "/a\\b\tc");
        assert_eq!(unescape("/a\\9\\"), "/a\\9\\");
    }
}
