//! Used blocks of a file system that is not mounted, by partclone where it is installed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

/// Used ranges in bytes from the start of `node`, from `partclone.FS -D`; `None` where there is no tool for it.
pub fn used_ranges(filesystem: &str, node: &Path, size: u64) -> anyhow::Result<Option<Vec<(u64, u64)>>> {
    let program = match filesystem {
        "ext2" | "ext3" | "ext4" => "partclone.extfs",
        "xfs" => "partclone.xfs",
        "btrfs" => "partclone.btrfs",
        _ => return Ok(None),
    };
    let map = tempfile()?;
    let begin = Instant::now();
    let output = Command::new(program)
        .args(["--logfile", "/dev/null", "-D", "-s"])
        .arg(node)
        .arg("-o")
        .arg(&map.0)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot start {program}")),
    };
    tracing::debug!(
        "{program} on {} ended with {} after {:.1?}",
        node.display(),
        output.status,
        begin.elapsed()
    );
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} on {} failed ({}): {}", node.display(), output.status, said.trim());
    }
    let text = std::fs::read_to_string(&map.0).with_context(|| format!("{program} wrote no map"))?;
    parse(&text, size).with_context(|| format!("cannot read {program}'s map")).map(Some)
}

/// A map in ddrescue's form: lines of start, length and `+` for used, `?` for free, after one line of status.
fn parse(text: &str, size: u64) -> anyhow::Result<Vec<(u64, u64)>> {
    let number = |text: &str| {
        let digits = text.strip_prefix("0x").context("a number without 0x")?;
        u64::from_str_radix(digits, 16).with_context(|| format!("{text:?} is no number"))
    };
    let mut covered = 0;
    let mut used = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [start, length, status] = fields[..] else { bail!("{line:?} has not three fields") };
        let (start, end) = (number(start)?, number(start)?.saturating_add(number(length)?));
        if start > covered {
            // Never spoken of: in doubt used.
            used.push((covered, start));
        }
        if status != "?" {
            used.push((start, end));
        }
        covered = covered.max(end);
    }
    if covered == 0 {
        bail!("it is empty");
    }
    if covered < size {
        // The end that the file system does not use, but something else might (NTFS keeps a copy of its boot sector).
        used.push((covered, size));
    }
    Ok(used)
}

/// A name in memory that is removed when dropped.
struct TemporaryFile(std::path::PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn tempfile() -> anyhow::Result<TemporaryFile> {
    let path = Path::new("/run").join(format!("understudy-agent-{}.map", std::process::id()));
    std::fs::write(&path, "").with_context(|| format!("cannot create {}", path.display()))?;
    Ok(TemporaryFile(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_and_unmentioned_ranges_are_taken() {
        let text = "# Mapfile. Created by Partclone\n0x0 ?\n0x0 0x10 +\n0x10 0x20 ?\n0x40 0x10 +\n";
        assert_eq!(parse(text, 0x60).unwrap(), [(0, 0x10), (0x30, 0x40), (0x40, 0x50), (0x50, 0x60)]);
    }

    #[test]
    fn a_broken_map_is_refused() {
        for text in ["", "# only words\n0x0 ?\n", "0x0 ?\n0x0 10 +\n", "0x0 ?\n0x0 0x10\n"] {
            assert!(parse(text, 0x100).is_err(), "{text:?}");
        }
    }
}
