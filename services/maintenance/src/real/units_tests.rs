//! Sticks through units, with a systemd that has none but runs the same program on an image.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use understudy_private_bus::PrivateBus;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedObjectPath;

use super::*;

/// How a unit ends that never asks for its order.
const BROKEN: &str = "vdz";

struct Systemd {
    runtime: PathBuf,
    image: PathBuf,
}

fn run(socket: &Path, image: &Path) -> bool {
    let socket = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let (order, fds) = Order::receive(socket.as_fd()).unwrap();
    let [errors, from, to] = <[OwnedFd; 3]>::try_from(fds).unwrap();
    let status = Command::new(program(&order.program).unwrap())
        .arg("-i")
        .arg(image)
        .args(&order.arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::from(from))
        .stdout(Stdio::from(to))
        .stderr(Stdio::from(errors))
        .status();
    status.expect("mtools are installed; they are in Debian's package mtools").success()
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn subscribe(&self) {}

    async fn start_unit(
        &self,
        name: String,
        mode: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> OwnedObjectPath {
        assert_eq!(mode, "fail");
        let job: OwnedObjectPath = "/org/freedesktop/systemd1/job/1".try_into().unwrap();
        let instance = name.strip_prefix("understudy-stick-").and_then(|rest| rest.strip_suffix(".service"));
        let (kind, device) = instance.unwrap().split_once('@').unwrap();
        let socket = self.runtime.join(format!("{kind}-{device}.sock"));
        let (image, broken) = (self.image.clone(), device == BROKEN);
        let (ended, emitter) = (job.clone(), emitter.into_owned());
        tokio::spawn(async move {
            let done = !broken && spawn_blocking(move || run(&socket, &image)).await.unwrap();
            let result = if done { "done" } else { "failed" };
            Self::job_removed(&emitter, 1, ended, name, result.to_owned()).await.unwrap();
        });
        job
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

struct World {
    mtools: Mtools,
    _bus: PrivateBus,
    _systemd: zbus::Connection,
    folder: tempfile::TempDir,
}

async fn world() -> World {
    let folder = super::tests::stick();
    let bus = PrivateBus::start();
    let systemd = bus.connect().await;
    let manager = Systemd { runtime: folder.path().to_owned(), image: folder.path().join("stick") };
    systemd.object_server().at("/org/freedesktop/systemd1", manager).await.unwrap();
    systemd.request_name("org.freedesktop.systemd1").await.unwrap();
    let manager = ManagerProxy::new(&bus.connect().await).await.unwrap();
    manager.listen().await.unwrap();
    let mtools = Mtools::new(manager, folder.path().to_owned());
    World { mtools, _bus: bus, _systemd: systemd, folder }
}

fn file(contents: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(contents).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file
}

#[tokio::test]
async fn a_file_goes_to_a_stick_and_comes_back_as_it_was() {
    let World { mtools, folder, .. } = &world().await;
    assert_eq!(mtools.list("sdb1").await.unwrap(), []);
    let contents: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    mtools.write("sdb1", "a.tar.gz.part", file(&contents)).await.unwrap();
    assert!(mtools.read("sdb1", "a.tar.gz.part", Vec::new()).await.unwrap() == contents);
    mtools.rename("sdb1", "a.tar.gz.part", "a.tar.gz").await.unwrap();
    assert_eq!(mtools.list("sdb1").await.unwrap(), [Listed { name: "a.tar.gz".to_owned(), size: 3_000_000 }]);
    mtools.remove("sdb1", "a.tar.gz").await.unwrap();
    assert_eq!(mtools.list("sdb1").await.unwrap(), []);
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "only the stick: no socket is left");
}

#[tokio::test]
async fn a_full_stick_is_known_by_what_comes_back() {
    let World { mtools, .. } = &world().await;
    let contents = vec![5; 20 << 20];
    let written = mtools.write("sdb1", "a.part", file(&contents)).await;
    let read = mtools.read("sdb1", "a.part", Vec::new()).await;
    assert!(written.is_err() || read.is_err() || read.unwrap() != contents);
}

#[tokio::test]
async fn what_mtools_says_of_a_failure_is_passed_on() {
    let World { mtools, .. } = &world().await;
    let error = mtools.read("sdb1", "none.raucb", Vec::new()).await.unwrap_err();
    assert!(
        error.message().contains("cannot read the stick sdb1") && error.message().contains("none.raucb"),
        "{error}"
    );
}

#[tokio::test]
async fn a_unit_that_does_not_even_start_is_not_waited_for() {
    let World { mtools, .. } = &world().await;
    let begin = Instant::now();
    let error = mtools.list(BROKEN).await.unwrap_err();
    assert!(error.message().contains("understudy-stick-list@vdz.service: failed"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(30));
}

/// Takes so many bytes.
struct Small(usize);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| std::io::Error::other("no more room"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn reading_ends_when_nobody_takes_any_more() {
    let World { mtools, .. } = &world().await;
    mtools.write("sdb1", "a", file(&vec![1; 5 << 20])).await.unwrap();
    let error = mtools.read("sdb1", "a", Small(1 << 20)).await.map(drop).unwrap_err();
    assert!(error.message().contains("no more room"), "{error}");
}
