//! A box with disks, and the manager running on it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use futures_util::StreamExt;
use tempfile::TempDir;
use understudy_bus::zfs::{NAME, ZfsProxy};
use understudy_private_bus::PrivateBus;

/// Host id of the box.
pub const HOST: u64 = 7;
/// Longer than any step takes, even on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// The programs that are replaced.
const PROGRAMS: [&str; 5] = ["zpool", "zfs", "zdb", "wipefs", "udevadm"];

/// A recovery key.
pub const KEY: &str = "720885-000000-000011-123453-111111-222222-333333-444444";
/// Another.
pub const OTHER_KEY: &str = "000011-000011-000011-123453-111111-222222-333333-444444";

/// A box: what is in it outlives the manager and power cuts.
pub struct World {
    folder: TempDir,
    bus: PrivateBus,
}

/// The manager, running.
pub struct Manager {
    process: Child,
    pub zfs: ZfsProxy<'static>,
}

impl World {
    /// A box with four blank disks `a` to `d` of 8 GiB.
    pub fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap(), bus: PrivateBus::start() };
        for folder in ["bin", "state", "pools", "signs", "root/dev/disk/by-id", "root/etc", "root/proc/self"]
        {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        world.write("cut", "never 0\n");
        let id = u32::try_from(HOST).unwrap().to_ne_bytes();
        fs::write(world.path("root/etc/hostid"), id).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manager/zfs-in-a-folder.sh");
        for program in PROGRAMS {
            symlink(&script, world.path("bin").join(program)).unwrap();
        }
        for (index, disk) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let (name, number) = (format!("vd{disk}"), format!("254:{}", index * 16));
            for (file, text) in [
                ("dev", number.as_str()),
                ("size", "16777216"),
                ("queue/logical_block_size", "512"),
                ("queue/rotational", "0"),
            ] {
                world.write(&format!("root/sys/class/block/{name}/{file}"), text);
            }
            world.write(&format!("root/dev/{name}"), "");
            let record = format!("S:disk/by-id/virtio-{disk}\nE:ID_SERIAL={disk}\n");
            world.write(&format!("root/run/udev/data/b{number}"), &record);
            symlink(
                world.path(&format!("root/dev/{name}")),
                world.path(&format!("root/dev/disk/by-id/virtio-{disk}")),
            )
            .unwrap();
        }
        world
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A file's text without the line's end; empty if there is none.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default().trim_end().to_owned()
    }

    /// Puts something on a disk.
    pub fn sign(&self, disk: &str, what: &str) {
        self.write(&format!("signs/vd{disk}"), what);
    }

    /// Puts the pool of another box on disks `a` and `b`, in use by it unless `released`; returns its GUID.
    pub fn foreign_pool(&self, key: Option<&str>, released: bool) -> u64 {
        let guid = u64::MAX;
        let pool = format!("pools/{guid}");
        self.write(&format!("{pool}/name"), "understudy\n");
        self.write(&format!("{pool}/host"), "9\n");
        self.write(&format!("{pool}/state"), if released { "exported\n" } else { "active\n" });
        self.write(&format!("{pool}/disks"), "virtio-a\nvirtio-b\n");
        let datasets = ["", "/understudy", "/understudy/machines", "/understudy/vms", "/understudy/reserve"];
        let datasets: String = datasets.iter().map(|name| format!("understudy{name}\n")).collect();
        self.write(&format!("{pool}/datasets"), &datasets);
        self.write(&format!("{pool}/version"), "1\n");
        if let Some(key) = key {
            self.write(&format!("{pool}/key"), &format!("{key}\n"));
            self.write(&format!("{pool}/keylocation"), "prompt\n");
        }
        self.sign("a", "zfs_member understudy\n");
        self.sign("b", "zfs_member understudy\n");
        guid
    }

    /// Everything that stands on the foreign pool.
    pub fn on_foreign_pool(&self) -> Vec<(String, String)> {
        let folder = self.path(&format!("pools/{}", u64::MAX));
        let mut files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// The box starts anew: no pool is imported.
    pub fn reboot(&self) {
        for gone in ["imported", "read-only", "opened", "busy", "count"] {
            let _ = fs::remove_file(self.path(gone));
        }
        self.write("cut", "never 0\n");
    }

    /// Programs run so far, with their arguments.
    pub fn steps(&self) -> Vec<String> {
        self.read("log").lines().map(str::to_owned).collect()
    }

    /// Lets power fail `when` (`before`, `amid`, `after`) the program that is the `step`th from now.
    pub fn cut(&self, when: &str, step: usize) {
        let count: usize = self.read("count").parse().unwrap_or(0);
        self.write("cut", &format!("{when} {}\n", count + step));
    }

    /// Starts the manager and waits until it serves.
    pub async fn start(&self) -> Manager {
        let connection = self.bus.connect().await;
        let bus = zbus::fdo::DBusProxy::new(&connection).await.unwrap();
        let mut owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await.unwrap();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let process = Command::new(env!("CARGO_BIN_EXE_understudy-zfs-manager"))
            .arg("--root")
            .arg(self.path("root"))
            .env("PATH", path)
            .env("WORLD", self.folder.path())
            .env("STATE_DIRECTORY", self.path("state"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.bus.address())
            .spawn()
            .unwrap();
        let served = async {
            while let Some(change) = owners.next().await {
                if change.args().unwrap().new_owner().is_some() {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, served).await.expect("the manager takes its name");
        Manager { process, zfs: ZfsProxy::new(&connection).await.unwrap() }
    }
}

impl Manager {
    /// Waits until it has ended by a power cut.
    pub fn ended(mut self) {
        assert!(!self.process.wait().unwrap().success());
    }

    /// Ends it; the box goes on.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
