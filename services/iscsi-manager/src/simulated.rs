//! A target without a kernel, so that the D-Bus edge runs in unprivileged tests.

use std::collections::BTreeMap;
use std::sync::Mutex;

use understudy_bus::error::Result;
use understudy_bus::iscsi::Target;
use understudy_bus::wire::JobId;

use crate::chap::Credentials;
use crate::engine::{Engine, Publication};
use crate::names::Name;

/// Publications in memory.
#[derive(Default)]
pub struct Simulated {
    /// What is published now.
    pub published: Mutex<BTreeMap<Name, Publication>>,
}

impl Engine for Simulated {
    async fn publish(&self, publication: Publication) -> Result<Target> {
        let name = Name { job: publication.job, disk: publication.disk };
        let chap = Credentials::new(name.job)?;
        self.published.lock().unwrap().insert(name, publication);
        Ok(Target { iqn: name.iqn(), port: 3260, lun: 0, user: chap.user, secret: chap.secret })
    }

    async fn withdraw(&self, job: JobId) -> Result<()> {
        self.published.lock().unwrap().retain(|name, _| name.job != job);
        Ok(())
    }

    async fn published(&self) -> Result<Vec<JobId>> {
        let mut jobs: Vec<_> = self.published.lock().unwrap().keys().map(|name| name.job).collect();
        jobs.dedup();
        Ok(jobs)
    }
}
