//! A box in memory, whose power can be cut.

use std::sync::Mutex;

use anyhow::bail;

use crate::configuration::{Configuration, Pool};
use crate::engine::{Engine, Services};

/// What the box has, what was done to it, and where it fails.
#[derive(Default)]
pub struct Simulated {
    /// The configuration disk's text.
    pub disk: Option<String>,
    /// What was done, in order.
    pub done: Mutex<Vec<String>>,
    /// The step that fails, as it stands in `done`.
    pub fails: Option<&'static str>,
    /// How the services are, look by look; the last stays.
    pub services: Mutex<Vec<Services>>,
}

impl Simulated {
    fn step(&self, step: &str) -> anyhow::Result<()> {
        self.done.lock().unwrap().push(step.to_owned());
        if self.fails == Some(step) { bail!("{step} failed") } else { Ok(()) }
    }

    /// What was done so far.
    pub fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }
}

impl Engine for &'static Simulated {
    async fn configuration_disk(&self) -> anyhow::Result<Option<String>> {
        self.step("look for the disk")?;
        Ok(self.disk.clone())
    }

    async fn load_firewall(&self) -> anyhow::Result<()> {
        self.step("firewall")
    }

    async fn apply(&self, _: &Configuration) -> anyhow::Result<()> {
        self.step("apply")
    }

    async fn create_pool(&self, _: &Pool) -> anyhow::Result<()> {
        self.step("create the pool")
    }

    async fn check_pool(&self) -> anyhow::Result<()> {
        self.step("check the pool")
    }

    fn addresses(&self) -> anyhow::Result<Vec<String>> {
        Ok(vec!["10.0.0.2/24".to_owned()])
    }

    async fn services(&self) -> anyhow::Result<Services> {
        let mut services = self.services.lock().unwrap();
        let now = services.first().cloned().unwrap_or(Services::Up);
        if services.len() > 1 {
            services.remove(0);
        }
        Ok(now)
    }

    async fn say(&self, line: &str) {
        self.done.lock().unwrap().push(format!("say: {line}"));
    }
}
