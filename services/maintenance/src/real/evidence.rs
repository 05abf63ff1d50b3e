//! What stands on this box about itself.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use understudy_bus::error::Error;
use understudy_bus::rauc::RaucProxy;
use understudy_bus::scheduler::SchedulerProxy;
use understudy_bus::settings::SettingsProxy;
use understudy_bus::systemd::ManagerProxy;
use understudy_bus::zfs::ZfsProxy;
use understudy_service::Program;
use zbus::zvariant::Value;

use crate::engine::Evidence;

/// One part of a support bundle.
pub async fn gather(bus: &zbus::Connection, what: Evidence) -> anyhow::Result<String> {
    let said = |error: Error| anyhow::anyhow!("{}", error.message());
    match what {
        Evidence::Journal { start, most } => journal(start, most).await,
        Evidence::FailedUnits => {
            let units = ManagerProxy::new(bus).await?.list_units_filtered(&["failed"]).await?;
            Ok(lines(units.iter().map(|unit| format!("{}: {}", unit.name, unit.description)), "none"))
        }
        Evidence::OsRelease => file("/etc/os-release"),
        Evidence::CommandLine => file("/proc/cmdline"),
        Evidence::Slots => slots(&RaucProxy::new(bus).await?).await,
        Evidence::Status => {
            Ok(format!("{:#?}\n", SettingsProxy::new(bus).await?.status().await.map_err(said)?))
        }
        Evidence::Settings => SettingsProxy::new(bus).await?.settings().await.map_err(said),
        Evidence::Disks => {
            let disks = ZfsProxy::new(bus).await?.disks().await.map_err(said)?;
            Ok(lines(disks.iter().map(|disk| format!("{disk:#?}")), "none"))
        }
        Evidence::Pool => Ok(format!("{:#?}\n", ZfsProxy::new(bus).await?.pool().await.map_err(said)?)),
        Evidence::Machines => {
            let machines = SchedulerProxy::new(bus).await?.overview().await.map_err(said)?;
            Ok(lines(machines.iter().map(|machine| format!("{machine:#?}")), "none"))
        }
        Evidence::Points => {
            let mut counts = BTreeMap::new();
            for point in SchedulerProxy::new(bus).await?.points("").await.map_err(said)? {
                *counts.entry(point.machine).or_insert(0_u64) += 1;
            }
            Ok(lines(counts.iter().map(|(machine, count)| format!("{machine}: {count}")), "none"))
        }
        Evidence::Addresses => Ok(Program::new("ip").args(["-j", "address", "show"]).run().await?),
        Evidence::Routes => {
            let four = Program::new("ip").args(["-j", "-4", "route", "show"]).run().await?;
            let six = Program::new("ip").args(["-j", "-6", "route", "show"]).run().await?;
            Ok(format!("{}\n{}\n", four.trim(), six.trim()))
        }
        Evidence::Memory => {
            Ok([file("/proc/meminfo")?, file("/proc/loadavg")?, file("/proc/uptime")?].join("\n"))
        }
    }
}

fn file(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn lines(items: impl Iterator<Item = String>, none: &str) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(&item);
        text.push('\n');
    }
    if text.is_empty() { format!("{none}\n") } else { text }
}

async fn slots(rauc: &RaucProxy<'_>) -> anyhow::Result<String> {
    let plain = understudy_updates::plain;
    let mut text = format!("starts next: {}\n", rauc.get_primary().await.map_err(plain)?);
    for (name, slot) in rauc.get_slot_status().await.map_err(plain)? {
        text.push_str(&format!("\n{name}\n"));
        for (key, value) in slot.iter().collect::<BTreeMap<_, _>>() {
            let value = match &**value {
                Value::Str(value) => value.to_string(),
                other => format!("{other:?}"),
            };
            writeln!(text, "  {key}: {value}")?;
        }
    }
    Ok(text)
}

/// The newest part of what one start of the box has written into the journal.
async fn journal(start: u8, most: usize) -> anyhow::Result<String> {
    let mut child = Command::new("journalctl")
        .args([&format!("--boot=-{start}"), "--output=short-iso-precise", "--no-pager", "--quiet"])
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start journalctl")?;
    let (mut output, mut errors) = child.stdout.take().zip(child.stderr.take()).context("no pipes")?;
    let read = async { newest(&mut output, most).await };
    let mut said = String::new();
    let (text, said) = tokio::join!(read, async {
        let read = (&mut errors).take(4096).read_to_string(&mut said).await;
        read.map(|_| said)
    });
    let (text, ended) = (text.context("cannot read the journal")?, child.wait().await?);
    if !ended.success() {
        bail!("journalctl failed ({ended}): {}", said.unwrap_or_default().trim());
    }
    Ok(text)
}

/// The last lines of a stream, of at most so many bytes.
async fn newest(stream: &mut (impl tokio::io::AsyncRead + Unpin), most: usize) -> std::io::Result<String> {
    let mut kept: VecDeque<u8> = VecDeque::new();
    let mut buffer = vec![0; 64 << 10];
    let mut cut = false;
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        kept.extend(&buffer[..count]);
        let surplus = kept.len().saturating_sub(most);
        cut |= surplus > 0;
        kept.drain(..surplus);
    }
    if cut {
        // The line that was cut through could begin in the middle of anything.
        let rest = kept.iter().position(|byte| *byte == b'\n').map_or(kept.len(), |end| end + 1);
        kept.drain(..rest);
    }
    Ok(String::from_utf8_lossy(kept.make_contiguous()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_a_long_journal_the_newest_whole_lines_are_kept() {
        let text = "first line\nsecond line\nthird line\n";
        assert_eq!(newest(&mut text.as_bytes(), 1000).await.unwrap(), text);
        assert_eq!(newest(&mut text.as_bytes(), 20).await.unwrap(), "third line\n");
        assert_eq!(newest(&mut text.as_bytes(), 3).await.unwrap(), "");
    }
}
