//! `understudy machines`.

use serde_json::json;

use crate::link::{Link, plain};
use crate::output::{Output, embedded, short, table, time};

/// Lists the machines.
pub async fn run(link: &Link, output: &Output) -> anyhow::Result<()> {
    let machines = link.scheduler.machines().await.map_err(plain)?;
    let document: Vec<_> = machines
        .iter()
        .map(|machine| {
            json!({
                "machine": machine.machine,
                "name": machine.name,
                "inventory": embedded(&machine.inventory),
                "seen": machine.seen,
                "timetable": machine.timetable,
                "time_zone": machine.time_zone,
                "due": machine.due,
                "job": machine.job,
            })
        })
        .collect();
    output.show(json!({ "machines": document }), || {
        let rows: Vec<_> = machines
            .iter()
            .map(|machine| {
                let inventory = embedded(&machine.inventory);
                let disks = inventory["disks"].as_array().map_or(0, Vec::len);
                vec![
                    short(&machine.machine),
                    machine.name.clone(),
                    inventory["os"].as_str().unwrap_or("not told yet").to_owned(),
                    disks.to_string(),
                    time(machine.seen),
                    if machine.due == 0 { "no timetable".to_owned() } else { time(machine.due) },
                ]
            })
            .collect();
        table(
            &["ID", "NAME", "SYSTEM", "DISKS", "LAST SEEN", "NEXT BACKUP"],
            &rows,
            "No machine is paired yet; begin with `understudy pair`.",
        )
    })
}
