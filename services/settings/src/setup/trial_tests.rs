use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use understudy_answers::Network;
use understudy_bus::error::Error;

use super::super::tests::{Boot, boot, set_up};
use crate::simulated::{Simulated, answers};

const OTHER: &str = "[network]\naddress = \"10.0.0.7/24\"\n";

fn other() -> Network {
    understudy_answers::parse_network(OTHER).unwrap()
}

async fn network_is(boot: &Boot, expected: Option<Network>) {
    boot.engine.network.subscribe().wait_for(|network| *network == expected).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_trial_stands_until_it_is_ended_and_then_all_is_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let boot = set_up(&folder).await;
    let trial = boot.setup.try_network(OTHER, pending()).await.unwrap();
    assert!(trial.checks[0].ok);
    assert_eq!(*boot.engine.network.borrow(), Some(other()));
    boot.setup.end_trial().await;
    assert_eq!(*boot.engine.network.borrow(), Some(answers().network));
    assert_eq!(boot.kept(), Some(answers()));
}

#[tokio::test(start_paused = true)]
async fn before_set_up_there_is_no_network_to_go_back_to() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(&folder, Simulated::new());
    boot.run().await;
    boot.setup.try_network(OTHER, pending()).await.unwrap();
    boot.setup.end_trial().await;
    assert_eq!(*boot.engine.network.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn a_trial_ends_by_itself_after_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let boot = set_up(&folder).await;
    let begin = tokio::time::Instant::now();
    boot.setup.try_network(OTHER, pending()).await.unwrap();
    network_is(&boot, Some(answers().network)).await;
    assert_eq!(begin.elapsed().as_secs(), 180);
}

#[tokio::test(start_paused = true)]
async fn a_trial_ends_with_its_caller_even_while_it_looks() {
    for slow in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let boot = boot(&folder, Simulated { slow, ..Simulated::new() });
        boot.run().await;
        let (leave, left) = oneshot::channel::<()>();
        let setup = Arc::clone(&boot.setup);
        let trial =
            tokio::spawn(
                async move { setup.try_network(OTHER, async { left.await.unwrap_or_default() }).await },
            );
        network_is(&boot, Some(other())).await;
        leave.send(()).unwrap();
        network_is(&boot, None).await;
        assert_eq!(trial.await.unwrap().is_err(), slow);
    }
}

#[tokio::test(start_paused = true)]
async fn another_trial_ends_the_one_before_even_while_it_looks() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(&folder, Simulated { slow: true, ..Simulated::new() });
    boot.run().await;
    let setup = Arc::clone(&boot.setup);
    let first = tokio::spawn(async move { setup.try_network(OTHER, pending()).await });
    network_is(&boot, Some(other())).await;
    let setup = Arc::clone(&boot.setup);
    let second = "[network]\naddress = \"dhcp\"\n";
    let second = tokio::spawn(async move { setup.try_network(second, pending()).await });
    assert!(matches!(first.await.unwrap(), Err(Error::Busy(_))));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(boot.engine.network.borrow().as_ref().is_some_and(|network| *network != other()));
    boot.setup.end_trial().await;
    assert!(second.await.unwrap().is_err());
    assert_eq!(*boot.engine.network.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let boot = set_up(&folder).await;
    *boot.engine.fails.lock().unwrap() = Some("try the network");
    assert!(matches!(boot.setup.try_network(OTHER, pending()).await, Err(Error::Failed(_))));
    boot.setup.end_trial().await;
    assert_eq!(*boot.engine.network.borrow(), Some(answers().network));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_not_there_is_not_tried() {
    let folder = tempfile::tempdir().unwrap();
    let boot = set_up(&folder).await;
    let absent = "[network]\nmac = \"52:54:00:00:00:09\"\naddress = \"dhcp\"\n";
    let refused = boot.setup.try_network(absent, pending()).await;
    assert!(matches!(refused, Err(Error::InvalidArgument(text)) if text.contains("eth0")));
    assert!(!boot.engine.done().contains(&"try the network".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_was_tried_may_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let boot = set_up(&folder).await;
    boot.setup.try_network(OTHER, pending()).await.unwrap();
    boot.setup.change_network(OTHER).await.unwrap();
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(*boot.engine.network.borrow(), Some(other()));
    let mut expected = answers();
    expected.network = other();
    assert_eq!(boot.kept(), Some(expected));
}
