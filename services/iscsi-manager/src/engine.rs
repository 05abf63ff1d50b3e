//! What the D-Bus edge asks of the target behind it. Arguments are already parsed: whoever implements this trusts them.

use std::future::Future;
use std::net::IpAddr;

use understudy_bus::error::Result;
use understudy_bus::iscsi::Target;
use understudy_bus::wire::{DiskId, JobId};

use crate::names::{Device, Initiator};

/// One LUN to publish.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The job it belongs to.
    pub job: JobId,
    /// The disk.
    pub disk: DiskId,
    /// Its volume.
    pub device: Device,
    /// The one initiator that may log in.
    pub initiator: Initiator,
    /// Where the initiator comes from.
    pub address: IpAddr,
}

/// The target. Each method is one of `understudy_bus::iscsi::IscsiProxy`, where its promises stand.
pub trait Engine: Send + Sync + 'static {
    /// See `publish` of the proxy.
    fn publish(&self, publication: Publication) -> impl Future<Output = Result<Target>> + Send;
    /// See `withdraw`.
    fn withdraw(&self, job: JobId) -> impl Future<Output = Result<()>> + Send;
    /// See `published`.
    fn published(&self) -> impl Future<Output = Result<Vec<JobId>>> + Send;
}
