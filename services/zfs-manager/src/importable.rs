//! What `zpool import` prints of the pools that could be imported; it knows no JSON for this (ZFS 2.3).
//!
//! ```text
//!   pool: understudy
//!     id: 1234567890
//!  state: DEGRADED
//! status: One or more devices are missing from the system.
//! action: The pool can be imported despite missing or damaged devices.  The
//! <tab>fault tolerance of the pool may be compromised if imported.
//!    see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-2Q
//! config:
//!
//! <tab>understudy              DEGRADED
//! <tab>  mirror-0              DEGRADED
//! <tab>    virtio-data-a       ONLINE
//! <tab>    virtio-data-b       UNAVAIL  cannot open
//! ```
//!
//! (`show_import` and `print_import_config` in OpenZFS's cmd/zpool/zpool_main.c.) Names come from the disks and may be anything:
//! what cannot be read is left out, what is shown later is made printable, and nothing here is trusted beyond choosing which
//! GUID to ask ZFS for.

use understudy_bus::zfs::ImportablePool;
use understudy_udev::printable;

use crate::layout;

/// One pool that is on the disks and not imported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Importable {
    /// Its GUID.
    pub guid: u64,
    /// Its name, as it stands on the disks.
    pub name: String,
    /// `ONLINE`, `DEGRADED`, …
    pub health: String,
    /// Whether it was destroyed on purpose.
    destroyed: bool,
    status: String,
    action: String,
    /// All its disks, present or not.
    pub disks: Vec<Member>,
    /// Whether the state of every part of it could be read and is `ONLINE`.
    all_online: bool,
}

/// One disk of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name beneath `/dev/disk/by-id`, or where it was once; a number if that is not known.
    pub name: String,
    /// `ONLINE`, `UNAVAIL`, …
    pub state: String,
}

impl Member {
    /// Whether it cannot be read. What is merely old, offline or resilvering is there.
    pub fn is_missing(&self) -> bool {
        matches!(self.state.as_str(), "UNAVAIL" | "REMOVED" | "CANT_OPEN")
    }
}

impl Importable {
    /// Whether none of its disks is missing or unwell.
    pub fn is_whole(&self) -> bool {
        self.health == "ONLINE" && self.all_online && !self.disks.is_empty()
    }

    /// Whether another box had it last and did not release it.
    pub fn is_in_use_elsewhere(&self) -> bool {
        // The words are those of ZPOOL_STATUS_HOSTID_MISMATCH and _ACTIVE; for a pool whose data cannot be read, `show_import`
        // says it in the action.
        ["last accessed by another system", "currently imported by another system"]
            .iter()
            .any(|words| self.status.contains(words))
            || self.action.contains("may be active on another system")
    }

    /// Whether another box uses it at this very moment.
    fn is_imported_elsewhere(&self) -> bool {
        self.status.contains("currently imported by another system")
    }

    /// What the pool's health means, and what to do.
    fn hint(&self) -> String {
        let missing: Vec<_> = self.disks.iter().filter(|disk| disk.is_missing()).collect();
        let names = missing.iter().map(|disk| printable(&disk.name)).collect::<Vec<_>>().join(", ");
        let elsewhere = "Another box had this pool last and did not release it. Import it only if that box is gone for good; \
                         otherwise connect the disks to it again and shut it down, which releases the pool.";
        match self.health.as_str() {
            _ if self.destroyed => "This pool was destroyed on purpose.".to_owned(),
            _ if self.is_imported_elsewhere() => {
                "Another box is using this pool now. Shut that box down first, which releases the pool."
                    .to_owned()
            }
            "ONLINE" if self.is_in_use_elsewhere() => elsewhere.to_owned(),
            "ONLINE" => "This pool can be imported.".to_owned(),
            "DEGRADED" => {
                let what = match missing.len() {
                    0 => "Some of its disks are unwell".to_owned(),
                    1 => format!("One of its disks is missing ({names})"),
                    many => format!("{many} of its disks are missing ({names})"),
                };
                let rest = if self.is_in_use_elsewhere() { format!(" {elsewhere}") } else { String::new() };
                format!(
                    "{what}. The pool can be imported without, but connect what you still have first.{rest}"
                )
            }
            _ if !missing.is_empty() => format!(
                "Too many of its disks are missing ({names}). Connect them; without them the pool cannot be imported."
            ),
            _ => {
                let said = if self.action.is_empty() { &self.status } else { &self.action };
                format!("This pool cannot be imported. ZFS says: {}", printable(said))
            }
        }
    }

    /// For the bus. `last_host` comes from the disks' labels.
    pub fn describe(&self, last_host: &str) -> ImportablePool {
        let shown = |disk: &Member| {
            if disk.is_missing() { "missing".to_owned() } else { printable(&disk.name) }
        };
        let missing = self.disks.iter().filter(|disk| disk.is_missing()).count();
        ImportablePool {
            guid: self.guid,
            name: printable(&self.name),
            health: printable(&self.health),
            hint: self.hint(),
            disks: self.disks.iter().map(shown).collect(),
            missing: u32::try_from(missing).unwrap_or(u32::MAX),
            last_host: printable(last_host),
            in_use_elsewhere: self.is_in_use_elsewhere(),
            ours: self.name == layout::POOL && !self.destroyed,
        }
    }
}

/// What the lines that follow belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Status,
    Action,
    Config,
    Other,
}

/// All pools of a listing that have a name and a GUID, ordered by these.
pub fn parse(listing: &str) -> Vec<Importable> {
    let mut pools: Vec<Importable> = Vec::new();
    let mut vdevs: Vec<Vdev> = Vec::new();
    let mut part = Part::Other;
    for line in listing.lines() {
        // What goes on from the line before is indented by a tab. (A name with a line break in it can still make up an entry;
        // asked for its GUID, ZFS then finds nothing, or not more than there is.)
        if !line.starts_with('\t')
            && let Some((key, value)) = line.split_once(':')
            && let Some(next) = begins(key.trim())
        {
            let value = value.trim();
            if key.trim() == "pool" {
                close(pools.last_mut(), &mut vdevs);
                pools.push(Importable { name: value.to_owned(), ..Importable::default() });
            }
            part = next;
            let Some(pool) = pools.last_mut() else { continue };
            match key.trim() {
                "id" => pool.guid = value.parse().unwrap_or(0),
                "state" => {
                    let (health, rest) = value.split_once(' ').unwrap_or((value, ""));
                    pool.health = health.to_owned();
                    pool.destroyed = rest.contains("(DESTROYED)");
                }
                "status" => pool.status = value.to_owned(),
                "action" => pool.action = value.to_owned(),
                _ => {}
            }
            continue;
        }
        let Some(pool) = pools.last_mut() else { continue };
        match part {
            Part::Status => append(&mut pool.status, line),
            Part::Action | Part::Other => append(&mut pool.action, line),
            Part::Config => vdevs.extend(Vdev::parse(line)),
        }
    }
    close(pools.last_mut(), &mut vdevs);
    pools.retain(|pool| pool.guid != 0 && !pool.name.is_empty());
    pools.sort_by(|a, b| (&a.name, a.guid).cmp(&(&b.name, b.guid)));
    pools
}

/// What a heading begins; nothing if it is none.
fn begins(heading: &str) -> Option<Part> {
    match heading {
        "pool" | "id" | "state" | "comment" | "see" => Some(Part::Other),
        "status" => Some(Part::Status),
        "action" => Some(Part::Action),
        "config" => Some(Part::Config),
        _ => None,
    }
}

fn append(text: &mut String, line: &str) {
    if !line.trim().is_empty() {
        text.push(' ');
        text.push_str(line.trim());
    }
}

/// One line of the tree of a pool's parts.
struct Vdev {
    depth: usize,
    name: String,
    /// Nothing for headings like `logs`, and for what stands under `cache` and `spares`.
    state: Option<String>,
}

impl Vdev {
    fn parse(line: &str) -> Option<Self> {
        let line = line.strip_prefix('\t')?;
        let text = line.trim_start_matches(' ');
        if text.trim().is_empty() {
            return None;
        }
        // Columns are two spaces apart; a pool's name may have single ones in it.
        let (name, rest) = text.split_once("  ").unwrap_or((text, ""));
        let state = rest.split_whitespace().next().map(str::to_owned);
        Some(Self { depth: line.len() - text.len(), name: name.trim().to_owned(), state })
    }
}

/// Takes over the lines read of a pool's tree. Its disks are what has nothing beneath it; the first line is the pool itself.
fn close(pool: Option<&mut Importable>, vdevs: &mut Vec<Vdev>) {
    let vdevs = std::mem::take(vdevs);
    let Some(pool) = pool else { return };
    let stated: Vec<_> = vdevs.iter().filter_map(|vdev| Some((vdev, vdev.state.clone()?))).collect();
    pool.all_online = !stated.is_empty() && stated.iter().all(|(_, state)| state == "ONLINE");
    for (index, (vdev, state)) in stated.iter().enumerate() {
        let has_parts = stated.get(index + 1).is_some_and(|(next, _)| next.depth > vdev.depth);
        if vdev.depth > 0 && !has_parts {
            pool.disks.push(Member { name: vdev.name.clone(), state: state.clone() });
        }
    }
}

#[cfg(test)]
mod tests;
