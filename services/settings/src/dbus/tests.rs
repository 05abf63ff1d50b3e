//! The edge on a private bus, over the proxy that callers use.

use understudy_bus::settings::{NAME, SettingsProxy};

use super::*;
use crate::status::State;

/// A bus of its own, gone when dropped.
struct Bus {
    daemon: std::process::Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Bus {
    fn start() -> Self {
        use std::io::BufRead;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bus.conf");
        let text = format!(
            "<busconfig><listen>unix:dir={}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow own=\"*\"/><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow user=\"*\"/></policy></busconfig>",
            folder.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = std::process::Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("dbus-daemon runs; it is in the package dbus-daemon");
        let mut address = String::new();
        std::io::BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned(), _folder: folder }
    }

    async fn connect(&self) -> zbus::Connection {
        let address: zbus::Address = self.address.parse().unwrap();
        zbus::connection::Builder::address(address).unwrap().build().await.unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

#[tokio::test]
async fn the_status_on_the_bus_is_the_one_that_setting_up_has_reached() {
    let bus = Bus::start();
    let (service, status) = (bus.connect().await, Arc::new(Shared::default()));
    serve(&service, Arc::clone(&status)).await.unwrap();
    service.request_name(NAME).await.unwrap();
    let settings = SettingsProxy::new(&bus.connect().await).await.unwrap();
    assert_eq!(settings.status().await.unwrap().state, "applying");
    status.set_host_name("box");
    status.set_addresses(vec!["10.0.0.2/24".to_owned()]);
    status.set(State::Failed, "why");
    let now = settings.status().await.unwrap();
    assert_eq!((now.state.as_str(), now.message.as_str(), now.host_name.as_str()), ("failed", "why", "box"));
    assert_eq!(now.addresses, ["10.0.0.2/24"]);
}
