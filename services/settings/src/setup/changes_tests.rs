use understudy_bus::error::Error;

use super::super::tests::{boot, set_up};
use crate::engine::Down;
use crate::simulated::{Simulated, answers};
use crate::store::FACTORY_RESET;

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Vn3MpD3Jz3nVJbJ8Jm8O1n4yW8jK5c3Jr1m0Qk0mWhI";

#[tokio::test(start_paused = true)]
async fn before_set_up_nothing_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(&folder, Simulated::new());
    boot.run().await;
    let setup = &boot.setup;
    let network = "[network]\naddress = \"dhcp\"\n";
    assert!(matches!(setup.change_network(network).await, Err(Error::NotReady(_))));
    assert!(matches!(setup.set_time("UTC", &[]).await, Err(Error::NotReady(_))));
    assert!(matches!(setup.set_password(HASH).await, Err(Error::NotReady(_))));
    assert!(matches!(setup.settings(), Err(Error::NotReady(_))));
    assert_eq!(boot.kept(), None);
}

#[tokio::test(start_paused = true)]
async fn a_password_is_kept_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let boot = set_up(&folder).await;
    boot.setup.set_password(HASH).await.unwrap();
    assert_eq!(boot.kept().unwrap().password_hash.unwrap().as_str(), HASH);
    assert_eq!(boot.setup.settings().unwrap(), answers().to_string());
    let refused = boot.setup.set_password("correct horse").await.unwrap_err();
    assert!(!refused.message().contains("horse"), "{}", refused.message());
}

#[tokio::test(start_paused = true)]
async fn the_time_is_kept_and_set_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let boot = set_up(&folder).await;
    boot.setup.set_time("UTC", &["ntp.example.org".to_owned()]).await.unwrap();
    let (kept, set) = (boot.kept().unwrap(), boot.engine.zone.lock().unwrap().clone().unwrap());
    assert_eq!((kept.time_zone.as_str(), kept.time_servers[0].as_str()), ("UTC", "ntp.example.org"));
    assert_eq!(set, (kept.time_zone, kept.time_servers));
    for (zone, server) in [("Mars/Olympus", "ntp"), ("UTC", "10.0.0")] {
        let refused = boot.setup.set_time(zone, &[server.to_owned()]).await;
        assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{zone} {server}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_asks_for_the_boxs_own_name_releases_the_pool_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let boot = set_up(&folder).await;
    let mark = folder.path().join(FACTORY_RESET);
    assert!(matches!(boot.setup.factory_reset("other").await, Err(Error::InvalidArgument(_))));
    assert!(!mark.exists() && !boot.engine.done().contains(&"forget the pool".to_owned()));
    *boot.engine.fails.lock().unwrap() = Some("forget the pool");
    assert!(matches!(boot.setup.factory_reset("box").await, Err(Error::Busy(_))));
    assert!(!mark.exists());
    *boot.engine.fails.lock().unwrap() = None;
    boot.setup.factory_reset("box").await.unwrap();
    assert!(mark.exists());
    let done = boot.engine.done();
    assert_eq!(done[done.len() - 2..], ["forget the pool", "Reboot"]);
}

#[tokio::test(start_paused = true)]
async fn a_box_whose_settings_cannot_be_read_can_be_reset() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings.toml"), "nonsense").unwrap();
    std::fs::write(folder.path().join("set-up"), "").unwrap();
    let boot = boot(&folder, Simulated::new());
    assert_eq!(boot.run().await.state, "failed");
    boot.setup.factory_reset("understudy").await.unwrap();
    assert!(folder.path().join(FACTORY_RESET).exists());
}

#[tokio::test(start_paused = true)]
async fn the_box_goes_down_as_it_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let boot = set_up(&folder).await;
    boot.setup.go_down(Down::PowerOff).await.unwrap();
    assert_eq!(boot.engine.done().last().unwrap(), "PowerOff");
}
