//! `understudy failover`.

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use understudy_bus::scheduler::FailoverRequest;

use crate::link::{Link, plain};
use crate::output::{Output, embedded, seconds, short};
use crate::verbs::vms::{document, next};

/// What to boot.
#[derive(Args)]
#[command(
    after_help = "The recovery point itself is never written to: the virtual machine runs on a clone of it."
)]
pub struct Failover {
    /// The machine
    machine: String,
    /// Recovery point (from `understudy points`), or latest
    #[arg(long, default_value = "latest")]
    point: String,
    /// What it can reach: isolated is a link that leads nowhere
    #[arg(long, default_value = "isolated")]
    network: String,
    /// What it is for
    #[arg(long, value_enum, default_value_t = Why::Disaster)]
    why: Why,
    /// Processors; as many as the machine had, if not given
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    cpus: u32,
    /// Memory in MiB, or with a unit like 2G; as much as the machine had, if not given
    #[arg(long, value_parser = memory, default_value = "0", hide_default_value = true)]
    memory: u64,
    /// Show progress and return when the virtual machine runs; exit 1 if it does not
    #[arg(long)]
    wait: bool,
}

/// Why a VM is started.
#[derive(Clone, Copy, ValueEnum)]
enum Why {
    /// The machine is lost
    Disaster,
    /// A look at an old state
    Test,
    /// A proof that the recovery point boots
    Verify,
}

impl Failover {
    /// Boots it.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let machine = link.machine(&self.machine).await?;
        let why = match self.why {
            Why::Disaster => "disaster",
            Why::Test => "test",
            Why::Verify => "verify",
        };
        let request = FailoverRequest {
            machine: machine.machine.clone(),
            point: self.whole_point(link, &machine.machine).await?,
            cpus: self.cpus,
            memory: self.memory,
            network: self.network.clone(),
            why: why.to_owned(),
        };
        let mut changes = link.scheduler.receive_stand_in_changed().await?;
        let id = link.scheduler.failover(&request).await.map_err(plain)?;
        if !self.wait {
            return output.show(json!({ "vm": id }), || {
                format!(
                    "VM {} is being made for {}; `understudy vms` shows how far it is.",
                    short(&id),
                    machine.name
                )
            });
        }
        let mut shown = String::new();
        let vm = loop {
            let vm = link.vm(&id).await?;
            output.progress(&mut shown, vm.state.clone());
            match vm.state.as_str() {
                "running" | "failed" | "stopped" => break vm,
                _ => next(&mut changes).await.context("the bus has closed the connection")?,
            };
        };
        output.progress_done(&shown);
        if vm.state != "running" {
            let message = if vm.message.is_empty() { "it was stopped" } else { &vm.message };
            bail!("VM {} does not run: {message}", short(&id));
        }
        output.show(json!({ "vm": document(&vm) }), || {
            let mut text = format!(
                "VM {0} stands in for {1}, {2} after the request.\nConsole: understudy vm console {0}\n",
                short(&id),
                machine.name,
                seconds(vm.running_seconds)
            );
            for problem in embedded(&vm.inspection)["problems"].as_array().into_iter().flatten() {
                text.push_str(&format!("Mind: {}\n", problem.as_str().unwrap_or_default()));
            }
            text
        })
    }

    /// Completes the beginning of a recovery point's id.
    async fn whole_point(&self, link: &Link, machine: &str) -> anyhow::Result<String> {
        let short_id =
            (4..32).contains(&self.point.len()) && self.point.bytes().all(|c| c.is_ascii_hexdigit());
        if !short_id {
            return Ok(self.point.clone());
        }
        let points = link.scheduler.points(machine).await.map_err(plain)?;
        let found: Vec<_> = points.iter().filter(|point| point.point.starts_with(&self.point)).collect();
        match found.as_slice() {
            [one] => Ok(one.point.clone()),
            [] => bail!("there is no recovery point {}; `understudy points` lists all", self.point),
            _ => bail!("{} is the beginning of several recovery points; say more of the id", self.point),
        }
    }
}

/// `512`, `512M`, `2G` or `2GiB`, in bytes.
fn memory(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        _ => return Err("MiB are expected, or a size like 512M or 2G".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "MiB are expected, or a size like 512M or 2G".to_owned())?;
    count.checked_mul(unit).ok_or_else(|| "that is more than any machine has".to_owned())
}

#[cfg(test)]
mod tests {
    use super::memory;

    #[test]
    fn memory_is_in_mib_unless_it_says_otherwise() {
        assert_eq!(memory("512"), Ok(512 << 20));
        assert_eq!(memory("512M"), Ok(512 << 20));
        assert_eq!(memory("2G"), Ok(2 << 30));
        for wrong in ["", "G", "2T", "-1", "99999999999G"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
    }
}
