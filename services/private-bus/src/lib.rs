//! A message bus of a test's own, so that D-Bus interfaces are tested as callers use them, without root and beside
//! whatever bus the host has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "only tests use it, and one that cannot go on ends"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Lets everybody do everything, unless the included policy says otherwise.
const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path=FOLDER/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
  <include>FOLDER/policy.conf</include>
</busconfig>"#;

/// A running dbus-daemon; ends with the value.
#[derive(Debug)]
pub struct PrivateBus {
    daemon: Child,
    address: String,
    _folder: TempDir,
}

impl PrivateBus {
    /// One without any policy.
    pub fn start() -> Self {
        Self::with_policy("<busconfig/>")
    }

    /// One with a service's own policy: the text of its `busconfig` file.
    pub fn with_policy(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bus.conf");
        std::fs::write(&config, CONFIG.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
        std::fs::write(folder.path().join("policy.conf"), policy).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon runs; it is in Debian's package dbus-daemon");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(address.starts_with("unix:"), "dbus-daemon gave no address but {address:?}");
        Self { daemon, address: address.trim().to_owned(), _folder: folder }
    }

    /// For `DBUS_SYSTEM_BUS_ADDRESS` of a program under test.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// One more peer.
    pub async fn connect(&self) -> zbus::Connection {
        // As services do: with something served from the first moment no call is lost.
        let peer = zbus::connection::Builder::address(self.address()).unwrap();
        peer.serve_at("/org/understudy", zbus::fdo::ObjectManager).unwrap().build().await.unwrap()
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
