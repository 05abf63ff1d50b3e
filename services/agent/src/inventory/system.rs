//! Firmware, OS, processors, memory and names.

use anyhow::Context;
use understudy_wire::{Bytes, Firmware};

use super::Root;

/// The host name up to its first dot.
pub fn host_name() -> anyhow::Result<String> {
    let name = nix::unistd::gethostname().context("cannot ask for the host name")?;
    let name = name.to_string_lossy();
    Ok(name.split('.').next().unwrap_or_default().to_owned())
}

/// `uname -r`.
pub fn kernel() -> anyhow::Result<String> {
    let name = nix::sys::utsname::uname().context("cannot ask for the kernel's release")?;
    Ok(name.release().to_string_lossy().into_owned())
}

/// Random, new at every boot.
pub fn boot_id(root: &Root) -> anyhow::Result<String> {
    root.text("proc/sys/kernel/random/boot_id").context("cannot read /proc/sys/kernel/random/boot_id")
}

pub fn firmware(root: &Root) -> Firmware {
    if root.path("sys/firmware/efi").is_dir() { Firmware::Uefi } else { Firmware::Bios }
}

/// `PRETTY_NAME` of os-release(5); `Linux` where there is none, as that page says.
pub fn os_name(root: &Root) -> String {
    ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|path| pretty_name(&root.text(path)?))
        .unwrap_or_else(|| "Linux".to_owned())
}

fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?;
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let mut name = String::new();
    let mut letters = quoted.unwrap_or(value).chars();
    while let Some(letter) = letters.next() {
        // A shell's escapes within double quotes.
        name.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    Some(name)
}

/// Online processors.
pub fn cpus(root: &Root) -> anyhow::Result<u32> {
    let list =
        root.text("sys/devices/system/cpu/online").context("cannot read /sys/devices/system/cpu/online")?;
    count(&list)
        .with_context(|| format!("/sys/devices/system/cpu/online is {list:?}, not a list of processors"))
}

/// How many numbers a list such as `0-3,8` has.
fn count(list: &str) -> Option<u32> {
    list.split(',').try_fold(0_u32, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// What is plugged in, as the kernel's memory blocks have it: `MemTotal` lacks what the kernel took for itself at boot, and a
/// stand-in with that little less would have less still. `MemTotal` where the kernel has no memory blocks.
pub fn memory(root: &Root) -> anyhow::Result<Bytes> {
    if let Some(bytes) = memory_blocks(root) {
        return Ok(Bytes(bytes));
    }
    let text = root.text("proc/meminfo").context("cannot read /proc/meminfo")?;
    let kib = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        })
        .context("/proc/meminfo has no MemTotal")?;
    Ok(Bytes(kib * 1024))
}

fn memory_blocks(root: &Root) -> Option<u64> {
    let directory = "sys/devices/system/memory";
    let size = u64::from_str_radix(&root.text(&format!("{directory}/block_size_bytes"))?, 16).ok()?;
    let online = std::fs::read_dir(root.path(directory))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.strip_prefix("memory").is_some_and(|number| number.parse::<u32>().is_ok()))
        .filter(|name| root.text(&format!("{directory}/{name}/online")).as_deref() == Some("1"))
        .count() as u64;
    (online > 0).then_some(online * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_from_the_kernels_list() {
        assert_eq!(count("0"), Some(1));
        assert_eq!(count("0-3,8,10-11"), Some(7));
        assert_eq!(count(""), None);
        assert_eq!(count("3-1"), None);
    }

    #[test]
    fn the_os_is_named_as_os_release_names_it() {
        let name = |text: &str| pretty_name(text).unwrap();
        assert_eq!(
            name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n"),
            "Debian GNU/Linux 13 (trixie)"
        );
        assert_eq!(name("PRETTY_NAME=Arch"), "Arch");
        assert_eq!(name("PRETTY_NAME=\"a \\\"b\\\"\""), "a \"b\"");
        assert_eq!(pretty_name("ID=x"), None);
    }
}
