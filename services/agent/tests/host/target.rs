//! A userspace iSCSI target of our own: tgtd on a private port and control socket.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use understudy_wire::IscsiTarget;

use crate::shell::{run, try_run};

pub const INITIATOR: &str = "iqn.2026-01.org.understudy.test:agent";
const USER: &str = "job";
const SECRET: &str = "a-secret-of-16ch";

/// tgtd with one target for each file.
pub struct Target {
    process: Mutex<Option<Child>>,
    volumes: Vec<PathBuf>,
    pub port: u16,
}

impl Target {
    pub fn start(volumes: &[PathBuf]) -> Self {
        // Free now; nobody else on this machine is likely to take it within the next moments.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let target = Self { process: Mutex::new(None), volumes: volumes.to_vec(), port };
        target.restart();
        target
    }

    /// Starts it, again if need be, on the same port.
    pub fn restart(&self) {
        self.stop();
        let child = Command::new("tgtd")
            .args(["-f", "-C", &self.control(), "--iscsi", &format!("portal=127.0.0.1:{}", self.port)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tgtd starts (package tgt)");
        *self.process.lock().unwrap() = Some(child);
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err()
            || self.try_admin(&["--op", "show", "--mode", "sys"]).is_err()
        {
            assert!(begin.elapsed() < Duration::from_secs(20), "tgtd does not listen within 20 s");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.admin(&["--op", "new", "--mode", "account", "--user", USER, "--password", SECRET]);
        for (number, volume) in self.volumes.iter().enumerate() {
            let tid = (number + 1).to_string();
            self.admin(&["--op", "new", "--mode", "target", "--tid", &tid, "-T", &iqn(number)]);
            let file = volume.display().to_string();
            self.admin(&["--op", "new", "--mode", "logicalunit", "--tid", &tid, "--lun", "1", "-b", &file]);
            self.admin(&["--op", "bind", "--mode", "target", "--tid", &tid, "-I", "127.0.0.1"]);
            self.admin(&["--op", "bind", "--mode", "account", "--tid", &tid, "--user", USER]);
        }
    }

    /// Kills it: all connections end at once.
    pub fn stop(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn of(&self, number: usize) -> IscsiTarget {
        IscsiTarget { iqn: iqn(number), port: self.port, lun: 1, user: USER.into(), secret: SECRET.into() }
    }

    fn control(&self) -> String {
        // The control socket is named by a number of 15 bits; the port is one nobody else has.
        (self.port / 2).to_string()
    }

    fn try_admin(&self, arguments: &[&str]) -> Result<String, String> {
        let control = self.control();
        try_run("tgtadm", ["-C", control.as_str(), "--lld", "iscsi"].iter().chain(arguments))
    }

    fn admin(&self, arguments: &[&str]) {
        self.try_admin(arguments).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop();
    }
}

fn iqn(number: usize) -> String {
    format!("iqn.2026-01.org.understudy.test:volume-{number}")
}

/// A volume that reads as zeros, its size rounded up as the box does.
pub fn volume(path: &Path, size: u64) {
    std::fs::File::create(path).unwrap().set_len(size.next_multiple_of(1 << 20)).unwrap();
}

/// Makes `volume` hold what `point` holds, without changing which file it is: the target has it open.
pub fn restore(point: &Path, volume: &Path) {
    run("cp", ["--sparse=never", &point.display().to_string(), &volume.display().to_string()]);
}
