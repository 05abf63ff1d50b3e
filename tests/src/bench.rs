//! `cargo xtask bench copy`: the agent's copy engine against `qemu-img convert` with its best flags, from the same disk to the same
//! kind of target, in turn, in one run.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::appliance::{self, Appliance};
use crate::machine::{self, Machine};
use crate::narrate::Narrator;
use crate::world::{Images, World};

const COMMAND: Duration = Duration::from_secs(120);
const COPY: Duration = Duration::from_secs(1200);
const INITIATOR: &str = "iqn.2026-11.org.understudy.bench:machine";
const SOURCE: &str = "/dev/vda";

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Copies {
    /// Size of the disk that was copied, in bytes.
    pub disk_bytes: u64,
    /// Seconds each of our copies took, login included.
    pub agent_seconds: Vec<f64>,
    /// Seconds each of the rival's took, login included.
    pub qemu_img_seconds: Vec<f64>,
}

impl Copies {
    /// Median of the agent's seconds over the rival's, pair by pair: below 1, the agent is faster.
    pub fn ratio(&self) -> f64 {
        let pairs = self.agent_seconds.iter().zip(&self.qemu_img_seconds);
        median(pairs.map(|(ours, theirs)| ours / theirs))
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = format!("{:<8}{:>12}{:>12}{:>8}\n", "round", "agent s", "qemu-img s", "ratio");
        for (round, (ours, theirs)) in self.agent_seconds.iter().zip(&self.qemu_img_seconds).enumerate() {
            let _ = writeln!(text, "{:<8}{ours:>12.1}{theirs:>12.1}{:>8.2}", round + 1, ours / theirs);
        }
        let _ = writeln!(text, "median ratio {:.2} (below 1, the agent is faster)", self.ratio());
        text
    }
}

/// The one in the middle; of an even number, the larger of the two; not a number if there is none.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Boots both machines and copies the machine's system disk `rounds` times with each program, to a new volume each time.
pub fn copy(world: &World, images: &Images, rounds: usize, narrator: &Narrator) -> anyhow::Result<Copies> {
    let (appliance, machine) = crate::story::boot_both(narrator, world, images, Appliance::boot)?;
    // The scheduler withdraws, once, what it knows nothing of; that must be over.
    appliance.shell.succeed(
        "timeout 100 sh -c 'until journalctl -u understudy-scheduler | grep -q \"the catalogue matches\"; do sleep 1; done'",
        COMMAND,
    )?;
    // A resting disk, so that both copy the same.
    machine.shell.succeed("systemctl stop ledger-writer.service && sync", COMMAND)?;
    let size = machine.shell.succeed(&format!("blockdev --getsize64 {SOURCE}"), COMMAND)?;
    let disk_bytes = size.trim().parse().with_context(|| format!("the size of {SOURCE} is {size:?}"))?;
    let mut result = Copies { disk_bytes, agent_seconds: vec![], qemu_img_seconds: vec![] };
    for round in 1..=rounds {
        for ours in [true, false] {
            let name = if ours { "the agent" } else { "qemu-img" };
            let seconds = narrator.step(&format!("round {round}: {name} copies"), || {
                let lun = Lun::publish(&appliance, disk_bytes)?;
                let command = if ours { lun.agent() } else { lun.qemu_img() };
                machine.shell.succeed(&format!("printf %s '{}' > /run/secret", lun.secret), COMMAND)?;
                let begin = Instant::now();
                let said = machine.shell.succeed(&command, COPY)?;
                let seconds = begin.elapsed().as_secs_f64();
                said.lines().last().into_iter().for_each(|line| narrator.note(line));
                lun.check_and_withdraw(&appliance, &machine)?;
                Ok(seconds)
            })?;
            if ours { result.agent_seconds.push(seconds) } else { result.qemu_img_seconds.push(seconds) }
        }
    }
    Ok(result)
}

/// A new volume, published to the machine as a backup's would be.
struct Lun {
    job: String,
    device: String,
    iqn: String,
    user: String,
    secret: String,
}

impl Lun {
    fn publish(appliance: &Appliance, size: u64) -> anyhow::Result<Self> {
        let id = || -> anyhow::Result<String> {
            Ok(appliance.shell.succeed("cat /proc/sys/kernel/random/uuid | tr -d -- -", COMMAND)?)
        };
        let (job, disk, machine) = (id()?, id()?, id()?);
        let (job, disk, machine) = (job.trim(), disk.trim(), machine.trim());
        let volume = call(appliance, "Zfs1", &format!("CreateVolume sstu {machine} {disk} {size} 512"))?;
        let device = volume[2].as_str().with_context(|| format!("no device in {volume}"))?.to_owned();
        let target = call(
            appliance,
            "Iscsi1",
            &format!("Publish '(sssss)' {job} {disk} {device} {INITIATOR} {}", machine::ADDRESS),
        )?;
        let text = |index: usize| -> anyhow::Result<String> {
            Ok(target[index].as_str().with_context(|| format!("no text {index} in the target"))?.to_owned())
        };
        Ok(Self { job: job.to_owned(), device, iqn: text(0)?, user: text(3)?, secret: text(4)? })
    }

    fn agent(&self) -> String {
        format!(
            "understudy-agent copy {SOURCE} {}:3260 {} {INITIATOR} {} < /run/secret",
            appliance::ADDRESS,
            self.iqn,
            self.user
        )
    }

    /// Unordered writes, as many requests in flight as it takes, the target known to be zero, no cache on either side.
    fn qemu_img(&self) -> String {
        format!(
            "qemu-img convert -n -W -m 16 --target-is-zero -T none -t none --object secret,id=chap,file=/run/secret \
             --image-opts driver=raw,file.driver=host_device,file.filename={SOURCE},file.cache.direct=on \
             --target-image-opts driver=raw,file.driver=iscsi,file.transport=tcp,file.portal={}:3260,file.target={},\
             file.lun=0,file.user={},file.password-secret=chap,file.initiator-name={INITIATOR}",
            appliance::ADDRESS,
            self.iqn,
            self.user
        )
    }

    /// A fast copy of something else would be no achievement.
    fn check_and_withdraw(&self, appliance: &Appliance, machine: &Machine) -> anyhow::Result<()> {
        call(appliance, "Iscsi1", &format!("Withdraw s {}", self.job))?;
        // Where nothing is mounted: the first mebibyte holds partition table and the start of the first partition.
        let sum = |shell: &qemu_harness::Shell, device: &str| -> anyhow::Result<String> {
            Ok(shell.succeed(
                &format!("dd if={device} bs=1M count=64 iflag=direct status=none | sha256sum"),
                COMMAND,
            )?)
        };
        let (there, here) = (sum(&appliance.shell, &self.device)?, sum(&machine.shell, SOURCE)?);
        ensure!(there == here, "the copy differs from the disk in its first 64 MiB");
        Ok(())
    }
}

/// Calls one of the box's services as the scheduler may.
fn call(appliance: &Appliance, service: &str, call: &str) -> anyhow::Result<Value> {
    let command = format!(
        "runuser -u understudy-scheduler -- busctl --json=short call org.understudy.{service} \
         /org/understudy/{service} org.understudy.{service}.Manager {call}"
    );
    let text = appliance.shell.succeed(&command, COMMAND)?;
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let answer: Value = serde_json::from_str(&text).with_context(|| format!("busctl printed {text}"))?;
    Ok(answer["data"].clone())
}
