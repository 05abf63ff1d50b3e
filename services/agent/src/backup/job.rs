//! One job from its order to its report.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, bail};
use understudy_direct_io::Device;
use understudy_wire::{BLOCK, Disk, DiskId, DiskReport, Inventory, Kind, Order, OrderDisk, Report};

use super::Limits;
use super::copier::{Copier, Held, bytes_of};
use super::hooks::Hooks;
use super::instant::{self, Attempt, Memory, Setting};
use super::plan::{self, Plan};
use super::progress::{EndOnDrop, Stage, State};
use crate::block::{BlockRange, BlockSet};
use crate::config::BackupSettings;
use crate::freeze::Freezer;
use crate::iscsi::{Address, BlockTarget, Lun};
use crate::link::Link;
use crate::tracker::{Hardware, Tracker};

/// So little may be left for the instant: 16 MiB, read in well under a second from any disk.
const LITTLE: u64 = (16 << 20) / BLOCK;

/// Base hashes asked for at a time: those of 128 MiB. Less would cost requests, more would keep one side waiting for the other.
const HASHES: u64 = (128 << 20) / BLOCK;

/// Passes after which what is left counts as little if it only fits the memory: a machine that writes faster than this
/// network carries never gets better.
const PASSES: u32 = 10;

/// How often an instant is tried that ended because too much was dirty, or a tracker's marks were void.
const ATTEMPTS: u32 = 5;

/// One disk of the job.
struct Work<'a> {
    order: &'a OrderDisk,
    disk: &'a Disk,
    plan: Plan,
}

/// Does everything up to the report.
pub fn carry_out(
    order: &Order,
    inventory: &Inventory,
    link: &dyn Link,
    tracker: &mut Tracker,
    settings: &BackupSettings,
    limits: &Limits,
) -> anyhow::Result<Report> {
    let state = State::default();
    std::thread::scope(|scope| {
        let _end = EndOnDrop(&state);
        scope.spawn(|| state.tell(link, order.job));
        Job { order, link, settings, limits, state: &state }.carry_out(inventory, tracker)
    })
}

struct Job<'a> {
    order: &'a Order,
    link: &'a dyn Link,
    settings: &'a BackupSettings,
    limits: &'a Limits,
    state: &'a State,
}

impl<'a> Job<'a> {
    fn carry_out(&self, inventory: &'a Inventory, tracker: &mut Tracker) -> anyhow::Result<Report> {
        self.state.enter(Stage::Mapping);
        let mut works = Vec::new();
        for order in &self.order.disks {
            let disk = inventory.disks.iter().find(|disk| disk.id == order.disk).with_context(|| {
                format!("the box orders disk {}, which this machine does not have (any more)", order.disk)
            })?;
            plan::check(order, disk)?;
            works.push(self.plan(order, disk, tracker)?);
        }
        let mut copiers = works.iter().map(|work| self.connect(work)).collect::<anyhow::Result<Vec<_>>>()?;

        self.state.enter(Stage::Copying);
        for (work, copier) in works.iter().zip(&mut copiers) {
            self.copy_map(work, copier)?;
        }
        let mut memory = Memory::new(self.limits.frozen_memory);
        let frozen = self.reach_instant(tracker, &mut works, &mut copiers, &mut memory)?;

        self.state.enter(Stage::Finishing);
        // From here on the live marks belong to the next epoch. This writes a file, hence after the thaw.
        tracker.fixed()?;
        for &(disk, range, at) in memory.parts() {
            let content = memory.content(at, copiers[disk].bytes(range));
            self.state.expect(content.len() as u64);
            copiers[disk].send_read(range, content, held(&works[disk]), self.state)?;
        }
        let mut report =
            Report { error: None, frozen_seconds: frozen.as_secs_f64(), disks: Default::default() };
        for (work, copier) in works.iter().zip(&mut copiers) {
            copier.finish().with_context(|| format!("{}: cannot finish", work.disk.name))?;
            let entry = DiskReport {
                kind: work.plan.kind,
                reason: work.plan.reason.clone(),
                mapped: bytes_of(&work.plan.map, work.disk.size),
                sent: copier.sent_bytes(),
                distinct_sent: copier.distinct_bytes(),
            };
            tracing::info!(
                "{}: {:?}, {} bytes mapped, {} sent, frozen {:.3} s",
                work.disk.name,
                entry.kind,
                entry.mapped.0,
                entry.sent.0,
                report.frozen_seconds
            );
            report.disks.insert(work.disk.id, entry);
            if let Some(folder) = &self.settings.map_dump {
                let mut allowed = work.plan.map.clone();
                // Not what is written since the thaw: that has no business in this point.
                allowed.union(&tracker.taken(work.disk.id)?);
                plan::dump(folder, work.disk, work.plan.kind, &allowed)?;
            }
        }
        Ok(report)
    }

    fn plan(&self, order: &'a OrderDisk, disk: &'a Disk, tracker: &mut Tracker) -> anyhow::Result<Work<'a>> {
        let plan = plan::plan(order, disk, tracker)?;
        tracing::info!("{}: {:?}, {:?} to look at {}", disk.name, plan.kind, plan.map, plan.reason);
        Ok(Work { order, disk, plan })
    }

    fn connect(&self, work: &Work) -> anyhow::Result<Copier<'a>> {
        let target = &work.order.target;
        let address = Address {
            portal: SocketAddr::new(self.link.box_address(), target.port),
            iqn: target.iqn.clone(),
            lun: target.lun,
            initiator: self.order.initiator.clone(),
            chap: Some((target.user.clone(), target.secret.clone())),
            patience: self.limits.patience,
        };
        let portal = address.portal;
        let lun = Lun::connect(address)
            .with_context(|| format!("the box's iSCSI target {} at {portal}", target.iqn))?;
        if lun.size() < work.disk.size.0 {
            bail!(
                "the box's volume for {} has {} bytes, the disk {}; nothing was copied",
                work.disk.name,
                lun.size(),
                work.disk.size.0
            );
        }
        let device = Device::open(&Hardware::node(&work.disk.name))?;
        let (link, job, disk) = (self.link, self.order.job, work.disk.id);
        let record = move |records: &[_]| Ok(link.blocks(job, disk, records)?);
        Ok(Copier::new(device, Box::new(lun), Box::new(record)))
    }

    /// Copies the plan's map: compares where that is planned, sends the rest outright.
    fn copy_map(&self, work: &Work, copier: &mut Copier) -> anyhow::Result<()> {
        let (plan, name) = (&work.plan, &work.disk.name);
        self.state.expect(bytes_of(&plan.map, work.disk.size).0);
        self.compare(work, copier)?;
        let mut outright = plan.map.clone();
        plan.compare.ranges(u64::MAX).for_each(|range: BlockRange| outright.remove_range(range));
        copier.copy(&outright, held(work), self.state).with_context(|| format!("{name}: cannot copy"))?;
        // Told now rather than at the end, where everything waits for it.
        copier.flush_records()
    }

    /// Copies what is to be compared and differs from the base. While some hashes are compared with the disk, the box reads the next.
    fn compare(&self, work: &Work, copier: &mut Copier) -> anyhow::Result<()> {
        let (plan, name) = (&work.plan, &work.disk.name);
        std::thread::scope(|scope| {
            let (answers, next) = mpsc::sync_channel(1);
            scope.spawn(move || {
                for range in plan.compare.ranges(HASHES) {
                    let hashes = self.link.hashes(self.order.job, work.disk.id, range.first, range.count);
                    let last = hashes.is_err();
                    if answers.send((range, hashes)).is_err() || last {
                        break;
                    }
                }
            });
            for (range, hashes) in next {
                let hashes = hashes
                    .with_context(|| format!("{name}: cannot get the base's hashes to compare with"))?;
                if hashes.len() as u64 != range.count {
                    bail!(
                        "{name}: the box sent {} hashes where {} were asked for",
                        hashes.len(),
                        range.count
                    );
                }
                let mut blocks = BlockSet::none(plan.map.blocks());
                blocks.insert_range(range);
                let held = Held::Hashes { from: range.first, hashes: &hashes };
                copier.copy(&blocks, held, self.state).with_context(|| format!("{name}: cannot compare"))?;
            }
            Ok(())
        })
    }

    /// Copies what is written meanwhile until little is left, then freezes. Returns how long it was frozen.
    fn reach_instant(
        &self,
        tracker: &mut Tracker,
        works: &mut [Work<'a>],
        copiers: &mut [Copier<'a>],
        memory: &mut Memory,
    ) -> anyhow::Result<Duration> {
        let disks: Vec<(DiskId, String)> =
            works.iter().map(|work| (work.disk.id, work.disk.name.clone())).collect();
        let names: Vec<String> = disks.iter().map(|(_, name)| name.clone()).collect();
        let setting = Setting {
            job: self.order.job,
            disks: &disks,
            port: self.settings.instant_port.as_deref(),
            fault: self.limits.fault,
        };
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let mut freezer = Freezer::prepare(&names, &self.limits.watchdog)?;
            let mut pending: Vec<_> =
                works.iter().map(|work| BlockSet::none(work.disk.size.blocks())).collect();
            let passed =
                self.pass_until_little(tracker, &freezer, works, copiers, &mut pending, memory.blocks())?;
            let attempt = match passed {
                Some((disk, reason)) => Attempt::Void(disk, reason),
                None => {
                    self.state.enter(Stage::Freezing);
                    self.state.check_wanted()?;
                    let _hooks = Hooks::before(self.settings)?;
                    instant::attempt(&setting, &mut freezer, tracker, &mut pending, copiers, memory)?
                }
            };
            self.state.enter(Stage::Copying);
            match attempt {
                Attempt::Fixed { frozen } => return Ok(frozen),
                Attempt::TooDirty => {
                    let dirty: u64 = pending.iter().map(BlockSet::count).sum();
                    last = format!(
                        "{} MiB were dirty when its file systems were frozen, {} MiB are possible",
                        (dirty * BLOCK) >> 20,
                        (memory.blocks() * BLOCK) >> 20
                    );
                    tracing::info!("{last}; another pass");
                    for ((work, copier), pending) in works.iter().zip(copiers.iter_mut()).zip(&pending) {
                        self.copy_marked(work, copier, pending)?;
                    }
                }
                Attempt::Void(disk, reason) => {
                    tracing::warn!("disk {disk}: {reason}; everything is looked at again");
                    last = format!("the tracker lost sight of its writes: {reason}");
                    for (work, copier) in
                        works.iter_mut().zip(copiers.iter_mut()).filter(|(w, _)| w.disk.id == disk)
                    {
                        // The plan finds the marks void as well, and begins a new epoch.
                        *work = self.plan(work.order, work.disk, tracker)?;
                        self.copy_map(work, copier)?;
                    }
                    // What the other disks had pending was taken from their live marks and is copied now.
                    for ((work, copier), pending) in works.iter().zip(copiers.iter_mut()).zip(&pending) {
                        self.copy_marked(work, copier, pending)?;
                    }
                }
            }
        }
        bail!(
            "the machine did not hold still long enough in {ATTEMPTS} attempts: {last}. Back up at a quieter time, or \
             give the box a faster network"
        )
    }

    /// Copies what is marked until what is marked after it is little; that stays in `pending`. Returns a disk whose
    /// marks are void, and why.
    fn pass_until_little(
        &self,
        tracker: &Tracker,
        freezer: &Freezer,
        works: &[Work],
        copiers: &mut [Copier],
        pending: &mut [BlockSet],
        fits: u64,
    ) -> anyhow::Result<Option<(DiskId, String)>> {
        for pass in 1.. {
            // What is dirty in memory only would otherwise be written at the freeze.
            freezer.sync()?;
            for (work, pending) in works.iter().zip(pending.iter_mut()) {
                tracker.take(work.disk.id, pending)?;
                if let Err(reason) = tracker.sound(work.disk.id) {
                    return Ok(Some((work.disk.id, reason)));
                }
            }
            let left: u64 = pending.iter().map(BlockSet::count).sum();
            tracing::info!("pass {pass}: {left} blocks were written meanwhile");
            if left <= LITTLE.min(fits) || pass >= PASSES {
                return Ok(None);
            }
            for ((work, copier), pending) in works.iter().zip(copiers.iter_mut()).zip(pending.iter_mut()) {
                self.copy_marked(work, copier, pending)?;
                *pending = BlockSet::none(pending.blocks());
            }
        }
        Ok(None)
    }

    fn copy_marked(&self, work: &Work, copier: &mut Copier, blocks: &BlockSet) -> anyhow::Result<()> {
        self.state.expect(bytes_of(blocks, work.disk.size).0);
        copier
            .copy(blocks, held(work), self.state)
            .with_context(|| format!("{}: cannot copy", work.disk.name))
    }
}

/// What a block that was not sent yet holds in the volume, outside a comparison.
fn held(work: &Work) -> Held<'static> {
    if work.plan.kind == Kind::First { Held::Zeros } else { Held::Unknown }
}
