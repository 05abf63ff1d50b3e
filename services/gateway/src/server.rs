//! The accept loop: TLS, limits, and who may hold a connection for how long.
//!
//! A stranger (no client certificate yet) has one minute in all, for the handshake and for pairing, and there are only so
//! many strangers, overall and from one address; they cannot take places from agents that are connected. An agent may stay, but
//! hyper closes what sends no complete request head in time, bodies have a time and a size, and the kernel gives up a peer
//! that does not take its answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::caller::Machine;
use crate::{Gateway, routes};

/// How many may be connected, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Strangers at once.
    pub strangers: usize,
    /// Strangers at once from one address: many machines may sit behind one.
    pub strangers_per_address: usize,
    /// Connections of agents at once.
    pub agents: usize,
    /// Connections at once of one machine.
    pub per_machine: usize,
    /// The TLS handshake must be done by then.
    pub handshake: Duration,
    /// A stranger is cut off after this, counted from the handshake.
    pub stranger: Duration,
    /// A request's head must be there this long after the handshake, or after the answer before.
    pub head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            strangers: 256,
            strangers_per_address: 32,
            agents: 2048,
            per_machine: 8,
            handshake: Duration::from_secs(10),
            stranger: Duration::from_secs(50),
            head: Duration::from_secs(30),
        }
    }
}

/// How long the kernel waits for a peer to acknowledge, or to open its window.
const STALL_TIME: Duration = Duration::from_secs(60);
/// What is under way when the gateway is stopped may take this long to end.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until told to stop.
pub async fn serve(
    listener: StdListener,
    gateway: Gateway,
    limits: Limits,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    listener.set_nonblocking(true).context("cannot use the listening socket")?;
    let listener = TcpListener::from_std(listener).context("cannot use the listening socket")?;
    let tls = TlsAcceptor::from(Arc::new(gateway.authority.tls()?));
    tracing::info!("serving HTTPS on {}", listener.local_addr()?);
    let scheduler = gateway.scheduler.clone();
    let door = Arc::new(Door {
        limits,
        router: routes::router(gateway),
        tls,
        strangers: Places::new(limits.strangers_per_address),
        agents: Places::new(limits.per_machine),
        agents_overall: Arc::new(Semaphore::new(limits.agents)),
    });
    let overall = Arc::new(Semaphore::new(limits.strangers));
    let mut connections = JoinSet::new();
    let mut stop = stopping.clone();
    loop {
        // Without a place for one more stranger nobody is accepted: the kernel's queue holds them, and every stranger's
        // time is limited.
        let next = async {
            let place = overall.clone().acquire_owned().await.expect("the semaphore is never closed");
            listener.accept().await.map(|accepted| (accepted, place))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = told(&mut stop) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok(((stream, peer), place)) => {
                let door = door.clone();
                let stopping = stopping.clone();
                connections.spawn(async move {
                    door.stranger(stream, peer.ip().to_canonical(), place, stopping).await
                });
            }
            Err(error) => {
                // Mostly too many open files; accepting again at once would spin.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    scheduler.stop_waiting();
    if timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await.is_err() {
        tracing::info!("{} connections were cut off", connections.len());
    }
    Ok(())
}

/// Returns when the gateway is told to stop, or nobody is left to tell it.
async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

struct Door {
    limits: Limits,
    router: Router,
    tls: TlsAcceptor,
    strangers: Places<IpAddr>,
    agents: Places<understudy_wire::MachineId>,
    agents_overall: Arc<Semaphore>,
}

impl Door {
    /// One connection, from its first byte. `place` is given back as soon as the caller has shown who it is.
    async fn stranger(
        self: Arc<Self>,
        stream: TcpStream,
        address: IpAddr,
        place: tokio::sync::OwnedSemaphorePermit,
        stopping: watch::Receiver<bool>,
    ) {
        let Some(stranger) = self.strangers.take(address) else {
            tracing::warn!("{address} has too many connections without a certificate; one was closed");
            return;
        };
        if let Err(error) = setsockopt(&stream, sockopt::TcpUserTimeout, &(STALL_TIME.as_millis() as u32)) {
            tracing::warn!("TCP_USER_TIMEOUT cannot be set: {error}");
        }
        let _ = stream.set_nodelay(true);
        let stream = match timeout(self.limits.handshake, self.tls.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return tracing::info!("{address} ended the TLS handshake or failed it: {error}");
            }
            Err(_) => return tracing::info!("{address} did not finish the TLS handshake in time"),
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let Some(certificate) = certificate else {
            if timeout(self.limits.stranger, self.talk(stream, None, stopping)).await.is_err() {
                tracing::info!(
                    "{address} without a certificate was cut off after {} s",
                    self.limits.stranger.as_secs()
                );
            }
            return;
        };
        let Some(machine) = Machine::from_verified(certificate, address) else {
            return tracing::warn!("{address} has a certificate of ours that names no machine");
        };
        drop((stranger, place));
        let id = machine.id;
        let (Some(_own), Ok(_overall)) = (self.agents.take(id), self.agents_overall.try_acquire()) else {
            return tracing::warn!(machine = %id, "{address} has too many connections; one was closed");
        };
        self.talk(stream, Some(machine), stopping).await;
    }

    /// Answers requests until the caller leaves or the gateway stops.
    async fn talk(
        &self,
        stream: tokio_rustls::server::TlsStream<TcpStream>,
        machine: Option<Machine>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let service =
            self.router.clone().map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
                if let Some(machine) = &machine {
                    request.extensions_mut().insert(machine.clone());
                }
                request
            });
        let mut connection = pin!(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.head)
                .max_buf_size(64 * 1024)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = told(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!("a connection ended: {error}");
        }
    }
}

/// Counts connections by whose they are.
struct Places<K> {
    most: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// One connection counted; no longer when dropped.
struct Place<K: Eq + Hash> {
    of: K,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Eq + Hash + Copy> Places<K> {
    fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    fn take(&self, of: K) -> Option<Place<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(of).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { of, taken: self.taken.clone() })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_owner_and_given_back() {
        let places = Places::new(1);
        let first = places.take(1).unwrap();
        assert!(places.take(1).is_none());
        let _other = places.take(2).unwrap();
        drop(first);
        assert!(places.take(1).is_some());
        assert_eq!(places.taken.lock().unwrap().len(), 1, "what nobody holds is forgotten");
    }
}
