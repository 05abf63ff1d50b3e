//! `understudy catalog`.

use clap::Subcommand;
use serde_json::json;
use understudy_bus::scheduler::Rebuilt;

use crate::link::{Link, plain};
use crate::output::Output;

/// What to do with the catalogue: what the box knows of machines and recovery points.
#[derive(Subcommand)]
pub enum Catalog {
    /// Make it anew from what is on the pool; the old one is kept
    ///
    /// Machines, timetables and recovery points are the same afterwards. The history of backups and of virtual machines begins anew. Refused
    /// while a backup or a virtual machine runs. The box does this by itself when it has lost its catalogue, or gets the disks of another box.
    Rebuild,
}

impl Catalog {
    /// Does it.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Rebuild => {
                let rebuilt = link.scheduler.rebuild_catalogue().await.map_err(plain)?;
                let unreadable: Vec<_> = rebuilt
                    .unreadable
                    .iter()
                    .map(|one| json!({ "what": one.what, "why": one.why }))
                    .collect();
                let document = json!({
                    "machines": rebuilt.machines,
                    "points": rebuilt.points,
                    "unreadable": unreadable,
                    "kept": rebuilt.kept,
                });
                output.show(document, || text(&rebuilt))
            }
        }
    }
}

fn text(rebuilt: &Rebuilt) -> String {
    let mut lines = vec![
        format!(
            "The catalogue was made anew from the pool: machines: {}, recovery points: {}.",
            rebuilt.machines, rebuilt.points
        ),
        format!("The old one is kept as {}.", rebuilt.kept),
    ];
    if !rebuilt.unreadable.is_empty() {
        lines.push("\nThis is on the pool, could not be read, and is not in the catalogue:".to_owned());
        lines.extend(rebuilt.unreadable.iter().map(|one| format!("  {}: {}", one.what, one.why)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use understudy_bus::scheduler::Unreadable;

    use super::*;

    #[test]
    fn what_could_not_be_read_is_shown_with_its_reason() {
        let mut rebuilt =
            Rebuilt { machines: 2, points: 7, unreadable: Vec::new(), kept: "/state/old.sqlite".into() };
        assert!(text(&rebuilt).ends_with("kept as /state/old.sqlite."), "{}", text(&rebuilt));
        rebuilt.unreadable.push(Unreadable { what: "machine ab".into(), why: "of version 9".into() });
        assert!(text(&rebuilt).ends_with("  machine ab: of version 9"), "{}", text(&rebuilt));
    }
}
