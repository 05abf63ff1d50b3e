//! Who may call what, by the D-Bus policy the box has.

use understudy_bus::error::Error;

use crate::agent::Agent;
use crate::stage::Stage;

fn is_refused_by_the_bus<T: std::fmt::Debug>(answer: Result<T, Error>) -> bool {
    match answer {
        Err(Error::ZBus(zbus::Error::MethodError(name, _, _))) => {
            name.as_str() == "org.freedesktop.DBus.Error.AccessDenied"
        }
        Err(Error::ZBus(zbus::Error::FDO(error))) => matches!(*error, zbus::fdo::Error::AccessDenied(_)),
        _ => false,
    }
}

const NOBODY: &str = "00000000000000000000000000000000";

#[tokio::test]
async fn root_may_call_what_is_for_people_and_nothing_else() {
    let stage = Stage::as_users(&["root"]).await;
    assert_eq!(stage.people.machines().await.unwrap(), []);
    assert!(is_refused_by_the_bus(stage.agents.order(NOBODY, "", "192.0.2.7").await));
}

#[tokio::test]
async fn the_gateway_may_call_what_is_for_agents_and_nothing_else() {
    let stage = Stage::as_users(&["understudy-gateway"]).await;
    assert!(matches!(stage.agents.order(NOBODY, "", "192.0.2.7").await, Err(Error::Denied(_))));
    assert!(is_refused_by_the_bus(stage.people.machines().await));
    assert!(is_refused_by_the_bus(stage.people.new_pairing_code().await));
}

#[tokio::test]
async fn anybody_else_may_call_nothing() {
    let stage = Stage::as_users(&[]).await;
    assert!(is_refused_by_the_bus(stage.agents.order(NOBODY, "", "192.0.2.7").await));
    assert!(is_refused_by_the_bus(stage.people.machines().await));
}

#[tokio::test]
async fn people_and_agents_hear_the_signals_they_need() {
    let stage = Stage::as_users(&["root", "understudy-gateway"]).await;
    // Every wait in a backup is for a signal.
    Agent::new(&stage, "mail").await.back_up(&stage).await;
}
