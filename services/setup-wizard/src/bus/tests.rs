//! Against services on a private bus: what arrives, and what the policy lets through.

use std::sync::Arc;

use understudy_bus::maintenance as contract;
use understudy_private_bus::PrivateBus;
use zbus::interface;
use zbus::object_server::SignalEmitter;

use super::*;
use crate::appliance::UpdateState;
use crate::request::{Answer, Request, carry_out};

/// What each service lets the console do stands in its own file.
const POLICIES: &[&str] = &[
    include_str!("../../../settings/org.understudy.Settings1.dbus.conf"),
    include_str!("../../../zfs-manager/org.understudy.Zfs1.dbus.conf"),
    include_str!("../../../scheduler/org.understudy.Scheduler1.dbus.conf"),
    include_str!("../../../maintenance/org.understudy.Maintenance1.dbus.conf"),
];

/// The policies as one file, for the console alone; the others' rules go, because all of them are the same user here.
fn policy_for(user: &str) -> String {
    let mut rules = String::new();
    for file in POLICIES {
        for rule in file.split_inclusive("</policy>") {
            let Some(at) = rule.find("<policy ") else { continue };
            let rule = &rule[at..];
            if rule.starts_with("<policy context=\"default\"")
                || rule.starts_with("<policy user=\"understudy-console\"")
            {
                rules += rule;
            }
        }
    }
    // Here one connection of this user plays the services.
    let own = "<policy context=\"mandatory\"><allow own_prefix=\"org.understudy\"/></policy>";
    format!("<busconfig>{}{own}</busconfig>", rules.replace("\"understudy-console\"", &format!("{user:?}")))
}

struct Settings;

#[interface(name = "org.understudy.Settings1.Manager")]
impl Settings {
    fn status(&self) -> settings::Status {
        settings::Status {
            state: "ready".into(),
            message: String::new(),
            host_name: "box".into(),
            addresses: vec!["192.0.2.17/24".into()],
        }
    }

    fn try_network(&self, network: &str) -> settings::Trial {
        let check = settings::Check { what: "Router".into(), ok: false, said: network.to_owned() };
        settings::Trial {
            addresses: vec!["192.0.2.17/24".into()],
            gateway: String::new(),
            checks: vec![check],
        }
    }

    fn settings(&self) -> &str {
        "version = 1\nhost_name = \"box\"\n[network]\naddress = \"dhcp\"\nvlan = 7\n[pool]\nimport = \"only\"\n"
    }

    fn check(&self, _answers: &str) -> Vec<settings::Mistake> {
        vec![settings::Mistake { line: 3, reason: "unknown".into() }]
    }

    #[zbus(signal)]
    async fn status_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// Whether its pool is locked; otherwise there is none.
struct Zfs(bool);

#[interface(name = "org.understudy.Zfs1.Manager")]
impl Zfs {
    fn pool(&self) -> std::result::Result<zfs::Pool, Error> {
        match self.0 {
            true => Err(Error::NotReady(zfs::LOCKED.into())),
            false => Err(Error::NotReady("there is no pool".into())),
        }
    }

    fn disks(&self) -> Vec<zfs::Disk> {
        vec![zfs::Disk {
            name: "/dev/disk/by-id/ata-A".into(),
            node: "/dev/sda".into(),
            model: "M".into(),
            serial: "A".into(),
            size: 42,
            sector_size: 4096,
            rotational: true,
            removable: false,
            contents: "ext4".into(),
            usable: "it is mounted".into(),
        }]
    }

    fn unlock(&self, key: &str) -> std::result::Result<(), Error> {
        Err(Error::Denied(format!("a key of {} characters does not open the pool", key.len())))
    }
}

struct Maintenance;

#[interface(name = "org.understudy.Maintenance1.Manager")]
impl Maintenance {
    fn sticks(&self) -> Vec<contract::Stick> {
        vec![contract::Stick {
            device: "sdb1".into(),
            label: "UPDATES".into(),
            model: "M".into(),
            size: 42,
            bundles: vec!["a.raucb".into()],
            unreadable: String::new(),
        }]
    }

    fn update(&self) -> contract::Update {
        let state = "installing".to_owned();
        contract::Update { state, percent: 42, version: "1.2.0".into(), message: String::new() }
    }

    #[zbus(signal)]
    async fn update_changed(emitter: &SignalEmitter<'_>, update: contract::Update) -> zbus::Result<()>;

    fn install_from_stick(&self, device: &str, bundle: &str) -> std::result::Result<(), Error> {
        Err(Error::NotFound(format!("there is no file {bundle} on {device}")))
    }

    fn install_from_url(&self, url: &str) -> std::result::Result<(), Error> {
        Err(Error::InvalidArgument(format!("{url} is no address")))
    }

    fn write_support_bundle(&self, device: &str) -> String {
        format!("support-of-{device}.tar")
    }

    fn start_support_mode(&self, minutes: u32) -> std::result::Result<(), Error> {
        Err(Error::InvalidArgument(format!("{minutes} minutes are too many")))
    }

    fn end_support_mode(&self) {}

    fn support_mode(&self) -> u64 {
        1_763_800_000
    }

    fn open_shell(&self, terminal: &str) -> std::result::Result<(), Error> {
        Err(Error::Denied(format!("no shell at {terminal}")))
    }
}

struct Scheduler;

#[interface(name = "org.understudy.Scheduler1.Manager")]
impl Scheduler {
    fn overview(&self) -> Vec<scheduler::MachineOverview> {
        vec![scheduler::MachineOverview {
            machine: "m".into(),
            protected: true,
            step: "copying".into(),
            name: "mail".into(),
            backed_up: 0,
            due: 1_763_800_000,
            failure: "why".into(),
            job: "1".into(),
            percent: 42,
        }]
    }
}

#[tokio::test]
async fn what_the_services_say_arrives() {
    let bus = PrivateBus::start();
    let service = bus.connect().await;
    service.object_server().at(settings::PATH, Settings).await.unwrap();
    service.object_server().at(zfs::PATH, Zfs(false)).await.unwrap();
    service.object_server().at(scheduler::PATH, Scheduler).await.unwrap();
    let console = Bus::new(bus.connect().await).await.unwrap();
    let absent = console.status().await.unwrap_err();
    assert!(absent.contains("Settings1 is not running yet"), "{absent}");
    for name in [settings::NAME, zfs::NAME, scheduler::NAME] {
        service.request_name(name).await.unwrap();
        assert_eq!(console.changed().await, Some(Source::All), "{name} has come");
    }

    let status = console.status().await.unwrap();
    assert_eq!((status.stage, status.host_name.as_str()), (Stage::Ready, "box"));
    let trial = console.try_network("[network]").await.unwrap();
    assert!(!trial.checks.iter().all(|check| check.ok) && trial.checks[0].said == "[network]");
    assert_eq!(console.network().await.unwrap().vlan, "7".parse().ok());
    assert_eq!(console.check("").await.unwrap()[0].line, 3);
    assert_eq!(console.pool().await, Ok(None));
    let disk = &console.disks().await.unwrap()[0];
    assert_eq!((disk.name.as_str(), disk.size), ("ata-A", 42));
    assert_eq!((disk.contents.as_str(), disk.unusable.as_str()), ("ext4", "it is mounted"));
    let refused = console.unlock(&Secret("123".into())).await.unwrap_err();
    assert_eq!(refused, "a key of 3 characters does not open the pool");
    let machine = &console.machines().await.unwrap()[0];
    assert_eq!((machine.last_backup.as_str(), machine.running), ("", Some(42)));
    assert!(machine.next_due.starts_with("2025-11-2"), "{}", machine.next_due);

    service.object_server().remove::<Zfs, _>(zfs::PATH).await.unwrap();
    service.object_server().at(zfs::PATH, Zfs(true)).await.unwrap();
    assert!(console.pool().await.unwrap().unwrap().locked);

    let emitter = SignalEmitter::new(&service, settings::PATH).unwrap();
    Settings::status_changed(&emitter).await.unwrap();
    assert_eq!(console.changed().await, Some(Source::Settings));
    drop(bus);
    while console.changed().await.is_some() {}
}

#[tokio::test]
async fn what_maintenance_says_arrives() {
    let bus = PrivateBus::start();
    let service = bus.connect().await;
    service.object_server().at(contract::PATH, Maintenance).await.unwrap();
    let console = Bus::new(bus.connect().await).await.unwrap();
    let absent = console.update().await.unwrap_err();
    assert!(absent.contains("Maintenance1 is not running yet"), "{absent}");
    service.request_name(contract::NAME).await.unwrap();
    assert_eq!(console.changed().await, Some(Source::All), "it has come");

    let stick = &console.sticks().await.unwrap()[0];
    assert_eq!((stick.device.as_str(), stick.label.as_str(), stick.size), ("sdb1", "UPDATES", 42));
    assert_eq!(stick.bundles, ["a.raucb"]);
    let update = console.update().await.unwrap();
    assert_eq!(
        (update.state, update.percent, update.version.as_str()),
        (UpdateState::Installing, 42, "1.2.0")
    );
    let until = console.support_mode().await.unwrap().unwrap();
    assert!(until.len() == 5 && until.as_bytes()[2] == b':', "a time of the day: {until}");
    assert_eq!(maintenance::until(0), None);
    assert_eq!(console.write_support_bundle("sdb1").await.unwrap(), "support-of-sdb1.tar");
    assert_eq!(console.end_support_mode().await, Ok(()));
    for (refused, why) in [
        (console.install_from_stick("sdb1", "a").await, "there is no file a on sdb1"),
        (console.install_from_url("x:").await, "x: is no address"),
        (console.start_support_mode(481).await, "481 minutes are too many"),
        (console.open_shell("ttyS0").await, "no shell at ttyS0"),
    ] {
        assert_eq!(refused, Err(why.to_owned()));
    }

    let emitter = SignalEmitter::new(&service, contract::PATH).unwrap();
    Maintenance::update_changed(&emitter, contract::Update::default()).await.unwrap();
    assert_eq!(console.changed().await, Some(Source::Maintenance));
}

#[test]
fn a_state_that_is_unknown_here_is_no_other() {
    let said = |state: &str| contract::Update { state: state.into(), ..contract::Update::default() };
    let states = ["none", "waiting", "copying", "checking", "installing", "installed", "failed"];
    let known: Vec<_> = states.iter().map(|state| maintenance::update(said(state)).unwrap().state).collect();
    use UpdateState::*;
    assert_eq!(known, [None, Waiting, Copying, Checking, Installing, Installed, Failed]);
    assert!(maintenance::update(said("thinking")).unwrap_err().contains("\"thinking\""));
}

/// Each request once, in no order.
fn every_request() -> Vec<Request> {
    let hash =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
    let text = String::new;
    let secret = || Secret(String::new());
    vec![
        Request::Status,
        Request::Ports,
        Request::Network,
        Request::Keyboards,
        Request::Disks,
        Request::Importable,
        Request::Pool,
        Request::Machines,
        Request::Check(text()),
        Request::RecoveryKey,
        Request::SetKeyboard(text()),
        Request::TryNetwork(1, text()),
        Request::EndTrial,
        Request::KeepRecoveryKey(secret()),
        Request::ConfirmRecoveryKey,
        Request::GiveImportKey(secret()),
        Request::Apply(text()),
        Request::ChangeNetwork(text()),
        Request::SetPassword(hash.parse().unwrap()),
        Request::Unlock(secret()),
        Request::PairingCode,
        Request::Sticks,
        Request::Update,
        Request::SupportMode,
        Request::InstallFromStick(text(), text()),
        Request::InstallFromUrl(text()),
        Request::WriteSupportBundle(1, text()),
        Request::StartSupportMode(15),
        Request::EndSupportMode,
        Request::OpenShell(text()),
        Request::Reboot,
        Request::PowerOff,
        Request::FactoryReset(text()),
    ]
}

#[tokio::test]
async fn the_policy_lets_through_what_the_console_asks_and_nothing_else() {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap();
    let bus = PrivateBus::with_policy(&policy_for(&user.name));
    let service = bus.connect().await;
    // Elsewhere than anybody asks: without any object a connection does not answer at all.
    service.object_server().at("/elsewhere", Settings).await.unwrap();
    // Those that have a policy here run.
    let all = [settings::NAME, zfs::NAME, scheduler::NAME, contract::NAME];
    for name in all.into_iter().filter(|name| POLICIES.iter().any(|file| file.contains(name))) {
        service.request_name(name).await.unwrap();
    }
    let connection = bus.connect().await;
    let console = Arc::new(Bus::new(connection.clone()).await.unwrap());
    for request in every_request() {
        // Nothing is there to answer: the bus let it through if the answer is that. Of a service without a policy here, it is that it does
        // not run.
        let answer = format!("{:?}", carry_out(&*console, request.clone()).await);
        let without = all.iter().any(|name| {
            answer.contains(&format!("{name} is not running yet"))
                && !POLICIES.iter().any(|file| file.contains(name))
        });
        assert!(without || answer.contains("Unknown"), "{request:?}: {answer}");
    }
    for (name, path, interface, member) in [
        (zfs::NAME, zfs::PATH, "org.understudy.Zfs1.Manager", "CreatePool"),
        (zfs::NAME, zfs::PATH, "org.understudy.Zfs1.Manager", "OpenPoint"),
        (scheduler::NAME, scheduler::PATH, "org.understudy.Scheduler1.Manager", "StartBackup"),
        (scheduler::NAME, scheduler::PATH, "org.understudy.Scheduler1.Agents", "Register"),
        (settings::NAME, settings::PATH, "org.understudy.Settings1.Other", "Apply"),
        (settings::NAME, settings::PATH, "org.freedesktop.DBus.Properties", "GetAll"),
    ] {
        let error = connection.call_method(Some(name), path, Some(interface), member, &()).await.unwrap_err();
        assert!(error.to_string().contains("AccessDenied"), "{member}: {error}");
    }
    // Signals are heard, those of a service that keeps its own to itself included.
    for (path, interface, source) in [
        (scheduler::PATH, "org.understudy.Scheduler1.Manager", Source::Machines),
        (zfs::PATH, "org.understudy.Zfs1.Manager", Source::Pool),
        (contract::PATH, "org.understudy.Maintenance1.Manager", Source::Maintenance),
    ] {
        let emitter = SignalEmitter::new(&service, path).unwrap();
        emitter.emit(interface, "SomethingChanged", &("1",)).await.unwrap();
        while console.changed().await != Some(source) {}
    }
}

#[test]
fn time_zones_are_read_from_the_table() {
    let table =
        "# comment\nDE,DK\t+5230+01322\tEurope/Berlin\tmost of Germany\nJP\t+353916+1394441\tAsia/Tokyo\n";
    assert_eq!(zones(table), ["Asia/Tokyo", "Europe/Berlin", "UTC"]);
}

#[test]
fn an_answer_shows_no_secret() {
    let key = RecoveryKey { key: Secret("000011".into()), confirmed: false };
    let questions = crate::recovery_key::Questions::of(1, 2);
    assert!(!format!("{:?}", Answer::RecoveryKey(Ok((key, questions)))).contains("000011"));
}
