//! The edge on a private bus, over the proxy that callers use.

use futures_util::StreamExt;
use understudy_bus::settings::{NAME, SettingsProxy};
use understudy_private_bus::PrivateBus;

use super::*;
use crate::simulated::{GOOD, Simulated, answers};
use crate::store::Store;

const OTHER: &str = "[network]\naddress = \"10.0.0.7/24\"\n";

struct World {
    bus: PrivateBus,
    engine: Arc<Simulated>,
    setup: Arc<Setup<Simulated>>,
    _service: zbus::Connection,
    _folder: tempfile::TempDir,
}

impl World {
    /// A box that waits for answers.
    async fn start() -> Self {
        Self::on(PrivateBus::start()).await
    }

    async fn on(bus: PrivateBus) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Arc::new(Simulated::new());
        let setup = Setup::new(Arc::clone(&engine), Store::new(folder.path().to_owned()));
        let service = bus.connect().await;
        serve(&service, Arc::clone(&setup)).await.unwrap();
        service.request_name(NAME).await.unwrap();
        let begun = setup.begin().await;
        setup.finish(begun).await;
        Self { bus, engine, setup, _service: service, _folder: folder }
    }

    async fn caller(&self) -> SettingsProxy<'static> {
        SettingsProxy::new(&self.bus.connect().await).await.unwrap()
    }

    /// A caller, and a box that is set up.
    async fn set_up(&self) -> SettingsProxy<'static> {
        let settings = self.caller().await;
        let mut changes = settings.receive_status_changed().await.unwrap();
        settings.apply(GOOD).await.unwrap();
        while changes.next().await.unwrap().args().unwrap().status.state != "ready" {}
        settings
    }
}

#[tokio::test]
async fn who_waits_for_signals_sees_a_box_being_set_up() {
    let world = World::start().await;
    let settings = world.caller().await;
    assert_eq!(settings.status().await.unwrap().state, "unconfigured");
    let mut changes = settings.receive_status_changed().await.unwrap();
    settings.apply(GOOD).await.unwrap();
    let mut last = Status::default();
    while last.state != "ready" {
        last = changes.next().await.unwrap().args().unwrap().status.clone();
        assert!(["applying", "ready"].contains(&last.state.as_str()), "{last:?}");
    }
    assert_eq!(
        (last.host_name.as_str(), last.addresses.as_slice()),
        ("box", &["10.0.0.2/24".to_owned()][..])
    );
    assert_eq!(settings.status().await.unwrap(), last);
    assert!(matches!(settings.apply(GOOD).await, Err(Error::Exists(_))));
    assert_eq!(settings.settings().await.unwrap(), answers().to_string());
}

#[tokio::test]
async fn mistakes_are_told_with_their_lines_and_change_nothing() {
    let world = World::start().await;
    let settings = world.caller().await;
    assert_eq!(settings.check(GOOD).await.unwrap(), []);
    let wrong = GOOD.replace("\"A\"", "\"C\"");
    let [Mistake { line: 12, reason }] = &settings.check(&wrong).await.unwrap()[..] else { panic!("one") };
    assert!(reason.contains("\"C\""));
    assert!(matches!(settings.apply(&wrong).await, Err(Error::InvalidArgument(_))));
    assert!(matches!(settings.settings().await, Err(Error::NotReady(_))));
}

#[tokio::test]
async fn ports_are_listed_and_their_changes_told() {
    let world = World::start().await;
    let settings = world.caller().await;
    let port = &settings.ports().await.unwrap()[0];
    assert_eq!((port.name.as_str(), port.link, port.speed_mbit), ("eth0", true, 1000));
    let mut changes = settings.receive_ports_changed().await.unwrap();
    // Nothing changed: nothing is told. Then something does.
    world.engine.changes.send_replace(());
    tokio::task::yield_now().await;
    world.engine.addresses.lock().unwrap().push("10.0.0.3/24".to_owned());
    world.engine.changes.send_replace(());
    changes.next().await.unwrap();
    assert_eq!(settings.ports().await.unwrap()[0].addresses.len(), 2);
}

#[tokio::test]
async fn the_console_gets_a_keyboard_that_there_is() {
    let world = World::start().await;
    let settings = world.caller().await;
    let keyboards = settings.keyboards().await.unwrap();
    assert!(keyboards.iter().any(|keyboard| keyboard.name == "de" && keyboard.description == "German"));
    settings.set_keyboard("fr").await.unwrap();
    assert_eq!(world.engine.done().last().unwrap(), "keyboard fr");
    assert!(matches!(settings.set_keyboard("../../etc/shadow").await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_trial_is_ended_by_a_call_or_by_the_end_of_its_caller() {
    let world = World::start().await;
    let settings = world.caller().await;
    assert!(settings.try_network(OTHER).await.unwrap().checks[0].ok);
    assert!(world.engine.network.borrow().is_some());
    settings.end_trial().await.unwrap();
    assert!(world.engine.network.borrow().is_none());
    settings.try_network(OTHER).await.unwrap();
    // Another caller's end is not its.
    drop(world.caller().await);
    let mut network = world.engine.network.subscribe();
    assert!(network.borrow().is_some());
    settings.inner().connection().clone().close().await.unwrap();
    network.wait_for(Option::is_none).await.unwrap();
}

#[tokio::test]
async fn a_network_is_changed_for_good() {
    let world = World::start().await;
    let settings = world.set_up().await;
    settings.change_network(OTHER).await.unwrap();
    assert!(settings.settings().await.unwrap().contains("10.0.0.7/24"));
    assert!(matches!(settings.change_network("[network]\n").await, Err(Error::InvalidArgument(_))));
}

#[tokio::test]
async fn password_and_time_are_set() {
    let world = World::start().await;
    let settings = world.set_up().await;
    let hash =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Vn3MpD3Jz3nVJbJ8Jm8O1n4yW8jK5c3Jr1m0Qk0mWhI";
    settings.set_password(hash).await.unwrap();
    settings.set_time("UTC", &["ntp.example.org"]).await.unwrap();
    let text = settings.settings().await.unwrap();
    assert!(text.contains("ntp.example.org") && !text.contains("argon2"), "{text}");
}

#[tokio::test]
async fn a_disk_that_was_plugged_in_is_looked_for() {
    let world = World::start().await;
    let settings = world.caller().await;
    *world.engine.disk.lock().unwrap() = Some(GOOD.to_owned());
    let mut changes = settings.receive_status_changed().await.unwrap();
    settings.look_for_disk().await.unwrap();
    while changes.next().await.unwrap().args().unwrap().status.state != "ready" {}
    assert!(world.setup.settings().is_ok());
}

#[tokio::test]
async fn the_box_goes_down_and_is_reset() {
    let world = World::start().await;
    let settings = world.set_up().await;
    settings.reboot().await.unwrap();
    settings.power_off().await.unwrap();
    assert!(matches!(settings.factory_reset("other").await, Err(Error::InvalidArgument(_))));
    settings.factory_reset("box").await.unwrap();
    let done = world.engine.done();
    assert_eq!(done[done.len() - 4..], ["Reboot", "PowerOff", "forget the pool", "Reboot"]);
}

/// The bus leaves out what is said of users it does not know: the wizard brings its own with its package.
#[tokio::test]
async fn the_policy_lets_root_in_on_a_host_that_lacks_the_other_users() {
    let policy = include_str!("../../org.understudy.Settings1.dbus.conf");
    for user in ["root", "understudy-gateway", "understudy-console"] {
        assert!(policy.contains(&format!("<policy user=\"{user}\">")), "{user}");
    }
    // Whoever runs this test stands for root.
    let own = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    let policy = policy.replace("user=\"root\"", &format!("user=\"{own}\""));
    let world = World::on(PrivateBus::with_policy(&policy)).await;
    assert_eq!(world.caller().await.status().await.unwrap().state, "unconfigured");
    let closed = policy.replace(&format!("user=\"{own}\""), "user=\"understudy-nobody\"");
    let bus = PrivateBus::with_policy(&closed);
    assert!(bus.connect().await.request_name(NAME).await.is_err());
}
