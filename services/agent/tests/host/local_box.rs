//! The box's side of a job, without a box: records hashes, reads back, "snapshots" by copying, rolls back.

use std::collections::HashMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use understudy_agent::link::{Link, LinkError};
use understudy_wire::{
    BLOCK, Base, BlockHash, DiskId, JobId, Order, OrderDisk, Outcome, PointDisk, Progress, RecoveryPointId,
    Refusal, Report, Standing,
};

use crate::disks::TestDisk;
use crate::shell::run;
use crate::target::{INITIATOR, Target, restore};

pub struct LocalBox {
    disks: Vec<Held>,
    state: Mutex<State>,
}

/// One disk's volume and its last point.
struct Held {
    id: DiskId,
    size: understudy_wire::Bytes,
    volume: PathBuf,
    point: PathBuf,
}

#[derive(Default)]
struct State {
    job: Option<(JobId, Outcome)>,
    records: HashMap<(DiskId, u64), [u8; 32]>,
    bases: HashMap<DiskId, Base>,
    report: Option<Report>,
    next_guid: u64,
}

impl LocalBox {
    pub fn new(folder: &Path, disks: &[TestDisk]) -> Self {
        let held = |(number, one): (usize, &TestDisk)| Held {
            id: one.disk.id,
            size: one.disk.size,
            volume: volume_path(folder, number),
            point: folder.join(format!("point-{number}")),
        };
        let disks: Vec<_> = disks.iter().enumerate().map(held).collect();
        for disk in &disks {
            crate::target::volume(&disk.volume, disk.size.0);
            crate::target::volume(&disk.point, disk.size.0);
        }
        Self { disks, state: Mutex::default() }
    }

    pub fn volumes(&self) -> Vec<PathBuf> {
        self.disks.iter().map(|disk| disk.volume.clone()).collect()
    }

    /// A new job, which begins with the last point on every volume.
    pub fn order(&self, target: &Target) -> Order {
        let mut state = self.state();
        let job = JobId::new();
        state.records.clear();
        state.report = None;
        state.job = Some((job, Outcome::Running));
        let disks = self.disks.iter().enumerate().map(|(number, disk)| OrderDisk {
            disk: disk.id,
            size: disk.size,
            target: target.of(number),
            base: state.bases.get(&disk.id).copied(),
        });
        Order {
            protocol: understudy_wire::PROTOCOL,
            job,
            initiator: INITIATOR.into(),
            disks: disks.collect(),
        }
    }

    pub fn report_of_last_job(&self) -> Report {
        self.state().report.clone().expect("the agent has reported")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Reads back every recorded block; the first that differs.
    fn differing(&self, state: &State) -> Option<String> {
        state.records.iter().find_map(|(&(id, index), hash)| {
            let disk = self.disks.iter().find(|disk| disk.id == id).unwrap();
            let mut block = vec![0; disk.size.block_len(index) as usize];
            File::open(&disk.volume).unwrap().read_exact_at(&mut block, index * BLOCK).unwrap();
            (blake3::hash(&block) != *hash)
                .then(|| format!("block {index} of disk {id} is not what was sent"))
        })
    }
}

impl Link for LocalBox {
    fn progress(&self, job: JobId, _: &Progress) -> Result<Standing, LinkError> {
        let wanted =
            self.state().job.as_ref().is_some_and(|(id, outcome)| *id == job && *outcome == Outcome::Running);
        Ok(Standing { wanted })
    }

    fn blocks(&self, _: JobId, disk: DiskId, records: &[BlockHash]) -> Result<(), LinkError> {
        assert!(records.len() <= understudy_agent::link::MAX_RECORDS);
        self.state().records.extend(records.iter().map(|record| ((disk, record.index), record.hash)));
        Ok(())
    }

    fn hashes(&self, _: JobId, disk: DiskId, from: u64, count: u64) -> Result<Vec<[u8; 32]>, LinkError> {
        assert!(count <= understudy_wire::MAX_HASHES);
        let disk = self.disks.iter().find(|one| one.id == disk).unwrap();
        let point = File::open(&disk.point).unwrap();
        let hash = |index| {
            let mut block = vec![0; disk.size.block_len(index) as usize];
            point.read_exact_at(&mut block, index * BLOCK).unwrap();
            *blake3::hash(&block).as_bytes()
        };
        Ok((from..(from + count).min(disk.size.blocks())).map(hash).collect())
    }

    fn report(&self, job: JobId, report: &Report) -> Result<(), LinkError> {
        let mut state = self.state();
        state.report = Some(report.clone());
        let outcome = match report.error.clone().or_else(|| self.differing(&state)) {
            Some(message) => {
                self.disks.iter().for_each(|disk| restore(&disk.point, &disk.volume));
                Outcome::Failed { message }
            }
            None => {
                let point = RecoveryPointId::new();
                let mut disks = Vec::new();
                for disk in &self.disks {
                    let (from, to) = (disk.volume.display().to_string(), disk.point.display().to_string());
                    run("cp", ["--sparse=always", &from, &to]);
                    state.next_guid += 1;
                    let snapshot_guid = 0xfeed_0000_0000_0000 + state.next_guid;
                    state.bases.insert(disk.id, Base { point, snapshot_guid });
                    disks.push(PointDisk { disk: disk.id, snapshot_guid });
                }
                Outcome::Done { point, disks }
            }
        };
        assert_eq!(state.job.as_ref().map(|(id, _)| *id), Some(job));
        state.job = Some((job, outcome));
        Ok(())
    }

    fn outcome(&self, job: JobId, _: Duration) -> Result<Outcome, LinkError> {
        match &self.state().job {
            Some((id, outcome)) if *id == job => Ok(outcome.clone()),
            _ => Err(LinkError::Refused {
                status: 404,
                refusal: Refusal { error: "no such job".into(), job: Some(job) },
            }),
        }
    }

    fn box_address(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }
}

pub fn volume_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("volume-{number}"))
}
