//! Stand-ins: a recovery point is cloned, looked at, and booted. One file a step; `plan` decides without I/O.

mod boot;
mod cloning;
mod inspecting;
pub mod kept;
mod plan;
pub mod reconcile;
mod starting;
mod stopping;
pub mod watch;

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tracing::Instrument;
use understudy_bus::error::{Error, Result};
use understudy_bus::scheduler::{FailoverRequest, StandIn};
use understudy_wire::{RecoveryPointId, VmId};
use zbus::zvariant::OwnedFd;

use crate::catalogue::{MachineRow, PointRow, StandInRow};
use crate::point_record::PointRecord;
use crate::scheduler::{Event, Scheduler, parse_id};

impl Scheduler {
    /// Starts a stand-in; what follows happens in the background.
    pub(crate) fn failover(self: &Arc<Self>, request: &FailoverRequest) -> Result<String> {
        let begun = Instant::now();
        if request.network != "isolated" {
            return Err(Error::InvalidArgument(format!(
                "network {:?} is not possible: a stand-in boots on `isolated` only, a link that leads nowhere",
                request.network
            )));
        }
        if !["disaster", "test", "verify"].contains(&request.why.as_str()) {
            return Err(Error::InvalidArgument(format!(
                "{:?} is no reason for a stand-in: `disaster`, `test` or `verify` is expected",
                request.why
            )));
        }
        let machine = self.resolve(&request.machine)?;
        let point = self.choose_point(&machine, &request.point)?;
        let record = PointRecord::parse(&point.record)?;
        let room = plan::Room::of_this_box()?;
        let size = plan::size(request.cpus, request.memory, &record.inventory, room)?;
        let row = StandInRow {
            vm: VmId::new(),
            machine: machine.machine,
            name: record.name.clone(),
            point: point.point,
            cpus: size.cpus,
            memory: size.memory,
            network: request.network.clone(),
            why: request.why.clone(),
            state: "cloning".to_owned(),
            message: String::new(),
            inspection: String::new(),
            clone_seconds: 0.0,
            running_seconds: 0.0,
            clones: true,
        };
        let vm = row.vm;
        self.catalogue.put_stand_in(&row)?;
        self.show(vm);
        tracing::info!(
            machine = %row.machine, %vm,
            "{} is to stand in for {} from recovery point {} ({}, {} processors, {} bytes of memory)",
            vm, row.name, row.point, row.why, row.cpus, row.memory
        );
        let span = tracing::info_span!("stand-in", machine = %row.machine, %vm);
        tokio::spawn(boot::run(self.clone(), row, record.inventory, begun).instrument(span));
        self.tell(Event::StandIn(vm));
        Ok(vm.to_string())
    }

    fn choose_point(&self, machine: &MachineRow, wanted: &str) -> Result<PointRow> {
        let mut points = self.catalogue.points(Some(machine.machine))?;
        if points.is_empty() {
            return Err(Error::NotFound(format!(
                "machine {} has no recovery point yet: none of its backups has finished",
                machine.name
            )));
        }
        if wanted == "latest" {
            return points.pop().ok_or_else(|| Error::NotFound("no recovery point".to_owned()));
        }
        let id: RecoveryPointId = parse_id(wanted)?;
        if let Some(index) = points.iter().position(|point| point.point == id) {
            return Ok(points.swap_remove(index));
        }
        let newest: Vec<String> = points.iter().rev().take(5).map(|point| point.point.to_string()).collect();
        Err(Error::NotFound(format!(
            "machine {} has no recovery point {wanted}; it has {}, the newest are: {}",
            machine.name,
            points.len(),
            newest.join(", ")
        )))
    }

    /// All stand-ins, ended ones only if they ended in this run of the service or still have their disks.
    pub(crate) fn list_stand_ins(&self) -> Result<Vec<StandIn>> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rows = self.catalogue.stand_ins()?;
        Ok(rows
            .into_iter()
            .filter(|row| row.clones || shown.contains(&row.vm))
            .map(|row| StandIn {
                vm: row.vm.to_string(),
                machine: row.machine.to_string(),
                name: row.name,
                point: row.point.to_string(),
                network: row.network,
                why: row.why,
                state: row.state,
                message: row.message,
                inspection: row.inspection,
                clone_seconds: row.clone_seconds,
                running_seconds: row.running_seconds,
            })
            .chain(self.kept.list())
            .collect())
    }

    /// A stand-in, by id.
    fn known_stand_in(&self, vm: &str) -> Result<StandInRow> {
        let id: VmId = parse_id(vm)?;
        self.catalogue
            .stand_in(id)?
            .ok_or_else(|| Error::NotFound(format!("there is no VM {vm}; `understudy vms` lists all")))
    }

    /// A stand-in with a VM that runs.
    fn running_stand_in(&self, vm: &str) -> Result<StandInRow> {
        let row = self.known_stand_in(vm)?;
        match row.state.as_str() {
            "running" => Ok(row),
            state => Err(Error::NotReady(format!("VM {vm} does not run: it is {state}"))),
        }
    }

    /// Its serial console.
    pub(crate) async fn console(&self, vm: &str) -> Result<OwnedFd> {
        let row = self.running_stand_in(vm)?;
        let vm = row.vm.to_string();
        self.engines.call("cannot open the console", || self.engines.vms.console(&vm)).await
    }

    /// Its screen.
    pub(crate) async fn screenshot(&self, vm: &str) -> Result<OwnedFd> {
        let row = self.running_stand_in(vm)?;
        let vm = row.vm.to_string();
        self.engines.call("cannot take a screenshot", || self.engines.vms.screenshot(&vm)).await
    }

    /// Shows a stand-in even after its end.
    fn show(&self, vm: VmId) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(vm);
    }

    /// Moves a stand-in on if it is still in `from`, and stores what else has changed in it.
    fn move_stand_in(&self, row: &mut StandInRow, to: &str) -> Result<bool> {
        let moved = self.catalogue.move_stand_in(row, to)?;
        if moved {
            row.state = to.to_owned();
            tracing::info!("VM {} is {to}", row.vm);
            self.show(row.vm);
            self.stand_ins_changed.notify_waiters();
            self.tell(Event::StandIn(row.vm));
        }
        Ok(moved)
    }
}
