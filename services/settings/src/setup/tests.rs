use std::path::Path;

use super::*;
use crate::simulated::{Disks, GOOD, Power, Simulated, answers};

pub struct Boot {
    pub engine: Arc<Simulated>,
    pub setup: Arc<Setup<Simulated>>,
}

pub fn boot(folder: &tempfile::TempDir, engine: Simulated) -> Boot {
    let engine = Arc::new(engine);
    let store = Store::powered(folder.path().to_owned(), Arc::clone(&engine.power));
    Boot { setup: Setup::new(Arc::clone(&engine), store), engine }
}

impl Boot {
    /// Until there is nothing more to be done by itself.
    pub async fn run(&self) -> Status {
        let begun = self.setup.begin().await;
        self.setup.finish(begun).await;
        self.setup.status().get()
    }

    /// Applies answers, and waits until they are carried out or have failed.
    pub async fn apply(&self, text: &str) -> Result<Status> {
        self.setup.apply(text).await?;
        let mut watch = self.setup.status().watch();
        let end = watch.wait_for(|status| status.state != State::Applying.name()).await.unwrap().clone();
        Ok(end)
    }

    pub fn kept(&self) -> Option<Answers> {
        self.setup.store.read().unwrap()
    }
}

/// A box that is set up.
pub async fn set_up(folder: &tempfile::TempDir) -> Boot {
    let boot = boot(folder, Simulated::with_disk(GOOD));
    assert_eq!(boot.run().await.state, "ready");
    boot
}

fn fails(engine: Simulated, step: &'static str) -> Simulated {
    *engine.fails.lock().unwrap() = Some(step);
    engine
}

#[tokio::test(start_paused = true)]
async fn the_first_boot_takes_the_settings_and_later_ones_ignore_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let first = boot(&folder, Simulated::with_disk(GOOD));
    assert_eq!(first.run().await.state, "ready");
    let done = first.engine.done();
    assert_eq!(done[..4], ["firewall", "no network", "look for the disk", "firewall"]);
    assert_eq!(done[4..], ["keyboard de", "name", "time", "network", "make the pool", "made the pool"]);
    let next = boot(&folder, Simulated::with_disk("nonsense"));
    assert_eq!(next.run().await.state, "ready");
    assert_eq!(next.engine.done(), ["firewall", "name", "time", "network", "keyboard de", "check the pool"]);
    assert_eq!(*next.engine.network.borrow(), Some(answers().network));
}

#[tokio::test(start_paused = true)]
async fn without_settings_the_firewall_stands_and_answers_are_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(&folder, Simulated::new());
    let status = boot.run().await;
    assert_eq!((status.state.as_str(), status.message.as_str()), ("unconfigured", ""));
    assert_eq!(boot.engine.done()[0], "firewall");
    let status = boot.apply(GOOD).await.unwrap();
    assert_eq!((status.state.as_str(), status.host_name.as_str()), ("ready", "box"));
    assert_eq!(boot.kept(), Some(answers()));
    assert!(matches!(boot.setup.apply(GOOD).await, Err(Error::Exists(_))));
}

#[tokio::test(start_paused = true)]
async fn a_mistake_on_the_disk_is_said_with_its_line_and_nothing_is_kept() {
    for (from, to, said) in [
        ("mirror", "stripe", "understudy.toml, line 11: \"stripe\""),
        ("\"A\"", "\"C\"", "understudy.toml, line 12: there is no disk \"C\""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let wrong = boot(&folder, Simulated::with_disk(&GOOD.replace(from, to)));
        let status = wrong.run().await;
        assert_eq!(status.state, "unconfigured");
        assert!(status.message.contains(said), "{}", status.message);
        assert_eq!(wrong.kept(), None);
        // The wizard takes over.
        assert_eq!(wrong.apply(GOOD).await.unwrap().state, "ready");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_comes_later_is_taken_and_one_that_comes_after_set_up_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(&folder, Simulated::new());
    boot.run().await;
    *boot.engine.disk.lock().unwrap() = Some(GOOD.to_owned());
    let mut watch = boot.setup.status().watch();
    boot.setup.look_for_disk();
    watch.wait_for(|status| status.state == "ready").await.unwrap();
    let done = boot.engine.done().len();
    boot.setup.look_for_disk();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(boot.engine.done().len(), done);
}

#[tokio::test(start_paused = true)]
async fn a_disk_without_the_file_changes_nothing_but_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(&folder, fails(Simulated::new(), "look for the disk"));
    let status = boot.run().await;
    assert_eq!(
        (status.state.as_str(), status.message.as_str()),
        ("unconfigured", "look for the disk failed")
    );
}

/// The first boot ends after any step, as a power cut ends it; the disk may have been taken away meanwhile.
#[tokio::test(start_paused = true)]
async fn a_first_boot_that_was_interrupted_is_carried_on_from_what_it_kept() {
    for cut in ["name", "time", "network", "make the pool"] {
        let folder = tempfile::tempdir().unwrap();
        let failed = boot(&folder, fails(Simulated::with_disk(GOOD), cut)).run().await;
        assert_eq!((failed.state.as_str(), failed.message), ("failed", format!("{cut} failed")));
        let next = boot(&folder, Simulated::new());
        assert_eq!(next.run().await.state, "ready", "after {cut}");
        assert!(next.engine.disks.lock().unwrap().pool.is_some(), "after {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_before_there_is_a_pool_may_be_answered_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(&folder, fails(Simulated::new(), "make the pool"));
    boot.run().await;
    assert_eq!(boot.apply(GOOD).await.unwrap().state, "failed");
    *boot.engine.fails.lock().unwrap() = None;
    let other = GOOD.replace("mirror", "single").replace("\"A\", \"B\"", "\"B\"");
    assert_eq!(boot.apply(&other).await.unwrap().state, "ready");
    assert_eq!(boot.kept().unwrap().to_string(), understudy_answers::parse(&other).unwrap().to_string());
}

#[tokio::test(start_paused = true)]
async fn answers_are_carried_out_one_at_a_time_and_only_if_they_fit_the_box() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(&folder, Simulated::new());
    boot.run().await;
    let refused = boot.setup.apply(&GOOD.replace("Europe/Berlin", "Mars/Olympus")).await;
    assert!(matches!(refused, Err(Error::InvalidArgument(text)) if text.contains("line 4")));
    assert_eq!(boot.kept(), None);
    let turn = boot.setup.turn.lock().await;
    assert!(matches!(boot.setup.apply(GOOD).await, Err(Error::Busy(_))));
    drop(turn);
    boot.apply(GOOD).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_the_first_boot_is_not_through_a_mended_disk_wins_over_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let other =
        GOOD.replace("\"A\", \"B\"", "\"A\", \"full\"").replace("disks =", "erase = [\"full\"]\ndisks =");
    boot(&folder, fails(Simulated::with_disk(&other), "make the pool")).run().await;
    let mended = boot(&folder, Simulated::with_disk(GOOD));
    mended.run().await;
    assert_eq!(mended.kept(), Some(answers()));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_gone_is_said_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    set_up(&folder).await;
    let gone = boot(&folder, fails(Simulated::new(), "check the pool"));
    let status = gone.run().await;
    assert_eq!((status.state.as_str(), status.message.as_str()), ("failed", "check the pool failed"));
    assert!(!gone.engine.done().contains(&"make the pool".to_owned()));
    assert!(matches!(gone.setup.apply(GOOD).await, Err(Error::Exists(_))));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_does_not_keep_a_box_from_being_reached() {
    let folder = tempfile::tempdir().unwrap();
    set_up(&folder).await;
    let next = boot(&folder, fails(Simulated::new(), "time"));
    assert_eq!(next.run().await.state, "failed");
    assert!(next.engine.network.borrow().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_firewall_that_does_not_load_ends_everything() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(&folder, fails(Simulated::with_disk(GOOD), "firewall"));
    assert_eq!(boot.run().await.state, "failed");
    assert!(boot.engine.network.borrow().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failed_service_is_named_and_ready_is_said_when_it_runs_after_all() {
    let folder = tempfile::tempdir().unwrap();
    let failed = Services::Failed(vec!["understudy-x.service".to_owned()]);
    let starting = Services::Starting(vec!["understudy-x.service".to_owned()]);
    let engine = Simulated::with_disk(GOOD);
    *engine.services.lock().unwrap() = vec![starting.clone(), failed.clone(), failed, starting, Services::Up];
    let boot = boot(&folder, engine);
    let mut watch = boot.setup.status().watch();
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        while watch.changed().await.is_ok() {
            let status = watch.borrow_and_update().clone();
            if status.state == "failed" || status.state == "ready" {
                seen.push(status);
            }
            if seen.last().is_some_and(|status| status.state == "ready") {
                break;
            }
        }
        seen
    });
    assert_eq!(boot.run().await.state, "ready");
    let mut seen = seen.await.unwrap();
    seen.dedup();
    let said: Vec<_> = seen.iter().map(|status| (status.state.as_str(), status.message.as_str())).collect();
    assert!(
        matches!(&said[..], [("failed", why), ("ready", "")] if why.contains("understudy-x.service failed")),
        "{said:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_box_without_an_address_serves_and_says_so_until_it_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulated::with_disk(GOOD);
    engine.addresses.lock().unwrap().clear();
    let boot = boot(&folder, engine);
    let status = boot.run().await;
    assert!(status.state == "ready" && status.message.contains("no address"), "{status:?}");
    let setup = Arc::clone(&boot.setup);
    tokio::spawn(async move { setup.watch_addresses().await });
    let mut watch = boot.setup.status().watch();
    boot.engine.addresses.lock().unwrap().push("10.0.0.9/24".to_owned());
    boot.engine.changes.send_replace(());
    let status = watch.wait_for(|status| !status.addresses.is_empty()).await.unwrap().clone();
    assert_eq!((status.state.as_str(), status.message.as_str()), ("ready", ""));
}

/// What a box holds after the power was cut in `apply` and it started again, with nothing plugged in.
async fn after_a_cut(folder: &Path, text: &str, steps: i64) -> (Status, Boot, bool) {
    let disks: Arc<std::sync::Mutex<Disks>> = Arc::default();
    let start = |power: Power| {
        let engine = Simulated { disks: Arc::clone(&disks), power: Arc::new(power), ..Simulated::new() };
        let engine = Arc::new(engine);
        let store = Store::powered(folder.to_owned(), Arc::clone(&engine.power));
        Boot { setup: Setup::new(Arc::clone(&engine), store), engine }
    };
    // Answers come to a box that waits for them, which takes some steps too.
    let first = start(Power::for_steps(i64::MAX));
    first.run().await;
    let cut = start(Power::for_steps(steps));
    let applied = cut.apply(text).await;
    let was_cut = cut.engine.power.is_cut();
    assert!(was_cut || applied.is_ok_and(|status| status.state == "ready"));
    let second = start(Power::for_steps(i64::MAX));
    (second.run().await, second, was_cut)
}

fn assert_all_or_nothing(status: &Status, boot: &Boot, expected: &Answers) {
    let pool = boot.engine.disks.lock().unwrap().pool.clone();
    let Some(kept) = boot.kept() else {
        assert_eq!((status.state.as_str(), pool), ("unconfigured", None));
        assert!(boot.engine.network.borrow().is_none() && !boot.setup.store.is_set_up());
        return;
    };
    assert_eq!((&kept, status.state.as_str()), (expected, "ready"));
    assert!(boot.setup.store.is_set_up());
    assert_eq!(pool.as_ref(), Some(&expected.pool));
    assert_eq!(boot.engine.network.borrow().as_ref(), Some(&expected.network));
    assert_eq!(boot.engine.name.lock().unwrap().as_ref(), Some(&expected.host_name));
    let zone = (expected.time_zone.clone(), expected.time_servers.clone());
    assert_eq!(boot.engine.zone.lock().unwrap().as_ref(), Some(&zone));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn texts() -> impl Strategy<Value = String> {
        let pool = prop_oneof![
            Just("layout = \"mirror\"\ndisks = [\"A\", \"B\"]\n"),
            Just("layout = \"single\"\ndisks = [\"B\"]\nencryption = true\n"),
            Just("layout = \"mirror\"\ndisks = [\"A\", \"full\"]\nerase = [\"full\"]\n"),
            Just("import = \"only\"\n"),
            Just("import = \"12345\"\n"),
        ];
        let network = prop_oneof![
            Just("address = \"dhcp\"\n"),
            Just(
                "mac = \"52:54:00:ab:34:56\"\nvlan = 7\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.0.1\"\n"
            ),
        ];
        let zone = prop_oneof![Just("UTC"), Just("Europe/Berlin")];
        ("[a-z]{1,9}", zone, network, pool).prop_map(|(name, zone, network, pool)| {
            format!(
                "version = 1\nhost_name = \"{name}\"\ntime_zone = \"{zone}\"\ntime_servers = [\"{name}\"]\n\
                 [network]\n{network}[pool]\n{pool}"
            )
        })
    }

    fn run(text: &str, steps: i64) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (status, boot, was_cut) = after_a_cut(folder.path(), text, steps).await;
            assert_all_or_nothing(&status, &boot, &understudy_answers::parse(text).unwrap());
            was_cut
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_power_cut_anywhere_leaves_nothing_or_ends_as_answered(text in texts(), steps in 0i64..24) {
            run(&text, steps);
        }
    }

    /// Each place once, for one set of answers, up to the first that comes too late.
    #[test]
    fn each_place_for_a_power_cut_is_visited() {
        let places = (0..100).take_while(|steps| run(GOOD, *steps)).count();
        assert!(
            (15..24).contains(&places),
            "{places} places; the range of the property above must reach them all"
        );
    }
}
