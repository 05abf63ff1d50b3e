//! `understudy pair`.

use clap::Args;
use serde_json::json;

use crate::link::{Link, plain};
use crate::output::{Output, time};

/// Which machine the code is for.
#[derive(Args)]
pub struct Pair {
    /// Not a new machine but this one, which the box knows: its volumes and recovery points go on, the agent it had before is shut
    /// out. For a pool that came from another box, and for a machine whose agent was installed anew
    #[arg(long = "as", value_name = "MACHINE")]
    machine: Option<String>,
}

impl Pair {
    /// Makes a code and says what to type where.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let machine = match &self.machine {
            Some(text) => Some(link.machine(text).await?),
            None => None,
        };
        let (code, expires) = match &machine {
            Some(machine) => link.scheduler.new_pairing_code_for(&machine.machine).await,
            None => link.scheduler.new_pairing_code().await,
        }
        .map_err(plain)?;
        // Only a hint: pairing works without it, so a box whose settings do not answer still gives codes.
        let address = link.settings.status().await.ok().and_then(|status| {
            status.addresses.first().and_then(|one| one.split('/').next().map(str::to_owned))
        });
        let address = address.as_deref().unwrap_or("ADDRESS-OF-THIS-BOX");
        // Its agent may still be paired with the box it was backed up to before, or hold a key that is gone here.
        let again = if machine.is_some() { "--again " } else { "" };
        let command = format!("understudy-agent pair {again}{address} {code}");
        let document = json!({
            "code": code,
            "expires": expires,
            "command": command,
            "machine": machine.as_ref().map(|machine| &machine.machine),
        });
        output.show(document, || {
            let (who, place) = match &machine {
                Some(machine) => (format!("for {} alone", machine.name), machine.name.as_str()),
                None => ("for one machine".to_owned(), "the machine to protect"),
            };
            format!(
                "Code: {code}   ({who}, until {})\n\nOn {place}, with the agent installed, type as root:\n\n  {command}\n",
                time(expires)
            )
        })
    }
}
