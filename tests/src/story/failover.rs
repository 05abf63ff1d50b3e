//! Disaster and history: stand-ins booted from recovery points, and what they show on their consoles.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use qemu_harness::Deadline;
use serde_json::Value;

use super::Cast;
use crate::appliance::text;
use crate::machine::{self, LEDGER};
use crate::report::Failover;

/// How long a stand-in may take to its login prompt on nested, emulated hardware.
const LOGIN: Duration = Duration::from_secs(600);
const COMMAND: Duration = Duration::from_secs(120);

/// The machine is powered off for good; its stand-in must be it, as of the latest backup.
pub fn latest(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    let machine_id = cast.machine.shell.succeed("cat /etc/machine-id", COMMAND)?.trim().to_owned();
    cast.machine.vm.power_cut()?;
    let last = cast.ledger.backups.len() - 1;
    boot(cast, "latest", "disaster", last, &machine_id)
}

/// The first point, as a test VM, while the stand-in of the latest runs.
pub fn first_beside(cast: &mut Cast<'_>) -> anyhow::Result<()> {
    let machine_id = String::new();
    let point = cast.ledger.backups[0].point.clone();
    boot(cast, &point, "test", 0, &machine_id)?;
    let running = cast.appliance.ask("vms")?["vms"]
        .as_array()
        .map_or(0, |vms| vms.iter().filter(|vm| vm["state"] == "running").count());
    ensure!(running == 2, "{running} stand-ins run, both should");
    Ok(())
}

/// Boots a point and checks over its console that it shows the state of backup `index`.
fn boot(cast: &mut Cast<'_>, point: &str, why: &str, index: usize, machine_id: &str) -> anyhow::Result<()> {
    let begin = Instant::now();
    let request =
        format!("failover {} --point {point} --network isolated --why {why} --memory 768", machine::NAME);
    let vm = text(&cast.appliance.ask(&request)?, "vm")?.to_owned();
    let running = running(cast, &vm)?;
    cast.appliance.enter_console(&vm)?;
    let console = cast.appliance.vm.virtio_console();
    let login = console.expect(format!("{} login:", machine::NAME), Deadline::after(LOGIN));
    let request_to_login_seconds = begin.elapsed().as_secs_f64();
    let checks = login.map_err(anyhow::Error::from).and_then(|_| {
        let shell = console.shell(Deadline::seconds(120))?;
        check(&shell, cast, index, machine_id)
    });
    cast.appliance.leave_console()?;
    let number = |key: &str| running[key].as_f64().with_context(|| format!("no number {key} in {running}"));
    cast.report.failovers.push(Failover {
        point: cast.ledger.backups[index].point.clone(),
        network: text(&running, "network")?.to_owned(),
        clone_seconds: number("clone_seconds")?,
        request_to_running_seconds: number("running_seconds")?,
        request_to_login_seconds,
        checks: checks?,
    });
    Ok(())
}

fn running(cast: &Cast<'_>, vm: &str) -> anyhow::Result<Value> {
    cast.appliance.wait_for("running stand-in", "vms", Duration::from_secs(600), |document| {
        let vms = document["vms"].as_array().context("no list of VMs")?;
        let found = vms.iter().find(|row| row["vm"] == vm).with_context(|| format!("no VM {vm}"))?;
        ensure!(found["state"] != "failed", "the stand-in failed: {}", found["message"]);
        Ok((found["state"] == "running").then(|| found.clone()))
    })
}

/// Asks the stand-in who it is and what it holds; gives the checks in words.
fn check(
    shell: &qemu_harness::Shell,
    cast: &Cast<'_>,
    index: usize,
    machine_id: &str,
) -> anyhow::Result<Vec<String>> {
    let backup = &cast.ledger.backups[index];
    let ask =
        |command: &str| -> anyhow::Result<String> { Ok(shell.succeed(command, COMMAND)?.trim().to_owned()) };
    let mut checks = Vec::new();
    let mut check = |what: &str, found: String, wanted: &str| -> anyhow::Result<()> {
        ensure!(found == wanted, "the stand-in's {what} is {found:?}, not {wanted:?}");
        checks.push(format!("{what} is {wanted}"));
        Ok(())
    };
    check("host name", ask("hostname")?, machine::NAME)?;
    if !machine_id.is_empty() {
        check("machine id", ask("cat /etc/machine-id")?, machine_id)?;
    }
    let addresses = ask("ip -4 -o address show scope global | awk '{print $4}'")?;
    check("address", addresses, &format!("{}/24", machine::ADDRESS))?;
    check("state", ask(&format!("cat {LEDGER}/state"))?, &backup.state)?;
    let new_files = ask(&format!("ls {LEDGER} | grep -c '^new-'"))?;
    check("number of new files", new_files, &backup.new_files.to_string())?;
    check("archive", ask("findmnt -n -o FSTYPE /srv/records")?, "xfs")?;
    let database = format!("sqlite3 {LEDGER}/ledger.db");
    check("database", ask(&format!("{database} 'PRAGMA integrity_check'"))?, "ok")?;
    // Committed before the backup began: all of it must be there.
    let rows = ask(&format!("{database} 'select count(*) from entries where id <= {}'", backup.rows))?;
    check("rows from before the backup", rows, &backup.rows.to_string())?;
    // Every row and every file carries its own checksum; this ends with an error if one does not fit.
    checks.push(ask("ledger-check")?);
    ask(&format!("echo written by a stand-in > {LEDGER}/stand-in && sync"))?;
    Ok(checks)
}
