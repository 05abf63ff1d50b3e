//! The whole of it, in front of a RAUC and a systemd that only say what a test wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use understudy_bus::systemd::ListedJob;
use understudy_private_bus::PrivateBus;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

use super::*;

const URL: &str = "https://box/x.raucb";

#[test]
fn a_file_is_named_from_the_root_and_a_url_as_it_is() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(source(file.path().to_str().unwrap()).unwrap().starts_with('/'));
    assert_eq!(source("https://box/x.raucb").unwrap(), "https://box/x.raucb");
    assert!(source("/nowhere").unwrap_err().to_string().contains("cannot find the bundle /nowhere"));
    assert!(source("/tmp").unwrap_err().to_string().contains("not a file"));
}

/// What RAUC says, and what it was asked to install.
#[derive(Clone, Default)]
struct Rauc {
    operation: &'static str,
    /// What hardware the bundle is for.
    offers: &'static str,
    /// Why each installation fails, the last first; none is left for one that does not.
    failures: Arc<Mutex<Vec<&'static str>>>,
    last: Arc<Mutex<String>>,
    installed: Arc<Mutex<Vec<String>>>,
}

#[zbus::interface(name = "de.pengutronix.rauc.Installer")]
impl Rauc {
    async fn install_bundle(
        &self,
        source: String,
        _args: HashMap<String, OwnedValue>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) {
        self.installed.lock().unwrap().push(source);
        let failure = self.failures.lock().unwrap().pop();
        *self.last.lock().unwrap() = failure.unwrap_or_default().to_owned();
        // As RAUC does: whoever has asked before keeps the answer.
        self.last_error_changed(&emitter).await.unwrap();
        Self::completed(&emitter, i32::from(failure.is_some())).await.unwrap();
    }

    fn inspect_bundle(
        &self,
        _source: &str,
        _args: HashMap<String, OwnedValue>,
    ) -> zbus::fdo::Result<HashMap<String, Value<'static>>> {
        if self.offers.is_empty() {
            return Err(zbus::fdo::Error::Failed("signature verification failed".to_owned()));
        }
        let update = HashMap::from([("compatible", Value::from(self.offers)), ("version", Value::from("2"))]);
        Ok(HashMap::from([("update".to_owned(), Value::from(update))]))
    }

    fn get_primary(&self) -> &str {
        "rootfs.1"
    }

    fn get_slot_status(&self) -> Vec<(String, HashMap<String, Value<'static>>)> {
        vec![("rootfs.1".to_owned(), HashMap::from([("bootname".to_owned(), Value::from("B"))]))]
    }

    #[zbus(property)]
    fn operation(&self) -> &str {
        self.operation
    }

    #[zbus(property)]
    fn compatible(&self) -> &str {
        "box"
    }

    #[zbus(property)]
    fn last_error(&self) -> String {
        self.last.lock().unwrap().clone()
    }

    #[zbus(property)]
    fn progress(&self) -> (i32, String, i32) {
        (100, "Installing".to_owned(), 0)
    }

    #[zbus(signal)]
    async fn completed(emitter: &SignalEmitter<'_>, result: i32) -> zbus::Result<()>;
}

/// Jobs that systemd has, and whether somebody listens.
struct Systemd(Arc<Mutex<Vec<String>>>, bool);

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.systemd1")]
enum Refused {
    #[zbus(error)]
    ZBus(zbus::Error),
    AlreadySubscribed(String),
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn subscribe(&mut self) -> Result<(), Refused> {
        if std::mem::replace(&mut self.1, true) {
            return Err(Refused::AlreadySubscribed("Client is already subscribed.".to_owned()));
        }
        Ok(())
    }

    fn list_jobs(&self) -> Vec<ListedJob> {
        let path = OwnedObjectPath::default();
        let job = |unit: &String| ListedJob {
            id: 1,
            unit: unit.clone(),
            kind: "start".to_owned(),
            state: "running".to_owned(),
            path: path.clone(),
            unit_path: path.clone(),
        };
        self.0.lock().unwrap().iter().map(job).collect()
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
    _bus: PrivateBus,
    service: zbus::Connection,
    caller: zbus::Connection,
    rauc: Rauc,
    jobs: Arc<Mutex<Vec<String>>>,
}

const SYSTEMD: &str = "/org/freedesktop/systemd1";

impl World {
    async fn new(rauc: Rauc) -> Self {
        let bus = PrivateBus::start();
        let (service, caller) = (bus.connect().await, bus.connect().await);
        let jobs = Arc::new(Mutex::new(Vec::new()));
        service.object_server().at("/", rauc.clone()).await.unwrap();
        service.object_server().at(SYSTEMD, Systemd(Arc::clone(&jobs), false)).await.unwrap();
        for name in ["de.pengutronix.rauc", "org.freedesktop.systemd1"] {
            service.request_name(name).await.unwrap();
        }
        Self { _bus: bus, service, caller, rauc, jobs }
    }

    /// How it ends, in words, with the steps before.
    async fn run(&self, source: &str) -> (Result<Installed, String>, Vec<Step>) {
        let mut steps = Vec::new();
        let ended = run(&self.caller, source, |step| steps.push(step)).await;
        (ended.map_err(|error| format!("{error:#}")), steps)
    }

    fn installed(&self) -> Vec<String> {
        self.rauc.installed.lock().unwrap().clone()
    }
}

fn idle() -> Rauc {
    Rauc { operation: "idle", offers: "box", ..Rauc::default() }
}

#[tokio::test]
async fn a_bundle_for_this_box_is_installed() {
    let world = World::new(idle()).await;
    let (ended, steps) = world.run(URL).await;
    assert_eq!(ended, Ok(Installed { version: "2".to_owned(), slot: "B".to_owned() }));
    assert_eq!(steps[..3], [Step::Judged, Step::Checking, Step::Offered("2".to_owned())]);
    assert_eq!(steps.last(), Some(&Step::Ended));
    assert_eq!(world.installed(), [URL]);
}

#[tokio::test]
async fn one_who_has_installed_installs_another() {
    let world = World::new(idle()).await;
    for _ in 0..2 {
        let (ended, _) = world.run(URL).await;
        assert!(ended.is_ok(), "{ended:?}");
    }
    assert_eq!(world.installed().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_used_is_said_before_anything_is_written() {
    let damaged = tempfile::NamedTempFile::new().unwrap();
    let file = damaged.path().to_str().unwrap();
    let cases = [
        (
            Rauc { operation: "installing", ..idle() },
            URL,
            "another update is being installed; wait for its end",
        ),
        (
            Rauc { offers: "", ..idle() },
            URL,
            "https://box/x.raucb cannot be used, and nothing was changed: signature verification failed",
        ),
        (
            Rauc { offers: "other", ..idle() },
            URL,
            "https://box/x.raucb is for other, this box is box; nothing was changed. Get the bundle for this box",
        ),
        // RAUC says nothing of what authenticates it.
        (idle(), file, "is damaged, and nothing was changed; copy it to this box again"),
    ];
    for (rauc, source, words) in cases {
        let world = World::new(rauc).await;
        let error = world.run(source).await.0.unwrap_err();
        assert!(error.contains(words), "{error}");
        assert_eq!(world.installed(), [""; 0], "{words}");
    }
}

#[tokio::test]
async fn a_stream_that_is_lost_while_it_is_mounted_is_begun_again_and_no_other_failure() {
    let lost = "Failed mounting bundle: Failed to load dm table";
    let rauc = idle();
    rauc.failures.lock().unwrap().extend([lost, lost]);
    let world = World::new(rauc).await;
    let (ended, steps) = world.run(URL).await;
    assert!(ended.is_ok() && world.installed().len() == 3);
    assert!(
        steps.contains(&Step::Again(2))
            && steps.contains(&Step::Again(3))
            && !steps.contains(&Step::Again(4))
    );
    let rauc = idle();
    rauc.failures.lock().unwrap().push("Failed updating slot rootfs.1");
    let world = World::new(rauc).await;
    let error = world.run(URL).await.0.unwrap_err();
    let words =
        "the update was not installed, the running version is untouched: Failed updating slot rootfs.1";
    assert_eq!(error, words);
    assert_eq!(world.installed(), [URL]);
}

#[tokio::test]
async fn nothing_is_begun_before_the_version_that_runs_is_found_good() {
    let world = World::new(idle()).await;
    world.jobs.lock().unwrap().extend([JUDGE.to_owned(), "other.service".to_owned()]);
    let (told, mut steps) = tokio::sync::mpsc::unbounded_channel();
    let caller = world.caller.clone();
    let updating = tokio::spawn(async move { run(&caller, URL, |step| told.send(step).unwrap()).await });
    assert_eq!(steps.recv().await, Some(Step::Waiting));
    let emitter = SignalEmitter::new(&world.service, SYSTEMD).unwrap();
    let end = async |unit: &str| {
        world.jobs.lock().unwrap().retain(|job| job != unit);
        let job = OwnedObjectPath::default();
        Systemd::job_removed(&emitter, 1, job, unit.to_owned(), "done".to_owned()).await.unwrap();
    };
    end("other.service").await;
    assert_eq!(steps.recv().await, Some(Step::Waiting));
    assert!(steps.recv().now_or_never().is_none() && world.installed().is_empty());
    end(JUDGE).await;
    assert_eq!(steps.recv().await, Some(Step::Judged));
    updating.await.unwrap().unwrap();
    assert_eq!(world.installed(), [URL]);
}
