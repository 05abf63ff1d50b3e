//! `org.understudy.Scheduler1.Manager`; see [`understudy_bus::scheduler::Scheduler`].

use std::sync::Arc;

use understudy_bus::error::Result;
use understudy_bus::scheduler::{FailoverRequest, Job, Machine, MachineOverview, Point, Rebuilt, StandIn};
use zbus::interface;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedFd;

use crate::scheduler::Scheduler;

pub struct Manager(pub Arc<Scheduler>);

#[interface(name = "org.understudy.Scheduler1.Manager")]
impl Manager {
    async fn new_pairing_code(&self) -> Result<(String, u64)> {
        Ok(self.0.new_pairing_code())
    }

    async fn new_pairing_code_for(&self, machine: &str) -> Result<(String, u64)> {
        self.0.new_pairing_code_for(machine)
    }

    async fn machines(&self) -> Result<Vec<Machine>> {
        self.0.list_machines()
    }

    async fn overview(&self) -> Result<Vec<MachineOverview>> {
        self.0.overview()
    }

    async fn rebuild_catalogue(&self) -> Result<Rebuilt> {
        self.0.rebuild_catalogue().await
    }

    async fn set_timetable(&self, machine: &str, timetable: &str, time_zone: &str) -> Result<()> {
        self.0.set_timetable(machine, timetable, time_zone)
    }

    async fn start_backup(&self, machine: &str) -> Result<String> {
        self.0.start_backup(machine)
    }

    async fn cancel_job(&self, job: &str) -> Result<()> {
        self.0.cancel_job(job)
    }

    async fn jobs(&self, machine: &str) -> Result<Vec<Job>> {
        self.0.list_jobs(machine)
    }

    async fn points(&self, machine: &str) -> Result<Vec<Point>> {
        self.0.list_points(machine)
    }

    async fn failover(&self, request: FailoverRequest) -> Result<String> {
        self.0.failover(&request)
    }

    async fn stand_ins(&self) -> Result<Vec<StandIn>> {
        self.0.list_stand_ins()
    }

    async fn stop_stand_in(&self, vm: &str) -> Result<()> {
        self.0.stop_stand_in(vm).await
    }

    async fn console(&self, vm: &str) -> Result<OwnedFd> {
        self.0.console(vm).await
    }

    async fn screenshot(&self, vm: &str) -> Result<OwnedFd> {
        self.0.screenshot(vm).await
    }

    #[zbus(signal)]
    async fn machines_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn job_changed(emitter: &SignalEmitter<'_>, job: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn stand_in_changed(emitter: &SignalEmitter<'_>, vm: &str) -> zbus::Result<()>;
}
