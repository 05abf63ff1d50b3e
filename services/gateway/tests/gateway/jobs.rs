//! What a running backup says, and that it can only say it about its own job.

use std::time::Duration;

use understudy_agent::link::{Link, LinkError, MAX_RECORDS};
use understudy_wire::{
    BlockHash, Bytes, DiskId, JobId, MAX_HASHES, Outcome, Progress, RecoveryPointId, Report,
};
use ureq::http::Method;

use crate::machine;
use crate::world::{World, blocking};

fn progress() -> Progress {
    Progress { stage: "copying".into(), sent: Bytes(1), expected: Bytes(2) }
}

fn report() -> Report {
    Report { error: None, frozen_seconds: 0.1, disks: Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_a_job_says_reaches_the_scheduler() {
    let world = World::new().await;
    let machine = world.machine().await;
    let order = world.scheduler.give_order(machine.id);
    let (job, disk) = (order.job, DiskId::new());
    let hashes: Vec<[u8; 32]> = (0..5).map(|block| [block; 32]).collect();
    world.scheduler.with_job(job, |job| job.hashes.clone_from(&hashes));
    let records: Vec<_> = (0..MAX_RECORDS as u64).map(|index| BlockHash { index, hash: [7; 32] }).collect();

    let link = machine.link();
    let sent = records.clone();
    let link = blocking(move || {
        assert_eq!(link.order(Duration::ZERO).unwrap(), Some(order));
        assert!(link.progress(job, &progress()).unwrap().wanted);
        link.blocks(job, disk, &sent).unwrap();
        assert_eq!(link.hashes(job, disk, 1, 3).unwrap(), hashes[1..4]);
        assert_eq!(link.hashes(job, disk, 4, MAX_HASHES).unwrap(), hashes[4..]);
        link.report(job, &report()).unwrap();
        assert_eq!(link.outcome(job, Duration::ZERO).unwrap(), Outcome::Running);
        assert!(link.box_address().is_loopback());
        link
    })
    .await;
    world.scheduler.with_job(job, |job| {
        assert_eq!(BlockHash::parse_all(&job.records, Bytes(1 << 40)).unwrap(), records);
        assert_eq!(job.progress, [progress()]);
        assert_eq!(job.report, Some(report()));
    });
    let done = Outcome::Done { point: RecoveryPointId::new(), disks: Vec::new() };
    world.scheduler.end(job, done.clone());
    blocking(move || {
        assert_eq!(link.outcome(job, Duration::from_secs(20)).unwrap(), done);
        assert!(!link.progress(job, &progress()).unwrap().wanted);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_cannot_touch_another_machines_job() {
    let world = World::new().await;
    let (owner, other) = (world.machine().await, world.machine().await);
    let job = world.scheduler.give_order(owner.id).job;
    let link = other.link();
    blocking(move || {
        let disk = DiskId::new();
        assert_eq!(link.order(Duration::ZERO).unwrap(), None);
        let record = [BlockHash { index: 0, hash: [0; 32] }];
        let refused = [
            link.progress(job, &progress()).map(drop),
            link.blocks(job, disk, &record),
            link.hashes(job, disk, 0, 1).map(drop),
            link.report(job, &report()),
            link.outcome(job, Duration::ZERO).map(drop),
        ];
        for answer in refused {
            let Err(LinkError::Refused { status: 403, refusal }) = answer else { panic!("{answer:?}") };
            assert_eq!(refusal.job, Some(job));
        }
    })
    .await;
    world.scheduler.with_job(job, |job| {
        assert!(job.progress.is_empty() && job.records.is_empty() && job.report.is_none())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_what_was_expected() {
    let world = World::new().await;
    let machine = world.machine().await;
    let job = JobId::new();
    let client = understudy_agent::link::Client::paired(&machine.pairing).unwrap();
    blocking(move || {
        let disk = DiskId::new();
        let blocks = format!("/agent/v1/jobs/{job}/disks/{disk}/blocks");
        let hashes = format!("/agent/v1/jobs/{job}/disks/{disk}/hashes");
        for (method, path, body, status, words) in [
            (Method::POST, "/agent/v1/jobs/nonsense/progress", "{}", 400, "job id"),
            (Method::POST, &*format!("/agent/v1/jobs/{job}/progress"), "{", 400, "not understood"),
            (Method::POST, &*blocks, "forty-one bytes are no whole records.....", 400, "records of 40 bytes"),
            (Method::GET, &*format!("{hashes}?from=0&count=16385"), "", 400, "16384"),
            (Method::GET, &*hashes, "", 400, "from"),
            (Method::GET, "/agent/v1/orders?wait=long", "", 400, "wait"),
            (Method::GET, &*format!("/agent/v1/jobs/{job}/outcome"), "", 404, "no job"),
            (Method::GET, "/", "", 404, "nothing"),
            (Method::GET, "/agent/v1/inventory", "", 405, "method"),
        ] {
            let answer = client.send(method, path, body.as_bytes(), Duration::from_secs(20)).err();
            let Some(LinkError::Refused { status: found, refusal }) = answer else {
                panic!("{path}: {answer:?}")
            };
            assert_eq!(found, status, "{path}");
            assert!(refusal.error.contains(words), "{path}: {}", refusal.error);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_with_keys_of_a_newer_agent_is_passed_on() {
    let world = World::new().await;
    let machine = world.machine().await;
    let client = understudy_agent::link::Client::paired(&machine.pairing).unwrap();
    let mut newer = serde_json::to_value(machine::inventory()).unwrap();
    newer["tpm"] = "2.0".into();
    blocking(move || {
        client.send_json(Method::PUT, "/agent/v1/inventory", &newer, Duration::from_secs(20)).map(drop)
    })
    .await
    .unwrap();
    let memory = world.scheduler.memory.lock().unwrap();
    assert_eq!(memory.inventories, [(machine.id.to_string(), machine::inventory())]);
}
