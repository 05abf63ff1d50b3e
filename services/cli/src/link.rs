//! The connection to the box's services, and finding what a person means.

use anyhow::{Context, bail};
use understudy_bus::error::Error;
use understudy_bus::scheduler::{Machine, SchedulerProxy, StandIn};
use understudy_bus::settings::SettingsProxy;

/// The services.
pub struct Link {
    /// The system bus.
    pub bus: zbus::Connection,
    /// The scheduler.
    pub scheduler: SchedulerProxy<'static>,
    /// The settings.
    pub settings: SettingsProxy<'static>,
}

impl Link {
    /// Connects to the system bus.
    pub async fn new() -> anyhow::Result<Self> {
        let bus = zbus::Connection::system()
            .await
            .context("cannot reach the system bus: `understudy` runs on the box itself")?;
        let (scheduler, settings) = (SchedulerProxy::new(&bus).await?, SettingsProxy::new(&bus).await?);
        Ok(Self { bus, scheduler, settings })
    }

    /// The machine that a name, an id, or the beginning of one means.
    pub async fn machine(&self, text: &str) -> anyhow::Result<Machine> {
        choose_machine(self.scheduler.machines().await.map_err(plain)?, text)
    }

    /// The VM that an id, or the beginning of one, means.
    pub async fn vm(&self, text: &str) -> anyhow::Result<StandIn> {
        choose_vm(self.scheduler.stand_ins().await.map_err(plain)?, text)
    }
}

/// An error of a service, as a person should read it.
pub fn plain(error: Error) -> anyhow::Error {
    match error {
        Error::ZBus(zbus::Error::MethodError(name, _, _)) if name.ends_with(".ServiceUnknown") => {
            anyhow::anyhow!(
                "the service behind this is not running; `systemctl --failed` and `journalctl -u 'understudy-*'` say why"
            )
        }
        Error::ZBus(zbus::Error::MethodError(name, _, _)) if name.ends_with(".AccessDenied") => {
            anyhow::anyhow!("only root may do this: become root, or use sudo")
        }
        other => anyhow::anyhow!("{}", other.message()),
    }
}

fn is_prefix(text: &str) -> bool {
    (4..=32).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn choose_machine(machines: Vec<Machine>, text: &str) -> anyhow::Result<Machine> {
    if machines.is_empty() {
        bail!("there is no machine {text:?}: none is paired with this box yet; begin with `understudy pair`");
    }
    let names = machines.iter().map(|machine| machine.name.clone()).collect::<Vec<_>>().join(", ");
    let (named, others): (Vec<_>, Vec<_>) = machines.into_iter().partition(|machine| machine.name == text);
    let mut found = named;
    if found.is_empty() && is_prefix(text) {
        found.extend(others.into_iter().filter(|machine| machine.machine.starts_with(text)));
    }
    if found.len() > 1 {
        let ids = found.iter().map(|machine| format!("{} {}", machine.machine, machine.name));
        bail!(
            "{text:?} means several machines; say more of the id:\n  {}",
            ids.collect::<Vec<_>>().join("\n  ")
        );
    }
    found.pop().with_context(|| format!("there is no machine {text:?}; there are: {names}"))
}

fn choose_vm(vms: Vec<StandIn>, text: &str) -> anyhow::Result<StandIn> {
    let mut found: Vec<_> = vms.into_iter().filter(|vm| is_prefix(text) && vm.vm.starts_with(text)).collect();
    if found.len() > 1 {
        bail!("{text:?} means several virtual machines; say more of the id");
    }
    found.pop().with_context(|| format!("there is no virtual machine {text:?}; `understudy vms` lists all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(id: &str, name: &str) -> Machine {
        Machine {
            machine: format!("{id:0<32}"),
            name: name.into(),
            inventory: String::new(),
            seen: 0,
            timetable: String::new(),
            time_zone: String::new(),
            due: 0,
            job: String::new(),
        }
    }

    #[test]
    fn a_machine_is_found_by_name_id_or_beginning_of_its_id() {
        let all = vec![
            machine("aaaa1", "mail"),
            machine("aaaa2", "files"),
            machine("bbbb", "web"),
            machine("cccc", "web"),
        ];
        let found =
            |text: &str| choose_machine(all.clone(), text).map(|machine| machine.machine[..5].to_owned());
        assert_eq!(found("mail").unwrap(), "aaaa1");
        assert_eq!(found("aaaa2").unwrap(), "aaaa2");
        assert_eq!(found(&all[0].machine).unwrap(), "aaaa1");
        for (text, words) in [
            ("aaaa", "several"),
            ("web", "several"),
            ("aaa", "there are: mail"),
            ("nobody", "there are: mail"),
        ] {
            let error = found(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(choose_machine(Vec::new(), "mail").unwrap_err().to_string().contains("understudy pair"));
    }
}
