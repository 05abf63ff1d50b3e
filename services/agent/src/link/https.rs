//! [`Link`] over HTTPS, and the two requests that only the service itself makes.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use understudy_wire::{
    BlockHash, DiskId, Inventory, JobId, MAX_HASHES, Order, Outcome, Progress, Report, Standing,
};
use ureq::http::Method;

use super::http::{Answer, Client};
use super::retry::patiently;
use super::{Link, LinkError, MAX_RECORDS};
use crate::state::Pairing;

/// How long a running job keeps trying: the scheduler or the gateway may be restarting. The box gives a job up after two
/// minutes without progress, so that trying for longer is useless.
const PATIENCE: Duration = Duration::from_secs(120);
/// For an answer that needs no work.
const SOON: Duration = Duration::from_secs(60);
/// For hashes, which the box may have to read from its disks first; longer than the box itself waits for them.
const WORK: Duration = Duration::from_secs(130);
/// The box answers a long poll after this many seconds at the latest.
const POLL: u64 = 30;

/// The paired box.
pub struct HttpsLink {
    client: Client,
    patience: Duration,
}

impl HttpsLink {
    /// Prepares; nothing is sent yet.
    pub fn open(pairing: &Pairing) -> Result<Self, LinkError> {
        Ok(Self { client: Client::paired(pairing)?, patience: PATIENCE })
    }

    /// With another patience than two minutes.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends the inventory, once.
    pub fn inventory(&self, inventory: &Inventory) -> Result<(), LinkError> {
        self.client.send_json(Method::PUT, "/agent/v1/inventory", inventory, SOON).map(drop)
    }

    /// Asks for an order, once, and waits up to `wait`, at most 30 s, for one.
    pub fn order(&self, wait: Duration) -> Result<Option<Order>, LinkError> {
        let wait = wait.as_secs().min(POLL);
        let answer = self.client.send(
            Method::GET,
            &format!("/agent/v1/orders?wait={wait}"),
            &[],
            SOON + Duration::from_secs(wait),
        )?;
        if answer.status == 204 { Ok(None) } else { answer.json().map(Some) }
    }

    fn patiently(
        &self,
        what: &str,
        attempt: impl Fn() -> Result<Answer, LinkError>,
    ) -> Result<Answer, LinkError> {
        let again = |error: &LinkError| {
            let again = matches!(error, LinkError::Unreachable { .. });
            if again {
                tracing::debug!("{what}: {error}");
            }
            again
        };
        patiently(self.patience, again, attempt)
    }
}

impl Link for HttpsLink {
    fn progress(&self, job: JobId, progress: &Progress) -> Result<Standing, LinkError> {
        let path = format!("/agent/v1/jobs/{job}/progress");
        self.patiently("progress", || self.client.send_json(Method::POST, &path, progress, SOON))?.json()
    }

    fn blocks(&self, job: JobId, disk: DiskId, records: &[BlockHash]) -> Result<(), LinkError> {
        assert!(records.len() <= MAX_RECORDS, "{} records in one call; at most {MAX_RECORDS}", records.len());
        if records.is_empty() {
            return Ok(());
        }
        let path = format!("/agent/v1/jobs/{job}/disks/{disk}/blocks");
        let body: Vec<u8> = records.iter().flat_map(|record| record.to_bytes()).collect();
        self.patiently("block records", || self.client.send(Method::POST, &path, &body, SOON)).map(drop)
    }

    fn hashes(&self, job: JobId, disk: DiskId, from: u64, count: u64) -> Result<Vec<[u8; 32]>, LinkError> {
        let count = count.min(MAX_HASHES);
        let path = format!("/agent/v1/jobs/{job}/disks/{disk}/hashes?from={from}&count={count}");
        let answer = self.patiently("base hashes", || self.client.send(Method::GET, &path, &[], WORK))?;
        let (hashes, rest) = answer.body.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() as u64 > count {
            return Err(LinkError::Protocol(format!(
                "{} bytes came for {count} hashes of 32 bytes",
                answer.body.len()
            )));
        }
        Ok(hashes.to_vec())
    }

    fn report(&self, job: JobId, report: &Report) -> Result<(), LinkError> {
        let path = format!("/agent/v1/jobs/{job}/report");
        self.patiently("report", || self.client.send_json(Method::POST, &path, report, SOON)).map(drop)
    }

    fn outcome(&self, job: JobId, wait: Duration) -> Result<Outcome, LinkError> {
        let deadline = Instant::now() + wait;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Rounded up, so that the last part of a second is not a busy loop of requests that do not wait.
            let poll = left.as_millis().div_ceil(1000).min(u128::from(POLL));
            let path = format!("/agent/v1/jobs/{job}/outcome?wait={poll}");
            let within = SOON + Duration::from_secs(POLL);
            let outcome: Outcome =
                self.patiently("outcome", || self.client.send(Method::GET, &path, &[], within))?.json()?;
            if outcome != Outcome::Running || Instant::now() >= deadline {
                return Ok(outcome);
            }
        }
    }

    fn box_address(&self) -> IpAddr {
        self.client.locator().current().expect("pairing stores the address it was made under")
    }
}
