//! The edge on a private bus, over the proxy that callers use, in front of a box in memory.

use std::io::Read;
use std::time::Duration;

use futures_util::StreamExt;
use understudy_bus::error::Error;
use understudy_bus::maintenance::{MaintenanceProxy, NAME};
use understudy_private_bus::PrivateBus;
use understudy_recovery_key::RecoveryKey;
use understudy_updates::{Installed, Step};

use super::*;
use crate::simulated::{Fault, Simulated};

const BUNDLE: &str = "update.raucb";

struct World {
    bus: PrivateBus,
    box_: Arc<Simulated>,
    state: tempfile::TempDir,
    runtime: tempfile::TempDir,
    service: zbus::Connection,
    proxy: MaintenanceProxy<'static>,
}

impl World {
    async fn start() -> Self {
        let (state, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Self::on(PrivateBus::start(), Arc::new(Simulated::new()), state, runtime).await
    }

    async fn on(
        bus: PrivateBus,
        box_: Arc<Simulated>,
        state: tempfile::TempDir,
        runtime: tempfile::TempDir,
    ) -> Self {
        let service = bus.connect().await;
        serve(&service, Arc::clone(&box_), state.path(), runtime.path()).await.unwrap();
        service.request_name(NAME).await.unwrap();
        let proxy = MaintenanceProxy::new(&bus.connect().await).await.unwrap();
        Self { bus, box_, state, runtime, service, proxy }
    }

    /// The service ends, by whatever, and starts again.
    async fn restart(self) -> Self {
        let Self { bus, box_, state, runtime, service, .. } = self;
        service.close().await.unwrap();
        Self::on(bus, box_, state, runtime).await
    }

    /// Waits for the first update that fits.
    async fn update(&self, fits: impl Fn(&Update) -> bool) -> Update {
        let mut changes = self.proxy.receive_update_changed().await.unwrap();
        let mut update = self.proxy.update().await.unwrap();
        while !fits(&update) {
            update = changes.next().await.unwrap().args().unwrap().update.clone();
        }
        update
    }

    fn rauc(&self, step: Step) {
        self.box_.rauc.send(Ok(step)).unwrap();
    }

    fn rauc_ends(&self, ended: anyhow::Result<&str>) {
        let ended = ended.map(|version| Installed { version: version.to_owned(), slot: "B".to_owned() });
        self.box_.rauc.send(Err(ended)).unwrap();
    }

    fn left_in_state(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.state.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn is(state: &'static str) -> impl Fn(&Update) -> bool {
    move |update| update.state == state
}

#[tokio::test]
async fn sticks_are_listed_with_their_bundles_and_what_is_wrong_with_them() {
    let world = World::start().await;
    assert_eq!(world.proxy.sticks().await.unwrap(), []);
    let mut changes = world.proxy.receive_sticks_changed().await.unwrap();
    world.box_.plug("sdb1", &[("b.raucb", b""), ("letter.txt", b""), ("a.raucb", b"")]);
    changes.next().await.unwrap();
    world.box_.plug("sdc1", &[("c.raucb", b"")]);
    world.box_.spoil("sdc1", Fault::Unreadable);
    let sticks = world.proxy.sticks().await.unwrap();
    assert_eq!(sticks[0].bundles, ["a.raucb", "b.raucb"]);
    assert_eq!((sticks[0].device.as_str(), sticks[0].unreadable.as_str()), ("sdb1", ""));
    assert_eq!(sticks[1].bundles, [""; 0]);
    assert!(sticks[1].unreadable.contains("input/output error"), "{}", sticks[1].unreadable);
}

#[tokio::test]
async fn a_bundle_from_a_stick_is_copied_installed_and_its_copy_removed() {
    let world = World::start().await;
    let contents = vec![9; 100_000];
    world.box_.plug("sdb1", &[(BUNDLE, &contents)]);
    assert_eq!(world.proxy.update().await.unwrap().state, "none");
    world.proxy.install_from_stick("sdb1", BUNDLE).await.unwrap();
    world.rauc(Step::Waiting);
    world.update(is("waiting")).await;
    world.rauc(Step::Offered("0.2.0".to_owned()));
    let update = world.update(is("checking")).await;
    assert_eq!((update.version.as_str(), update.message.as_str()), ("0.2.0", ""));
    for percent in [20, 40] {
        world.rauc(Step::Installing { percent, what: "Copying image".to_owned() });
        let update = world.update(|update| update.percent == percent as u8).await;
        assert_eq!((update.state.as_str(), update.version.as_str()), ("installing", "0.2.0"));
    }
    assert!(matches!(world.proxy.install_from_url("http://x/y").await, Err(Error::Busy(_))));
    world.rauc_ends(Ok("0.2.0"));
    assert_eq!(world.update(is("installed")).await.version, "0.2.0");
    let (source, installed) = world.box_.state().installed[0].clone();
    assert!(source.starts_with(world.state.path().to_str().unwrap()) && installed == contents);
    assert_eq!(world.left_in_state(), [""; 0]);
}

#[tokio::test]
async fn the_copy_is_told_in_percent() {
    let world = World::start().await;
    world.box_.plug("sdb1", &[(BUNDLE, &[1; 5000])]);
    let mut changes = world.proxy.receive_update_changed().await.unwrap();
    world.proxy.install_from_stick("sdb1", BUNDLE).await.unwrap();
    let first = changes.next().await.unwrap().args().unwrap().update.clone();
    assert_eq!((first.state.as_str(), first.version.as_str()), ("copying", ""));
    world.rauc_ends(Ok("1"));
    world.update(is("installed")).await;
}

#[tokio::test]
async fn rauc_may_read_the_copy_and_nobody_else_is_writing_it() {
    use std::os::unix::fs::MetadataExt;
    let world = World::start().await;
    world.box_.plug("sdb1", &[(BUNDLE, b"bundle")]);
    world.proxy.install_from_stick("sdb1", BUNDLE).await.unwrap();
    world.rauc(Step::Checking);
    world.update(is("checking")).await;
    let copy = world.state.path().join("copied.raucb");
    assert_eq!(copy.metadata().unwrap().mode() & 0o7777, 0o644);
    let inode = copy.metadata().unwrap().ino();
    for fd in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let is_copy = std::fs::metadata(fd.path()).is_ok_and(|metadata| metadata.ino() == inode)
            && std::fs::read_link(fd.path()).is_ok_and(|path| path == copy);
        assert!(!is_copy, "the copy is still open");
    }
    world.rauc_ends(Ok("1"));
    world.update(is("installed")).await;
}

#[tokio::test]
async fn what_fails_is_told_without_the_copy_and_another_may_be_begun() {
    let world = World::start().await;
    world.box_.plug("sdb1", &[(BUNDLE, b"bundle")]);
    world.proxy.install_from_stick("sdb1", BUNDLE).await.unwrap();
    let copy = world.state.path().join("copied.raucb");
    world.rauc(Step::Offered("0.2.0".to_owned()));
    world.rauc_ends(Err(anyhow::anyhow!("{} is damaged, and nothing was changed", copy.display())));
    let update = world.update(is("failed")).await;
    assert_eq!(update.message, "update.raucb is damaged, and nothing was changed");
    assert_eq!(update.version, "");
    assert_eq!(world.left_in_state(), [""; 0]);
    world.proxy.install_from_url("https://example.org/x.raucb").await.unwrap();
    world.rauc_ends(Ok("0.3.0"));
    assert_eq!(world.update(is("installed")).await.version, "0.3.0");
    assert_eq!(world.box_.state().installed[1].0, "https://example.org/x.raucb");
}

#[tokio::test]
async fn impossible_updates_are_refused_at_once() {
    let world = World::start().await;
    world.box_.plug("sdb1", &[(BUNDLE, b"bundle"), ("o*dd.raucb", b"")]);
    let stick = async |device, bundle| world.proxy.install_from_stick(device, bundle).await.unwrap_err();
    assert!(matches!(stick("sdc1", BUNDLE).await, Error::NotFound(_)));
    assert!(matches!(stick("sdb1", "other.raucb").await, Error::NotFound(_)));
    assert!(matches!(stick("sdb1", "o*dd.raucb").await, Error::InvalidArgument(_)));
    let url = world.proxy.install_from_url("ftp://x/y").await.unwrap_err();
    assert!(matches!(url, Error::InvalidArgument(_)));
    world.box_.state().busy = true;
    assert!(matches!(stick("sdb1", BUNDLE).await, Error::Busy(_)));
    assert_eq!(world.proxy.update().await.unwrap().state, "none");
    assert_eq!(world.box_.state().installed, []);
}

#[tokio::test]
async fn a_copy_that_has_no_room_or_is_cut_short_installs_nothing() {
    let world = World::start().await;
    world.box_.plug("sdb1", &[(BUNDLE, &[1; 5000])]);
    world.box_.state().room = 64 << 20;
    world.proxy.install_from_stick("sdb1", BUNDLE).await.unwrap();
    assert!(world.update(is("failed")).await.message.contains("no room for update.raucb"));
    world.box_.state().room = 1 << 40;
    world.box_.spoil("sdb1", Fault::PulledOut(2500));
    world.proxy.install_from_stick("sdb1", BUNDLE).await.unwrap();
    let update = world.update(|update| update.message.contains("2500 of the 5000")).await;
    assert_eq!(update.state, "failed");
    assert_eq!(world.left_in_state(), [""; 0]);
    assert_eq!(world.box_.state().installed, []);
}

#[tokio::test]
async fn what_a_power_cut_left_is_removed_at_the_next_start() {
    let world = World::start().await;
    for file in ["copied.raucb", "support.tar.gz"] {
        std::fs::write(world.state.path().join(file), "half").unwrap();
    }
    assert_eq!(world.restart().await.left_in_state(), [""; 0]);
}

/// Files of a bundle, by name.
fn unpack(bundle: &[u8]) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle));
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (path.rsplit_once('/').unwrap().1.to_owned(), text)
    };
    archive.entries().unwrap().map(read).collect()
}

#[tokio::test]
async fn a_support_bundle_holds_all_parts_and_none_of_the_secrets_planted_in_each() {
    let world = World::start().await;
    let key = RecoveryKey::generate().unwrap().to_string();
    let pem = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj";
    let secrets = [
        (
            "c29tZXNhbHRzb21lc2FsdA",
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Vn3MpD3Jz3nVJbJ8Jm8O1n4".to_owned(),
        ),
        ("yescryptsalt", "root:$y$j9T$yescryptsalt$abcdefgh:1::".to_owned()),
        ("sha512salt", "$6$sha512salt$abcdefgh".to_owned()),
        (pem, format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----")),
        (&key[..20], format!("the key is {key}.")),
        ("9QXM-2HTA", "pair with 7K4P-9QXM-2HTA now".to_owned()),
        ("00112233445566778899aabbccddeeff", "chap_secret=00112233445566778899aabbccddeeff".to_owned()),
        ("eyJhbGciOiJIUzI1NiJ9", "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.x".to_owned()),
    ];
    let planted: Vec<_> = secrets.iter().map(|(_, text)| text.as_str()).collect();
    world.box_.state().evidence = Some(format!("first\n{}\nlast\n", planted.join("\n")));
    world.box_.plug("sdb1", &[]);
    let name = world.proxy.write_support_bundle("sdb1").await.unwrap();
    assert_eq!(name, "understudy-support-20260102T030545Z.tar.gz");
    let files = world.box_.state().sticks["sdb1"].files.clone();
    assert_eq!(files.keys().collect::<Vec<_>>(), [&name]);
    let parts = unpack(&files[&name]);
    assert_eq!(parts.len(), 17);
    assert!(parts[0].0 == "README.txt" && parts[1].0 == "journal.txt");
    for (file, text) in &parts {
        for (secret, _) in &secrets {
            assert!(!text.contains(secret), "{secret} is in {file}:\n{text}");
        }
        if file != "README.txt" {
            assert!(text.contains("first\n") && text.ends_with("last\n"), "{file}:\n{text}");
            assert!(parts[0].1.contains(file.as_str()), "README.txt says nothing of {file}");
        }
    }
    assert_eq!(world.left_in_state(), [""; 0]);
}

#[tokio::test]
async fn the_starts_share_what_is_taken_of_the_journal() {
    let world = World::start().await;
    world.box_.state().journal = 1 << 20;
    world.box_.plug("sdb1", &[]);
    world.proxy.write_support_bundle("sdb1").await.unwrap();
    let shares = world.box_.state().journal_shares.clone();
    assert_eq!((shares.len(), shares[0]), (3, 20 << 20));
    for pair in shares.windows(2) {
        let taken = pair[0] - pair[1];
        assert!((1 << 20..(1 << 20) + 200).contains(&taken), "{shares:?}");
    }
}

#[tokio::test]
async fn parts_that_cannot_be_had_end_nothing_and_give_away_nothing() {
    let world = World::start().await;
    world.box_.state().evidence = None;
    world.box_.plug("sdb1", &[]);
    let name = world.proxy.write_support_bundle("sdb1").await.unwrap();
    let parts = unpack(&world.box_.state().sticks["sdb1"].files[&name].clone());
    assert_eq!(parts.len(), 17);
    for (file, text) in &parts[1..] {
        assert_eq!(text, "This could not be found out: nobody answers: secret=(removed)\n", "{file}");
    }
}

#[tokio::test]
async fn nothing_half_written_stays_on_a_stick_that_is_full() {
    let world = World::start().await;
    world.box_.plug("sdb1", &[("letter.txt", b"mine")]);
    world.box_.spoil("sdb1", Fault::Full(100));
    let error = world.proxy.write_support_bundle("sdb1").await.unwrap_err();
    assert!(matches!(&error, Error::Failed(text) if text.contains("full")), "{error}");
    let files = world.box_.state().sticks["sdb1"].files.clone();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["letter.txt"]);
    assert_eq!(world.left_in_state(), [""; 0]);
    assert!(matches!(world.proxy.write_support_bundle("sdz").await, Err(Error::NotFound(_))));
    world.box_.state().room = 1 << 20;
    assert!(matches!(world.proxy.write_support_bundle("sdb1").await, Err(Error::NoSpace(_))));
}

#[tokio::test]
async fn shells_open_only_in_support_mode_and_end_with_it() {
    let world = World::start().await;
    assert_eq!(world.proxy.support_mode().await.unwrap(), 0);
    assert!(matches!(world.proxy.open_shell("tty1").await, Err(Error::Denied(_))));
    for minutes in [0, 481] {
        assert!(matches!(world.proxy.start_support_mode(minutes).await, Err(Error::InvalidArgument(_))));
    }
    let mut changes = world.proxy.receive_support_mode_changed().await.unwrap();
    world.proxy.start_support_mode(30).await.unwrap();
    let until = changes.next().await.unwrap().args().unwrap().until;
    assert_eq!(until, world.box_.now() + 1801);
    assert_eq!(world.proxy.support_mode().await.unwrap(), until);
    world.proxy.open_shell("tty1").await.unwrap();
    world.proxy.open_shell("ttyS0").await.unwrap();
    assert!(matches!(world.proxy.open_shell("tty2").await, Err(Error::InvalidArgument(_))));
    assert_eq!(world.box_.state().shells, ["tty1", "ttyS0"]);
    world.proxy.end_support_mode().await.unwrap();
    assert_eq!(changes.next().await.unwrap().args().unwrap().until, 0);
    assert_eq!(world.box_.state().shells, [""; 0]);
    assert!(matches!(world.proxy.open_shell("tty1").await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn support_mode_ends_by_itself_and_later_if_it_is_switched_on_again() {
    let world = World::start().await;
    let mut changes = world.proxy.receive_support_mode_changed().await.unwrap();
    let mut until = async || changes.next().await.unwrap().args().unwrap().until;
    world.proxy.start_support_mode(10).await.unwrap();
    assert_ne!(until().await, 0);
    world.box_.pass(Duration::from_secs(9 * 60));
    world.proxy.start_support_mode(10).await.unwrap();
    assert_eq!(until().await, world.box_.now() + 601);
    world.proxy.open_shell("tty1").await.unwrap();
    world.box_.pass(Duration::from_secs(2 * 60));
    assert_ne!(world.proxy.support_mode().await.unwrap(), 0);
    world.box_.pass(Duration::from_secs(8 * 60));
    assert_eq!(until().await, 0);
    assert_eq!(world.box_.state().shells, [""; 0]);
}

#[tokio::test]
async fn support_mode_survives_the_service_and_ends_when_it_should_have() {
    let world = World::start().await;
    world.proxy.start_support_mode(10).await.unwrap();
    world.proxy.open_shell("tty1").await.unwrap();
    let until = world.proxy.support_mode().await.unwrap();
    let world = world.restart().await;
    assert_eq!(world.proxy.support_mode().await.unwrap(), until);
    assert_eq!(world.box_.state().shells, ["tty1"]);
    let mut changes = world.proxy.receive_support_mode_changed().await.unwrap();
    world.box_.pass(Duration::from_secs(10 * 60));
    assert_eq!(changes.next().await.unwrap().args().unwrap().until, 0);
    // Over while nobody was there to see it, or unreadable: off, and no shell is left.
    for kept in ["5", "soon", "0"] {
        let file = world.runtime.path().join("support-mode");
        std::fs::write(&file, kept).unwrap();
        world.box_.state().shells.push("tty1".to_owned());
        let mode = Mode::resume(Arc::clone(&world.box_), world.runtime.path()).await;
        assert_eq!((mode.until(), file.exists()), (0, false), "{kept}");
        assert_eq!(world.box_.state().shells, [""; 0], "{kept}");
    }
}

/// The bus leaves out what is said of users it does not know.
#[tokio::test]
async fn the_policy_lets_root_and_the_console_in_and_nobody_else() {
    let policy = include_str!("../../org.understudy.Maintenance1.dbus.conf");
    for user in ["root", "understudy-maintenance", "understudy-console"] {
        assert!(policy.contains(&format!("<policy user=\"{user}\">")), "{user}");
    }
    let own = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    // Whoever runs this test stands for the service and for each caller in turn.
    let stands_for = |user: &str| {
        policy
            .replace("user=\"root\"", "user=\"understudy-other\"")
            .replace("<policy user=\"understudy-maintenance\">", &format!("<policy user=\"{own}\">"))
            .replace(&format!("user=\"{user}\""), &format!("user=\"{own}\""))
    };
    let fresh = || (Arc::new(Simulated::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (box_, state, runtime) = fresh();
    let world =
        World::on(PrivateBus::with_policy(&stands_for("understudy-console")), box_, state, runtime).await;
    assert_eq!(world.proxy.support_mode().await.unwrap(), 0);
    let (box_, state, runtime) = fresh();
    let world = World::on(PrivateBus::with_policy(&stands_for("nobody-at-all")), box_, state, runtime).await;
    let error = world.proxy.support_mode().await.unwrap_err();
    assert!(error.to_string().contains("Rejected send"), "{error}");
    let closed = PrivateBus::with_policy(&policy.replace("user=\"root\"", "user=\"understudy-other\""));
    assert!(closed.connect().await.request_name(NAME).await.is_err());
}
