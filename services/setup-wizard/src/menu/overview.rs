//! The overview: is everything protected? It is drawn anew when something changes, and only then.

use crate::appliance::{Machine, Stage};
use crate::facts::{Facts, unknown};
use crate::menu::update;
use crate::page::{Page, bytes, column};
use crate::wizard::addresses;

/// Machines that have room; the others are counted.
const ROOM: usize = 8;

/// The box's name, or that of the product where it has none.
pub(crate) fn name(facts: &Facts) -> String {
    let name = facts.status().host_name;
    if name.is_empty() { "Understudy".into() } else { name }
}

/// What somebody should look at.
pub(crate) fn alarms(facts: &Facts) -> Vec<String> {
    let mut alarms = Vec::new();
    let status = facts.status();
    // One that serves says so what is not as it should be all the same.
    if matches!(status.stage, Stage::Failed | Stage::Ready) && !status.message.is_empty() {
        alarms.push(status.message.clone());
    }
    match &facts.pool {
        Some(Ok(None)) if status.stage == Stage::Ready => alarms.push("There is no pool.".into()),
        Some(Ok(Some(pool))) if pool.locked => {
            alarms.push("The pool is locked: nothing is backed up. See Unlock the pool in the menu.".into());
        }
        Some(Ok(Some(pool))) if pool.health != "ONLINE" => {
            alarms.push(format!("The pool {} is {}: replace the disk that failed.", pool.name, pool.health));
        }
        Some(Err(error)) => alarms.push(error.clone()),
        _ => {}
    }
    if let Some(Err(error)) = &facts.machines {
        alarms.push(error.clone());
    }
    alarms.extend(
        facts
            .machines()
            .iter()
            .filter(|machine| !machine.failure.is_empty())
            .map(|machine| format!("{}: the last backup failed: {}", machine.name, machine.failure)),
    );
    alarms
}

fn row(machine: &Machine) -> String {
    let last = match (machine.last_backup.as_str(), machine.failure.is_empty()) {
        ("", true) => "no backup yet".to_owned(),
        ("", false) => "NO BACKUP".to_owned(),
        (last, true) => last.to_owned(),
        (last, false) => format!("{last} FAILED SINCE"),
    };
    let next = match (machine.running, machine.next_due.as_str()) {
        (Some(percent), _) => {
            let done = usize::from(percent.min(100)) / 10;
            format!("runs [{}{}] {percent} %", "#".repeat(done), ".".repeat(10 - done))
        }
        (None, "") => "no timetable".to_owned(),
        (None, next) => format!("next {next}"),
    };
    format!("{} {} {next}", column(&machine.name, 20), column(&last, 29))
}

pub(crate) fn page(facts: &Facts) -> Page {
    let status = facts.status();
    let about = facts.about.clone().and_then(Result::ok).unwrap_or_default();
    let slot = if about.slot.is_empty() { String::new() } else { format!(", slot {}", about.slot) };
    let version =
        if about.version.is_empty() { String::new() } else { format!("   version {}{slot}", about.version) };
    let mut page =
        Page::new(format!("{}{version}", name(facts))).above(format!("Web page   {}", addresses(facts)));
    let pool = match &facts.pool {
        Some(Ok(Some(pool))) if pool.locked => "locked".to_owned(),
        Some(Ok(Some(pool))) => {
            format!("{}, {}, {} of {} free", pool.name, pool.health, bytes(pool.free), bytes(pool.size))
        }
        Some(Ok(None)) => "none".to_owned(),
        other => unknown(other).to_owned(),
    };
    let mut now = vec![format!("Pool       {pool}")];
    now.extend(update::line(&facts.update()).map(|line| format!("Update     {line}")));
    page = page.listing(&now);
    let machines = facts.machines();
    let mut lines = match (&facts.machines, machines.len()) {
        (None, _) => vec![unknown(&facts.machines).to_owned()],
        (Some(Err(_)), _) => vec!["It is not known now which machines are protected.".to_owned()],
        (Some(Ok(_)), 0) => {
            vec!["No machine is protected yet. A pairing code from the menu adds the first.".to_owned()]
        }
        (_, count) => {
            let word = if count == 1 { "machine" } else { "machines" };
            match machines.iter().filter(|machine| !machine.protected).count() {
                0 => vec![format!("{count} {word}, protected")],
                all if all == count => vec![format!("{count} {word}, NOT PROTECTED")],
                some => vec![format!("{count} {word}, {some} NOT PROTECTED")],
            }
        }
    };
    // What needs somebody comes first, then what happens now.
    let mut sorted: Vec<_> = machines.iter().collect();
    sorted.sort_by_key(|machine| (machine.failure.is_empty(), machine.running.is_none()));
    lines.extend(sorted.iter().take(ROOM).map(|machine| row(machine)));
    if machines.len() > ROOM {
        lines.push(format!("... and {} more: see the web page", machines.len() - ROOM));
    }
    page = page.listing(&lines);
    if status.stage == Stage::Applying && !status.message.is_empty() {
        page = page.below(&status.message);
    }
    let alarms = alarms(facts);
    page = page.message(alarms.join("\n"));
    page.help = "Enter or m: menu   Ctrl-L: redraw".into();
    page
}
