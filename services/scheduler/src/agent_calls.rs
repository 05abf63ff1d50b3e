//! What agents ask, through the gateway.

use std::net::IpAddr;
use std::sync::Arc;

use understudy_bus::error::{Error, Result};
use understudy_wire::{
    BlockHash, Bytes, Inventory, IscsiTarget, JobId, Order, OrderDisk, Outcome, PROTOCOL, PointDisk,
    Progress, Report,
};

use crate::catalogue::{JobDisk, JobRow, MachineRow};
use crate::job::records::Records;
use crate::job::state::Step;
use crate::job::{Live, base_hashes, block_reader};
use crate::scheduler::{Event, Scheduler, blocking, parse_id};

impl Scheduler {
    /// The machine, if it is known with this key.
    fn agent(&self, machine: &str, key: &str) -> Result<MachineRow> {
        let row = self.catalogue.machine(parse_id(machine)?)?.filter(|row| row.key == key).ok_or_else(|| {
            Error::Denied(format!(
                "machine {machine} is not paired with this box, or not any more; pair it again with a new code (`understudy pair` on the box)"
            ))
        })?;
        self.mark_seen(&row)?;
        Ok(row)
    }

    /// The agent's job, and what is known of it while it runs.
    fn agent_job(&self, machine: &MachineRow, job: &str) -> Result<(JobRow, Option<Arc<Live>>)> {
        let id: JobId = parse_id(job)?;
        let row = self
            .catalogue
            .job(id)?
            .filter(|row| row.machine == machine.machine)
            .ok_or_else(|| Error::NotFound(format!("machine {} has no job {job}", machine.name)))?;
        let live = self.live().get(&id).cloned();
        Ok((row, live))
    }

    /// The same for a call that belongs to the copying itself.
    fn copying_job(&self, machine: &MachineRow, job: &str) -> Result<(JobRow, Arc<Live>)> {
        match self.agent_job(machine, job)? {
            (row, Some(live)) if wanted(&row) => {
                live.hear();
                self.mark_begun(&row, &live)?;
                Ok((row, live))
            }
            (row, _) if row.message.is_empty() => {
                Err(Error::NotReady(format!("job {job} takes nothing from its agent in step {}", row.step)))
            }
            (row, _) => Err(Error::NotReady(format!("job {job} is no longer wanted: {}", row.message))),
        }
    }

    /// The first sign of life ends the waiting.
    fn mark_begun(&self, row: &JobRow, live: &Live) -> Result<()> {
        if row.step == Step::Waiting && self.catalogue.advance(row.job, Step::Waiting, Step::Copying)? {
            tracing::info!(job = %row.job, machine = %row.machine, "the agent copies for job {}", row.job);
            live.wake();
            self.tell(Event::Job(row.job));
        }
        Ok(())
    }

    /// Stores an inventory.
    pub(crate) fn take_inventory(&self, machine: &str, key: &str, text: &str) -> Result<()> {
        let row = self.agent(machine, key)?;
        let inventory: Inventory = serde_json::from_str(text)
            .map_err(|error| Error::InvalidArgument(format!("the inventory cannot be read: {error}")))?;
        if row.inventory != text || row.name != inventory.host_name {
            self.catalogue.set_inventory(row.machine, &inventory.host_name, text)?;
            tracing::info!(
                machine = %row.machine,
                "{} has told its inventory: {} disks, {}", inventory.host_name, inventory.disks.len(), inventory.os
            );
            self.hint_at_twin(&row, &inventory)?;
            self.machines_changed();
        }
        Ok(())
    }

    /// What the agent is to do now, as JSON; empty for nothing.
    pub(crate) fn order(&self, machine: &str, key: &str, address: &str) -> Result<String> {
        let machine = self.agent(machine, key)?;
        let address: IpAddr = address
            .parse()
            .map_err(|_| Error::InvalidArgument(format!("{address:?} is not an IP address")))?;
        let address = address.to_canonical().to_string();
        if machine.address != address {
            self.catalogue.set_address(machine.machine, &address)?;
        }
        let Some(job) = self.catalogue.open_job(machine.machine)?.filter(|job| job.message.is_empty()) else {
            return Ok(String::new());
        };
        let live = self.live().get(&job.job).cloned();
        match job.step {
            Step::Publishing => {
                // It may have been waiting for this very call.
                if let Some(live) = live {
                    live.wake();
                }
                Ok(String::new())
            }
            Step::Waiting if job.address != address => {
                tracing::info!(job = %job.job, "the agent now calls from {address}: publishing anew");
                self.catalogue.advance(job.job, Step::Waiting, Step::Publishing)?;
                if let Some(live) = live {
                    live.wake();
                }
                Ok(String::new())
            }
            step if step.with_agent() => self.order_of(&job),
            _ => Ok(String::new()),
        }
    }

    fn order_of(&self, job: &JobRow) -> Result<String> {
        let unreadable = |error| Error::Failed(format!("cannot make the order of job {}: {error}", job.job));
        let disks = self
            .catalogue
            .job_disks(job.job)?
            .into_iter()
            .map(|disk| {
                let target: understudy_bus::iscsi::Target =
                    serde_json::from_str(&disk.target).map_err(unreadable)?;
                Ok(OrderDisk {
                    disk: disk.disk,
                    size: Bytes(disk.size),
                    target: IscsiTarget {
                        iqn: target.iqn,
                        port: target.port,
                        lun: target.lun,
                        user: target.user,
                        secret: target.secret,
                    },
                    base: disk
                        .base
                        .map(|(point, snapshot_guid)| understudy_wire::Base { point, snapshot_guid }),
                })
            })
            .collect::<Result<_>>()?;
        let order = Order { protocol: PROTOCOL, job: job.job, initiator: job.initiator.clone(), disks };
        serde_json::to_string(&order).map_err(unreadable)
    }

    /// Takes the agent's figures; false when the job is no longer wanted.
    pub(crate) fn take_progress(&self, machine: &str, key: &str, job: &str, text: &str) -> Result<bool> {
        let machine = self.agent(machine, key)?;
        let progress: Progress = serde_json::from_str(text)
            .map_err(|error| Error::InvalidArgument(format!("the progress cannot be read: {error}")))?;
        let (row, Some(live)) = self.agent_job(&machine, job)? else { return Ok(false) };
        if !wanted(&row) {
            return Ok(false);
        }
        live.set_progress(progress.stage, progress.sent.0, progress.expected.0);
        self.mark_begun(&row, &live)?;
        self.tell(Event::Job(row.job));
        Ok(true)
    }

    /// Stores block records.
    pub(crate) async fn take_blocks(
        &self,
        machine: &str,
        key: &str,
        job: &str,
        disk: &str,
        body: &[u8],
    ) -> Result<()> {
        let machine = self.agent(machine, key)?;
        let (row, live) = self.copying_job(&machine, job)?;
        let disk = self.job_disk(&row, disk)?;
        let parsed = BlockHash::parse_all(body, Bytes(disk.size)).ok_or_else(|| {
            Error::InvalidArgument(format!(
                "{} bytes of block records for disk {} are not whole records of blocks within its {} bytes",
                body.len(),
                disk.disk,
                disk.size
            ))
        })?;
        let records = self.records(&live, &disk)?;
        blocking(move || {
            records.store(&parsed).map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidInput => Error::InvalidArgument(error.to_string()),
                std::io::ErrorKind::StorageFull => {
                    Error::NoSpace(format!("no room for block hashes on the box's state partition: {error}"))
                }
                _ => Error::Failed(format!("cannot store block hashes: {error}")),
            })
        })
        .await
    }

    /// Hashes of what a volume held when the job began.
    pub(crate) async fn base_hashes(
        &self,
        machine: &str,
        key: &str,
        job: &str,
        disk: &str,
        (from, count): (u64, u64),
    ) -> Result<Vec<u8>> {
        let machine = self.agent(machine, key)?;
        let (row, live) = self.copying_job(&machine, job)?;
        let disk = self.job_disk(&row, disk)?;
        let base = match disk.base {
            None => None,
            Some((point, _)) => Some(match live.base(disk.disk) {
                Some(open) => open,
                None => {
                    let (machine, id, point) =
                        (row.machine.to_string(), disk.disk.to_string(), point.to_string());
                    let opened = self
                        .engines
                        .call(&format!("cannot open disk {id} of recovery point {point}"), || {
                            self.engines.zfs.open_point(&machine, &id, &point)
                        })
                        .await?;
                    let name = format!("disk {id} of recovery point {point}");
                    let base = Arc::new(block_reader::device(opened, name)?);
                    live.keep_base(disk.disk, base.clone());
                    base
                }
            }),
        };
        let size = Bytes(disk.size);
        let hashes = blocking(move || base_hashes::hashes(base.as_deref(), size, from, count)).await;
        // A gigabyte takes its time, and the agent could say nothing meanwhile.
        live.hear();
        hashes
    }

    /// Takes the agent's report: the copy is finished, or failed.
    pub(crate) fn take_report(&self, machine: &str, key: &str, job: &str, text: &str) -> Result<()> {
        let machine = self.agent(machine, key)?;
        let report: Report = serde_json::from_str(text)
            .map_err(|error| Error::InvalidArgument(format!("the report cannot be read: {error}")))?;
        let (mut row, live) = self.agent_job(&machine, job)?;
        if let Some(live) = &live
            && let (stage, Some((sent, expected))) = live.progress()
        {
            self.catalogue.set_progress(row.job, &stage, sent, expected)?;
        }
        if let Some(error) = report.error {
            self.doom(row.job, &format!("the agent could not finish: {error}"), text)?;
            return Ok(());
        }
        // The step may change between reading and writing: from waiting to copying, by a call of the same agent.
        while wanted(&row) {
            if self.catalogue.advance_with(row.job, row.step, Step::Withdrawing, text)? {
                tracing::info!(machine = %row.machine, job = %row.job, "the agent has finished job {}", row.job);
                if let Some(live) = live {
                    live.wake();
                }
                self.tell(Event::Job(row.job));
                return Ok(());
            }
            (row, _) = self.agent_job(&machine, job)?;
        }
        // A report that is repeated, or comes too late: the outcome tells the agent what became of the job.
        Ok(())
    }

    /// What became of a job, as JSON.
    pub(crate) fn outcome(&self, machine: &str, key: &str, job: &str) -> Result<String> {
        let machine = self.agent(machine, key)?;
        let (row, _) = self.agent_job(&machine, job)?;
        let outcome = match row.step {
            Step::Done => {
                let points = self.catalogue.points(Some(row.machine))?;
                let point = points.iter().find(|point| point.point == row.point).ok_or_else(|| {
                    Error::Corrupt(format!(
                        "job {job} is done, but the pool has lost its recovery point {}",
                        row.point
                    ))
                })?;
                let disks = point
                    .disks
                    .iter()
                    .map(|disk| PointDisk { disk: disk.disk, snapshot_guid: disk.guid })
                    .collect();
                Outcome::Done { point: row.point, disks }
            }
            Step::Failed => Outcome::Failed { message: row.message },
            _ => Outcome::Running,
        };
        serde_json::to_string(&outcome)
            .map_err(|error| Error::Failed(format!("cannot write the outcome of job {job}: {error}")))
    }

    fn job_disk(&self, row: &JobRow, disk: &str) -> Result<JobDisk> {
        let id = parse_id(disk)?;
        self.catalogue
            .job_disks(row.job)?
            .into_iter()
            .find(|disk| disk.disk == id)
            .ok_or_else(|| Error::NotFound(format!("job {} has no disk {disk}", row.job)))
    }

    /// The records file of a job's disk.
    pub(crate) fn records(&self, live: &Live, disk: &JobDisk) -> Result<Arc<Records>> {
        let folder = self.job_folder(live.job);
        live.records(disk.disk, || Records::open(&folder, disk.disk, Bytes(disk.size))).map_err(|error| {
            Error::Failed(format!(
                "cannot keep the block hashes of disk {} in {}: {error}",
                disk.disk,
                folder.display()
            ))
        })
    }
}

/// Whether a job still takes what its agent says.
fn wanted(row: &JobRow) -> bool {
    row.step.with_agent() && row.message.is_empty()
}
