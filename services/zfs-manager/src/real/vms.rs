//! Clones that VMs run on.
//!
//! A VM's dataset is made first and says which point it runs from; then the point's snapshots are held and cloned. Cut
//! short anywhere, the same call goes on where it stopped, and destroying finds everything again from that dataset.

use std::time::{Duration, Instant};

use understudy_bus::error::{Error, Result};
use understudy_bus::wire::{DiskId, MachineId, RecoveryPointId, VmId};
use understudy_bus::zfs::DiskClone;

use super::{command, device, listing, points};
use crate::engine::Geometry;
use crate::layout;

/// How long a dataset may stay busy after its last user has gone: udev looks at a device again when its writer closes it.
const BUSY_DEADLINE: Duration = Duration::from_secs(20);
const BUSY_POLL: Duration = Duration::from_millis(200);

/// Clones every disk of a point.
pub async fn clone_point(vm: VmId, machine: MachineId, point: RecoveryPointId) -> Result<Vec<DiskClone>> {
    let source = points::find(machine, point).await?.ok_or_else(|| {
        Error::NotFound(format!("machine {machine} has no recovery point {point} on the pool"))
    })?;
    make_folder(vm, machine, point).await?;
    let mut disks = Vec::new();
    for disk in &source.disks {
        let id: DiskId =
            disk.disk.parse().map_err(|_| Error::Corrupt(format!("bad disk id {}", disk.disk)))?;
        disks.push((id, Geometry::new(disk.size, disk.sector_size)?));
    }
    let snapshots: Vec<_> = disks.iter().map(|(disk, _)| layout::snapshot(machine, *disk, point)).collect();
    for snapshot in &snapshots {
        match command::zfs(vec!["hold".to_owned(), layout::hold(vm), snapshot.clone()]).await {
            Ok(_) | Err(Error::Exists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    for ((disk, geometry), snapshot) in disks.iter().zip(&snapshots) {
        match command::zfs(command::clone(vm, *disk, snapshot, *geometry)).await {
            Ok(_) | Err(Error::Exists(_)) => {}
            Err(error) => return Err(error),
        }
        drop(device::wait(&layout::clone(vm, *disk), layout::rounded(geometry.size.0)).await?);
    }
    tracing::info!(vm = %vm, machine = %machine, "cloned {} disks of recovery point {point}", disks.len());
    let clone = |(disk, geometry): &(DiskId, Geometry)| DiskClone {
        disk: disk.to_string(),
        size: geometry.size.0,
        sector_size: geometry.sector,
    };
    Ok(disks.iter().map(clone).collect())
}

async fn make_folder(vm: VmId, machine: MachineId, point: RecoveryPointId) -> Result<()> {
    let properties = [
        (layout::PROPERTY_VERSION, layout::VERSION.to_string()),
        (layout::PROPERTY_MACHINE, machine.to_string()),
        (layout::PROPERTY_POINT, point.to_string()),
    ];
    match command::zfs(command::create_folder(&layout::vm(vm), &properties)).await {
        Ok(_) => Ok(()),
        Err(Error::Exists(_)) => match origin(vm).await? {
            Some(origin) if origin == (machine, point) => Ok(()),
            _ => Err(Error::Exists(format!("VM {vm} already has clones of another recovery point"))),
        },
        Err(error) => Err(error),
    }
}

/// The machine and point a VM runs from; nothing if it has no dataset.
async fn origin(vm: VmId) -> Result<Option<(MachineId, RecoveryPointId)>> {
    let dataset = layout::vm(vm);
    let properties = ["name", layout::PROPERTY_MACHINE, layout::PROPERTY_POINT];
    let json = match command::zfs(command::list("filesystem", &properties, &dataset)).await {
        Ok(json) => json,
        Err(Error::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let entries = listing::parse(&json)?;
    let Some(entry) = entries.iter().find(|entry| entry.name == dataset) else { return Ok(None) };
    let read =
        |property| entry.text(property).ok_or_else(|| Error::Corrupt(format!("{dataset} lacks {property}")));
    let corrupt = |_| Error::Corrupt(format!("{dataset} names no machine and recovery point"));
    let machine = read(layout::PROPERTY_MACHINE)?.parse().map_err(corrupt)?;
    Ok(Some((machine, read(layout::PROPERTY_POINT)?.parse().map_err(corrupt)?)))
}

/// Destroys a VM's clones and lets go of their point.
pub async fn destroy_clones(vm: VmId) -> Result<()> {
    let Some((machine, point)) = origin(vm).await? else { return Ok(()) };
    let json = command::zfs(command::list("volume", &["name"], &layout::vm(vm))).await?;
    for clone in listing::parse(&json)? {
        if layout::parse_clone(&clone.name).is_some_and(|(owner, _)| owner == vm) {
            destroy(&clone.name).await?;
        }
    }
    if let Some(point) = points::find(machine, point).await? {
        for disk in point.disks {
            let snapshot = format!("{}/{}@rp-{}", layout::machine(machine), disk.disk, point.point);
            match command::zfs(vec!["release".to_owned(), layout::hold(vm), snapshot]).await {
                Ok(_) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    destroy(&layout::vm(vm)).await?;
    tracing::info!(vm = %vm, "destroyed its clones");
    Ok(())
}

/// Destroys one dataset, waiting a bounded time for its last user to let go. One that is gone already is no error.
pub async fn destroy(dataset: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        match command::zfs(command::destroy(dataset)).await {
            Ok(_) | Err(Error::NotFound(_)) => return Ok(()),
            Err(Error::Busy(text)) if begin.elapsed() < BUSY_DEADLINE => {
                tracing::debug!("{text}; trying again")
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(BUSY_POLL).await;
    }
}

/// All VMs that have clones.
pub async fn list() -> Result<Vec<VmId>> {
    let entries = listing::parse(&command::zfs(command::list("filesystem", &["name"], layout::VMS)).await?)?;
    Ok(entries.iter().filter_map(|entry| layout::parse_vm(&entry.name)).collect())
}
