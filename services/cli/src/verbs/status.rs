//! `understudy status`.

use serde_json::json;

use crate::link::{Link, plain};
use crate::output::{Output, short, time};

/// Shows the box at a glance. It works on a box that is only half up: what does not answer is named.
pub async fn run(link: &Link, output: &Output) -> anyhow::Result<()> {
    let settings = link.settings.status().await.map_err(plain);
    let machines = link.scheduler.machines().await.map_err(plain)?;
    let running: Vec<_> = machines.iter().filter(|machine| !machine.job.is_empty()).collect();
    let vms = link.scheduler.stand_ins().await.map_err(plain)?;
    let document = json!({
        "settings": match &settings {
            Ok(status) => json!({
                "state": status.state,
                "message": status.message,
                "host_name": status.host_name,
                "addresses": status.addresses,
            }),
            Err(error) => json!({ "state": "unknown", "message": error.to_string() }),
        },
        "machines": machines.len(),
        "jobs": running.iter().map(|machine| &machine.job).collect::<Vec<_>>(),
        "vms": vms.iter().filter(|vm| vm.state == "running").map(|vm| &vm.vm).collect::<Vec<_>>(),
    });
    output.show(document, || {
        let mut lines = Vec::new();
        match settings {
            Ok(status) => {
                lines.push(format!("box        {} ({})", status.host_name, status.state));
                if !status.message.is_empty() {
                    lines.push(format!("           {}", status.message));
                }
                lines.push(format!("addresses  {}", status.addresses.join(", ")));
            }
            Err(error) => lines.push(format!("box        settings do not answer: {error}")),
        }
        lines.push(format!("machines   {}", machines.len()));
        for machine in &machines {
            let next = if machine.due == 0 { "no timetable".to_owned() } else { time(machine.due) };
            let now = match machine.job.as_str() {
                "" => String::new(),
                job => format!(", backup {} runs", short(job)),
            };
            lines.push(format!(
                "           {} {}, next backup: {next}{now}",
                short(&machine.machine),
                machine.name
            ));
        }
        for vm in vms.iter().filter(|vm| vm.state == "running") {
            lines.push(format!("running    VM {} stands in for {} ({})", short(&vm.vm), vm.name, vm.why));
        }
        lines.join("\n")
    })
}
