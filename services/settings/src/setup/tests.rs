use std::sync::Mutex;

use super::*;
use crate::configuration::tests::GOOD;
use crate::simulated::Simulated;

const READY: &str = "say: Understudy box is ready at 10.0.0.2";

struct Boot {
    engine: &'static Simulated,
    setup: Setup<&'static Simulated>,
}

fn boot(folder: &tempfile::TempDir, engine: Simulated) -> Boot {
    let engine: &'static Simulated = Box::leak(Box::new(engine));
    let status = Arc::new(Shared::default());
    Boot { engine, setup: Setup::new(engine, Store::new(folder.path().to_owned()), status) }
}

impl Boot {
    async fn run(&self) -> (String, Vec<String>) {
        let rendered = self.setup.render().await;
        self.setup.finish(rendered).await;
        (self.setup.status.get().state, self.engine.done())
    }
}

fn with_disk(text: &str) -> Simulated {
    Simulated { disk: Some(text.to_owned()), ..Simulated::default() }
}

#[tokio::test(start_paused = true)]
async fn the_first_boot_takes_the_settings_and_later_ones_ignore_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (state, done) = boot(&folder, with_disk(GOOD)).run().await;
    assert_eq!(state, "ready");
    assert_eq!(done, ["firewall", "look for the disk", "apply", "create the pool", READY]);
    let (state, done) = boot(&folder, with_disk("nonsense")).run().await;
    assert_eq!(state, "ready");
    assert_eq!(done, ["firewall", "apply", "check the pool", READY]);
}

#[tokio::test(start_paused = true)]
async fn without_settings_the_firewall_stands_all_the_same_and_the_console_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (state, done) = boot(&folder, Simulated::default()).run().await;
    assert_eq!(state, "unconfigured");
    assert_eq!(done[0], "firewall");
    assert!(done.last().unwrap().starts_with("say: Understudy is not set up: there are no settings"));
}

#[tokio::test(start_paused = true)]
async fn a_mistake_on_the_disk_is_said_with_its_line_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (state, done) = boot(&folder, with_disk(&GOOD.replace("mirror", "stripe"))).run().await;
    assert_eq!(state, "failed");
    let last = done.last().unwrap();
    assert!(last.contains("understudy.toml, line 10: \"stripe\""), "{last}");
    assert_eq!(Store::new(folder.path().to_owned()).read().unwrap(), None);
    let (state, _) = boot(&folder, with_disk(GOOD)).run().await;
    assert_eq!(state, "ready");
}

/// The first boot ends after any step, as a power cut ends it; the disk may have been taken away meanwhile.
#[tokio::test(start_paused = true)]
async fn a_first_boot_that_was_interrupted_is_carried_on_from_what_it_kept() {
    for cut in ["apply", "create the pool"] {
        let folder = tempfile::tempdir().unwrap();
        let cut_short = Simulated { fails: Some(cut), ..with_disk(GOOD) };
        assert_eq!(boot(&folder, cut_short).run().await.0, "failed");
        let (state, done) = boot(&folder, Simulated::default()).run().await;
        assert_eq!(state, "ready", "after {cut}");
        assert!(done.contains(&"create the pool".to_owned()), "after {cut}: {done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_first_boot_is_not_through_a_mended_disk_wins_over_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Simulated { fails: Some("create the pool"), ..with_disk(&GOOD.replace("\"A\"", "\"C\"")) };
    boot(&folder, refused).run().await;
    boot(&folder, with_disk(GOOD)).run().await;
    assert_eq!(Store::new(folder.path().to_owned()).read().unwrap().as_deref(), Some(GOOD));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_gone_is_said_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    boot(&folder, with_disk(GOOD)).run().await;
    let gone = Simulated { fails: Some("check the pool"), ..Simulated::default() };
    let (state, done) = boot(&folder, gone).run().await;
    assert_eq!(state, "failed");
    assert!(!done.contains(&"create the pool".to_owned()));
    assert_eq!(done.last().unwrap(), "say: Understudy is not set up: check the pool failed");
}

#[tokio::test(start_paused = true)]
async fn a_failed_service_is_named_once_and_ready_is_said_when_it_runs_after_all() {
    let folder = tempfile::tempdir().unwrap();
    let failed = Services::Failed(vec!["understudy-x.service".to_owned()]);
    let starting = Services::Starting(vec!["understudy-x.service".to_owned()]);
    let looks = vec![starting.clone(), failed.clone(), failed, starting, Services::Up];
    let engine = Simulated { services: Mutex::new(looks), ..with_disk(GOOD) };
    let (state, done) = boot(&folder, engine).run().await;
    assert_eq!(state, "ready");
    let said: Vec<_> = done.iter().filter(|step| step.starts_with("say")).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("understudy-x.service failed") && said[1] == READY);
}
