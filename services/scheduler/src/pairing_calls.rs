//! Who becomes which machine: pairing codes for people, and what an agent gets for one.

use std::time::Instant;

use understudy_bus::error::{Error, Result};
use understudy_wire::Inventory;

use crate::catalogue::MachineRow;
use crate::clock;
use crate::machine_record::is_key;
use crate::pairing::LIFE;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// A new pairing code and when it expires.
    pub(crate) fn new_pairing_code(&self) -> (String, u64) {
        (self.codes.make(Instant::now(), None).to_string(), clock::utc() + LIFE.as_secs())
    }

    /// One for an agent that is to be a machine there is already, and when it expires.
    ///
    /// Nothing that an agent can say of itself proves which machine it is: host names, machine ids and serial numbers are no secrets. So it
    /// is the person who fetches the code who says it.
    pub(crate) fn new_pairing_code_for(&self, machine: &str) -> Result<(String, u64)> {
        let row = self.resolve(machine)?;
        if !row.job.is_empty() {
            return Err(Error::Busy(format!(
                "job {} is backing up {}; wait for its end or cancel it, then ask again",
                row.job, row.name
            )));
        }
        tracing::info!(machine = %row.machine, "a pairing code is made for {}", row.name);
        let code = self.codes.make(Instant::now(), Some(row.machine));
        Ok((code.to_string(), clock::utc() + LIFE.as_secs()))
    }

    /// Uses a pairing code up and makes the machine, or gives the agent the machine the code was made for; asked again with the same key,
    /// gives the same machine.
    pub(crate) fn register(&self, selector: &str, host_name: &str, key: &str) -> Result<String> {
        if !is_key(key) {
            return Err(Error::InvalidArgument(format!(
                "{key:?} is not a SHA-256 in lower-case hexadecimal"
            )));
        }
        if let Some(machine) = self.catalogue.registered(selector, key)? {
            return Ok(machine.to_string());
        }
        let machine = match self.codes.use_up(selector, Instant::now())? {
            None => {
                let machine = self.catalogue.register(selector, host_name, key)?;
                tracing::info!(%machine, "{host_name} is paired as machine {machine}");
                machine
            }
            Some(machine) => {
                if !self.catalogue.take_over(machine, selector, key)? {
                    return Err(Error::NotFound(format!(
                        "machine {machine}, which this code was made for, is not known to this box any more"
                    )));
                }
                tracing::warn!(
                    %machine,
                    "{host_name} is paired as machine {machine} and takes over its volumes and recovery points; its next backup compares"
                );
                machine
            }
        };
        self.machines_changed();
        Ok(machine.to_string())
    }

    /// Says so if this looks like a machine whose recovery points came with the pool. It is for a person to decide: what an agent says of
    /// itself proves nothing.
    pub(crate) fn hint_at_twin(&self, row: &MachineRow, inventory: &Inventory) -> Result<()> {
        let never_called = |other: &MachineRow| other.machine != row.machine && self.seen(other) == 0;
        for other in self.catalogue.machines()?.into_iter().filter(never_called) {
            let known: Option<Inventory> = serde_json::from_str(&other.inventory).ok();
            if known
                .is_some_and(|known| !known.machine_id.is_empty() && known.machine_id == inventory.machine_id)
            {
                tracing::warn!(
                    machine = %row.machine,
                    "{} says of itself what machine {} ({}) said, which no agent speaks for on this box: if it is the same one, pair it with a code of `understudy pair --as {}`, and its recovery points go on",
                    inventory.host_name, other.machine, other.name, other.machine
                );
            }
        }
        Ok(())
    }
}
