//! What goes wrong in the middle of a backup, on the same two machines as the story: each ends in one clear message,
//! nothing frozen, no LUN published, every recovery point untouched, and the next backup is exact.

use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;

use crate::appliance::{Appliance, text};
use crate::machine::{Cue, LEDGER, NAME};
use crate::story::{Cast, backups};

const COMMAND: Duration = Duration::from_secs(120);
/// The box gives an agent up that has been silent for two minutes; the rest is for a slow emulated box.
const GIVEN_UP: Duration = Duration::from_secs(400);

/// Plays all of them.
pub(crate) fn play(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    let narrator = cast.narrator;
    narrator.step("what makes no sense is refused", || nonsense(&cast.appliance))?;
    narrator.step("the agent is killed in mid-copy", || agent_killed(cast))?;
    narrator.step("the scheduler is killed in mid-copy", || scheduler_killed(cast))?;
    narrator.step("the cable is cut after the thaw", || cable_cut(cast))
}

fn nonsense(appliance: &Appliance) -> anyhow::Result<()> {
    let nobody = "00000000000000000000000000000000";
    for (arguments, why) in [
        ("failover nobody --why test".to_owned(), "nobody"),
        (format!("failover {NAME} --point {nobody} --why test"), nobody),
        (format!("timetable set {NAME} 'every day'"), "every day"),
    ] {
        let said = appliance.refused(&arguments)?;
        ensure!(said.contains(why), "`understudy {arguments}` was refused without saying why: {said}");
    }
    let vms = appliance.ask("vms")?;
    ensure!(vms["vms"].as_array().is_some_and(Vec::is_empty), "a refused failover left something: {vms}");
    Ok(())
}

fn agent_killed(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    let job = start_a_long_one(cast, "agent-killed")?;
    let busy = cast.appliance.refused(&format!("backup start {}", cast.id))?;
    ensure!(busy.contains(&job), "a second backup was refused without naming the one that runs: {busy}");
    cast.machine.shell.succeed("systemctl kill -s KILL understudy-agent.service", COMMAND)?;
    failed_cleanly(cast, &job)?;
    next_is_exact(cast, "after-agent-killed")
}

fn scheduler_killed(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    start_a_long_one(cast, "scheduler-killed")?;
    cast.appliance.shell.succeed("systemctl kill -s KILL understudy-scheduler.service", COMMAND)?;
    // The agent copies on; the scheduler comes back, finds the LUN published, and takes the job up again. Until then nobody answers.
    let back = "timeout 60 sh -c 'until systemctl is-active -q understudy-scheduler; do sleep 0.2; done'";
    cast.appliance.shell.succeed(back, COMMAND)?;
    backups::take(cast, "scheduler-killed", "changed")?;
    nothing_published(cast)
}

fn cable_cut(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    cast.machine.work("cable-cut")?;
    let job = backups::start(cast)?;
    let world = cast.world;
    let cue = Cue { limit: Duration::from_secs(600), glance: &|| backups::glance(cast) };
    cast.machine.catch_instant_and(cue, || Ok(world.network.cut(NAME)?))?;
    let failed = failed_cleanly(cast, &job);
    world.network.restore(NAME)?;
    failed?;
    next_is_exact(cast, "after-cable-cut")
}

/// Enough changed blocks that the copy takes a while, and a job that has begun to copy them.
fn start_a_long_one(cast: &mut Cast<'_>, state: &str) -> anyhow::Result<String> {
    cast.machine.work(state)?;
    cast.machine.shell.succeed(&format!("head -c 200M /dev/urandom > {LEDGER}/large && sync"), COMMAND)?;
    let job = backups::start(cast)?;
    cast.appliance.wait_for("copying job", &format!("jobs {}", cast.id), GIVEN_UP, |document| {
        let newest = &document["jobs"][0];
        ensure!(newest["step"] != "failed", "the backup failed too early: {}", newest["message"]);
        ensure!(newest["step"] != "done", "the backup ended before it could be disturbed");
        Ok((newest["step"] == "copying" && newest["sent"].as_u64() > Some(0)).then_some(()))
    })?;
    Ok(job)
}

fn failed_cleanly(cast: &Cast<'_>, job: &str) -> anyhow::Result<Value> {
    let ended = backups::ended(cast, job)?;
    ensure!(ended["step"] == "failed", "the disturbed backup ended as {}", ended["step"]);
    let message = text(&ended, "message")?;
    ensure!(message.len() > 40, "the failed backup says too little: {message:?}");
    cast.narrator.note(message);
    cast.machine.is_writable()?;
    nothing_published(cast)?;
    Ok(ended)
}

fn nothing_published(cast: &Cast<'_>) -> anyhow::Result<()> {
    let left = cast
        .appliance
        .shell
        .succeed("ls /sys/kernel/config/target/iscsi 2>/dev/null | grep '^iqn' ; true", COMMAND)?;
    ensure!(left.trim().is_empty(), "a target is still published: {left}");
    Ok(())
}

/// No mark was lost: the epoch still holds, and what the next backup gives is compared with the machine like all others.
fn next_is_exact(cast: &mut Cast<'_>, state: &str) -> anyhow::Result<()> {
    cast.machine.work(state)?;
    backups::start(cast)?;
    backups::take(cast, state, "changed")?;
    nothing_published(cast)
}
