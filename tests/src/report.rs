//! What a run of the story measured: `target/demo/report.json` and the table that ends it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The report. Absent parts were not reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// 1.
    pub version: u32,
    /// How far the story came: `complete`, or the name of the step it stopped at.
    pub ended: String,
    /// The appliance's image.
    pub image: Image,
    /// Power on to the line that says the box is ready, in seconds.
    pub boot_ready_seconds: f64,
    /// Memory of all our services together when idle, in bytes (control groups' `memory.current`).
    pub services_memory_bytes: u64,
    /// The backups in order.
    pub backups: Vec<Backup>,
    /// Their recovery points in order.
    pub recovery_points: Vec<RecoveryPoint>,
    /// The stand-ins in order.
    pub failovers: Vec<Failover>,
}

/// The appliance's image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Building it, or finding it built, in seconds.
    pub build_seconds: f64,
    /// Compressed size in bytes.
    pub compressed_bytes: u64,
}

/// One backup, all disks together. Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// `first`, `changed` or `compared`.
    pub kind: String,
    /// Size of the disks.
    pub disk_bytes: u64,
    /// Size of the blocks that had to be looked at.
    pub mapped_bytes: u64,
    /// Size of the 64 KiB blocks that differ from the copy before, by the harness's own copies; of the first, of those not zero.
    pub changed_bytes: u64,
    /// Written to the target, each block once.
    pub distinct_sent_bytes: u64,
    /// Written to the target, repeats included.
    pub sent_bytes: u64,
    /// Job start to recovery point.
    pub seconds: f64,
    /// File systems frozen; the harness's own stop in mid-freeze is not counted.
    pub frozen_seconds: f64,
}

/// One recovery point against the harness's copy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecoveryPoint {
    /// Its id.
    pub id: String,
    /// Blocks of 64 KiB, all disks.
    pub blocks_compared: u64,
    /// Those that differ.
    pub blocks_differing: u64,
}

/// One stand-in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Failover {
    /// The recovery point it was booted from.
    pub point: String,
    /// `isolated`.
    pub network: String,
    /// Cloning the disks.
    pub clone_seconds: f64,
    /// Request to the guest's processors running.
    pub request_to_running_seconds: f64,
    /// Request to a login prompt on its console.
    pub request_to_login_seconds: f64,
    /// What was checked over its console, in words; each held.
    pub checks: Vec<String>,
}

impl Report {
    /// Writes it as JSON.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("cannot write the report as JSON")?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut line = |text_: String| {
            let _ = writeln!(text, "{text_}");
        };
        line(format!(
            "image      built in {:.0} s, {} compressed",
            self.image.build_seconds,
            bytes(self.image.compressed_bytes)
        ));
        line(format!(
            "boot       ready after {:.0} s, services use {}",
            self.boot_ready_seconds,
            bytes(self.services_memory_bytes)
        ));
        if !self.backups.is_empty() {
            line(format!(
                "\n{:<10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>10}",
                "backup", "disks", "mapped", "changed", "distinct", "sent", "seconds", "frozen s"
            ));
            for backup in &self.backups {
                line(format!(
                    "{:<10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9.1}{:>10.3}",
                    backup.kind,
                    bytes(backup.disk_bytes),
                    bytes(backup.mapped_bytes),
                    bytes(backup.changed_bytes),
                    bytes(backup.distinct_sent_bytes),
                    bytes(backup.sent_bytes),
                    backup.seconds,
                    backup.frozen_seconds
                ));
            }
        }
        if !self.recovery_points.is_empty() {
            line(format!("\n{:<34}{:>10}{:>10}", "recovery point", "blocks", "differing"));
            for point in &self.recovery_points {
                line(format!("{:<34}{:>10}{:>10}", point.id, point.blocks_compared, point.blocks_differing));
            }
        }
        if !self.failovers.is_empty() {
            line(format!(
                "\n{:<34}{:>10}{:>10}{:>10}{:>10}",
                "stand-in from", "network", "clone s", "running s", "login s"
            ));
            for failover in &self.failovers {
                line(format!(
                    "{:<34}{:>10}{:>10.1}{:>10.1}{:>10.1}",
                    failover.point,
                    failover.network,
                    failover.clone_seconds,
                    failover.request_to_running_seconds,
                    failover.request_to_login_seconds
                ));
            }
        }
        text
    }
}

/// `1.4 GiB`.
fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{value:.0} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_back_and_names_its_version() {
        let report = Report { version: 1, ended: "complete".into(), ..Report::default() };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        report.write(&path).unwrap();
        assert_eq!(serde_json::from_slice::<Report>(&std::fs::read(path).unwrap()).unwrap(), report);
    }

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!(
            [0, 1023, 1024, 3 << 20, 5 << 29].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "3.0 MiB", "2.5 GiB"]
        );
    }

    #[test]
    fn the_table_has_a_row_for_everything_measured() {
        let report = Report {
            backups: vec![Backup { kind: "first".into(), ..Backup::default() }],
            recovery_points: vec![RecoveryPoint { id: "abc".into(), ..RecoveryPoint::default() }],
            failovers: vec![Failover {
                point: "abc".into(),
                network: "isolated".into(),
                ..Failover::default()
            }],
            ..Report::default()
        };
        let table = report.table();
        assert_eq!(
            table.lines().filter(|line| line.starts_with("first") || line.starts_with("abc")).count(),
            3
        );
    }
}
