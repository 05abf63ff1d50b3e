//! Long polls: woken by the scheduler's signal, not by the clock, and not lost when the scheduler restarts.

use std::time::{Duration, Instant};

use understudy_agent::link::{Client, Link, LinkError};
use understudy_wire::{Outcome, Progress};
use ureq::http::Method;

use crate::world::{World, blocking, soon};

const LONG: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_agent_gets_its_order_when_the_signal_comes() {
    let world = World::new().await;
    let (machine, other) = (world.machine().await, world.machine().await);
    let link = machine.link();
    let waiting = tokio::spawn(blocking(move || link.order(LONG)));
    world.scheduler.until_asked(1).await;
    world.ring(&other).await;
    let order = world.scheduler.give_order(machine.id);
    world.ring(&machine).await;
    assert_eq!(soon("the order comes", waiting).await.unwrap().unwrap(), Some(order));
    assert_eq!(
        world.scheduler.asked(),
        2,
        "once at first, once for its own signal; never for another machine's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_agent_hears_the_end_of_its_job() {
    let world = World::new().await;
    let machine = world.machine().await;
    let job = world.scheduler.give_order(machine.id).job;
    let link = machine.link();
    let waiting = tokio::spawn(blocking(move || link.outcome(job, LONG)));
    world.scheduler.until_asked(1).await;
    // A signal that is not about the end does not end the wait.
    world.ring(&machine).await;
    world.scheduler.until_asked(2).await;
    let failed = Outcome::Failed { message: "the pool is full".into() };
    world.scheduler.end(job, failed.clone());
    world.ring(&machine).await;
    assert_eq!(soon("the outcome comes", waiting).await.unwrap().unwrap(), failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_without_news_ends_with_its_time() {
    let world = World::new().await;
    let machine = world.machine().await;
    let link = machine.link();
    let begin = Instant::now();
    assert_eq!(blocking(move || link.order(Duration::from_secs(1))).await.unwrap(), None);
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(world.scheduler.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_restarts_in_mid_poll_is_asked_again() {
    let mut world = World::new().await;
    let machine = world.machine().await;
    let link = machine.link();
    let waiting = tokio::spawn(blocking(move || link.order(LONG)));
    world.scheduler.until_asked(1).await;
    world.stop_scheduler().await;
    // Made while nobody listened: no signal will ever tell of it.
    let order = world.scheduler.give_order(machine.id);
    world.start_scheduler().await;
    assert_eq!(soon("the order comes", waiting).await.unwrap().unwrap(), Some(order));

    // The signals of the new one are heard, too.
    world.scheduler.end(world.scheduler.give_order(machine.id).job, Outcome::Running);
    let asked = world.scheduler.asked();
    let link = machine.link();
    let waiting = tokio::spawn(blocking(move || link.order(LONG)));
    world.scheduler.until_asked(asked + 1).await;
    let order = world.scheduler.give_order(machine.id);
    world.ring(&machine).await;
    assert_eq!(soon("the next order comes", waiting).await.unwrap().unwrap(), Some(order));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_scheduler_a_call_says_so_and_a_job_keeps_trying() {
    let mut world = World::new().await;
    let machine = world.machine().await;
    let job = world.scheduler.give_order(machine.id).job;
    world.stop_scheduler().await;

    let client = Client::paired(&machine.pairing).unwrap();
    let error =
        blocking(move || client.send(Method::GET, "/agent/v1/orders", &[], LONG).err()).await.unwrap();
    assert!(matches!(error, LinkError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("503") && error.to_string().contains("scheduler"), "{error}");

    let link = machine.link();
    let trying = tokio::spawn(blocking(move || link.progress(job, &Progress::default())));
    world.start_scheduler().await;
    assert!(soon("the job goes on", trying).await.unwrap().unwrap().wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_with_a_box_that_is_gone_ends_and_says_where_it_was() {
    let world = World::new().await;
    let machine = world.machine().await;
    let job = world.scheduler.give_order(machine.id).job;
    let address = world.address.to_string();
    world.stop_gateway().await;
    let link = machine.link().with_patience(Duration::from_millis(300));
    let error = blocking(move || link.progress(job, &Progress::default())).await.unwrap_err();
    assert!(
        matches!(error, LinkError::Unreachable { .. }) && error.to_string().contains(&address),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_stopped_does_not_wait_for_polls() {
    let world = World::new().await;
    let machine = world.machine().await;
    let link = machine.link();
    let waiting = tokio::spawn(blocking(move || link.order(LONG)));
    world.scheduler.until_asked(1).await;
    world.stop_gateway().await;
    assert_eq!(soon("the poll ends", waiting).await.unwrap().unwrap(), None);
}
