//! Who may call what, by the D-Bus policy the box has.

use understudy_bus::error::Error;

use crate::agent::Agent;
use crate::stage::{Stage, next, within};

fn is_refused_by_the_bus<T: std::fmt::Debug>(answer: Result<T, Error>) -> bool {
    match answer {
        Err(Error::ZBus(zbus::Error::MethodError(name, _, _))) => {
            name.as_str() == "org.freedesktop.DBus.Error.AccessDenied"
        }
        Err(Error::ZBus(zbus::Error::FDO(error))) => matches!(*error, zbus::fdo::Error::AccessDenied(_)),
        _ => false,
    }
}

const ZFS: &str = "org.understudy.Zfs1";
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

#[tokio::test]
async fn a_console_sees_all_machines_lets_new_ones_in_and_may_do_nothing_else() {
    let mut stage = Stage::as_users(&["understudy-console"]).await;
    assert_eq!(stage.people.overview().await.unwrap(), []);
    stage.people.new_pairing_code().await.unwrap();
    assert!(is_refused_by_the_bus(stage.people.new_pairing_code_for("mail").await));
    assert!(is_refused_by_the_bus(stage.people.machines().await));
    assert!(is_refused_by_the_bus(stage.people.jobs("").await));
    assert!(is_refused_by_the_bus(stage.people.points("").await));
    assert!(is_refused_by_the_bus(stage.people.stand_ins().await));
    assert!(is_refused_by_the_bus(stage.people.set_timetable("mail", "", "").await));
    assert!(is_refused_by_the_bus(stage.people.start_backup("mail").await));
    assert!(is_refused_by_the_bus(stage.people.cancel_job(NOBODY).await));
    assert!(is_refused_by_the_bus(stage.people.stop_stand_in(NOBODY).await));
    assert!(is_refused_by_the_bus(stage.people.rebuild_catalogue().await));
    assert!(is_refused_by_the_bus(stage.agents.order(NOBODY, "", "192.0.2.7").await));
    assert!(is_refused_by_the_bus(stage.agents.register("7K4P", "mail", "").await));

    // A change that comes from the pool alone, when the service already has its name.
    stage.kill();
    let machine = "a".repeat(32);
    let record = serde_json::json!({
        "version": 1, "machine": machine, "name": "mail", "key": format!("none:{machine}"), "selector": "",
        "inventory": "", "timetable": "", "time_zone": "",
    });
    stage.world.state().records.insert(machine, record.to_string());
    stage.world.leave(ZFS).await;
    stage.start().await;
    let mut changes = stage.people.receive_machines_changed().await.unwrap();
    stage.world.come_back(ZFS).await;
    within("the signal is heard", next(&mut changes)).await;
    assert_eq!(stage.people.overview().await.unwrap()[0].name, "mail");
}

#[tokio::test]
async fn a_bus_takes_the_policy_as_it_is_while_nobody_has_the_consoles_user_yet() {
    let policy = include_str!("../../org.understudy.Scheduler1.dbus.conf");
    // The users of this policy need not exist on the host that runs the test either.
    let bus = understudy_private_bus::PrivateBus::with_policy(policy);
    let connection = bus.connect().await;
    let refused = connection.request_name("org.understudy.Scheduler1").await;
    assert!(refused.is_err(), "the rest of the policy holds: only the scheduler's user may take its name");
    connection.request_name("org.understudy.Other1").await.unwrap();
}
