//! How the other services are, as systemd has it.

use understudy_bus::systemd::{ManagerProxy, UnitProxy};

use crate::engine::{Down, Services};

/// What all services of the box are wanted by.
const TARGET: &str = "understudy.target";
/// This service itself, which is not waited for.
const OURSELVES: &str = "understudy-settings.service";

/// Looks at every service that the target wants.
pub async fn services(connection: &zbus::Connection) -> zbus::Result<Services> {
    let manager = ManagerProxy::new(connection).await?;
    let unit = async |name: &str| -> zbus::Result<UnitProxy<'static>> {
        UnitProxy::builder(connection).path(manager.load_unit(name).await?)?.build().await
    };
    let mut states = Vec::new();
    for name in unit(TARGET).await?.wants().await? {
        if name.ends_with(".service") && name != OURSELVES {
            let state = unit(&name).await?.active_state().await?;
            states.push((name, state));
        }
    }
    Ok(judge(states))
}

/// Begins to take the whole box down, service by service. The manager's own methods `Reboot` and `PowerOff` would not stop them first
/// (org.freedesktop.systemd1(5)), and the pool would not be released.
pub async fn go_down(connection: &zbus::Connection, how: Down) -> zbus::Result<()> {
    let target = match how {
        Down::Reboot => "reboot.target",
        Down::PowerOff => "poweroff.target",
    };
    ManagerProxy::new(connection).await?.start_unit(target, "replace-irreversibly").await.map(drop)
}

fn judge(states: Vec<(String, String)>) -> Services {
    let of = |wanted: fn(&str) -> bool| -> Vec<String> {
        states.iter().filter(|(_, state)| wanted(state)).map(|(name, _)| name.clone()).collect()
    };
    let failed = of(|state| state == "failed");
    let starting = of(|state| state != "active");
    if !failed.is_empty() {
        Services::Failed(failed)
    } else if !starting.is_empty() {
        Services::Starting(starting)
    } else {
        Services::Up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(states: &[(&str, &str)]) -> Services {
        judge(states.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect())
    }

    #[test]
    fn one_that_has_not_started_is_waited_for_and_one_that_failed_is_named() {
        assert_eq!(services(&[("a", "active"), ("b", "active")]), Services::Up);
        assert_eq!(services(&[("a", "active"), ("b", "activating")]), Services::Starting(vec!["b".into()]));
        assert_eq!(services(&[("a", "failed"), ("b", "inactive")]), Services::Failed(vec!["a".into()]));
    }
}
