//! The scheduler as the gateway sees it: calls with a deadline, and a bell that rings when a machine should ask again.

use std::time::Duration;

use anyhow::Context;
use axum::http::StatusCode;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use understudy_bus::error::Result as BusResult;
use understudy_bus::scheduler::AgentsProxy;
use understudy_wire::MachineId;

use crate::refusal::Refused;

/// Reading a GiB of base hashes may take the box a while; nothing else takes long.
const DEADLINE: Duration = Duration::from_secs(100);

/// Rings kept for a waiting request that has not looked yet. One that misses some asks the scheduler anyway.
const RINGS: usize = 256;

/// The scheduler behind its D-Bus interface for agents.
pub struct Scheduler {
    agents: AgentsProxy<'static>,
    bell: broadcast::Sender<Ring>,
    connected: watch::Receiver<()>,
    listening: JoinHandle<()>,
}

#[derive(Clone)]
enum Ring {
    /// Something about one machine changed.
    Machine(String),
    /// The scheduler came back: what it would have said meanwhile is unknown.
    Everyone,
    /// The gateway stops: nobody waits any longer.
    Stop,
}

impl Scheduler {
    /// Starts to listen for changes. The scheduler need not run yet.
    pub async fn connect(connection: &zbus::Connection) -> anyhow::Result<Self> {
        let agents = AgentsProxy::builder(connection)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await
            .context("cannot make the scheduler's proxy")?;
        let mut changes =
            agents.receive_changed().await.context("cannot subscribe to the scheduler's signals")?;
        let mut owners =
            agents.inner().receive_owner_changed().await.context("cannot watch the scheduler's name")?;
        let bell = broadcast::channel(RINGS).0;
        let ringer = bell.clone();
        let (alive, connected) = watch::channel(());
        let listening = tokio::spawn(async move {
            let _alive = alive;
            loop {
                let ring = tokio::select! {
                    Some(change) = changes.next() => match change.args() {
                        Ok(args) => Ring::Machine(args.machine().to_string()),
                        Err(error) => {
                            tracing::warn!("the scheduler's signal cannot be read: {error}");
                            Ring::Everyone
                        }
                    },
                    Some(owner) = owners.next() => match owner {
                        Some(_) => Ring::Everyone,
                        None => continue,
                    },
                    else => break,
                };
                // Nobody waiting is no error.
                let _ = ringer.send(ring);
            }
        });
        Ok(Self { agents, bell, connected, listening })
    }

    /// Returns when the connection to the bus is lost. Waiting requests would never be woken again after that.
    pub fn lost(&self) -> impl Future<Output = ()> + use<> {
        let mut connected = self.connected.clone();
        async move { while connected.changed().await.is_ok() {} }
    }

    /// Calls the scheduler, with a deadline: a scheduler that hangs must not hold every agent's request.
    pub async fn call<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a AgentsProxy<'static>) -> F,
    ) -> Result<T, Refused>
    where
        F: Future<Output = BusResult<T>> + 'a,
    {
        match tokio::time::timeout(DEADLINE, call(&self.agents)).await {
            Ok(answer) => answer.map_err(Refused::from),
            Err(_) => Err(Refused::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the box's scheduler did not answer within {} s; try again", DEADLINE.as_secs()),
            )),
        }
    }

    /// Ends all waiting, because the gateway stops.
    pub fn stop_waiting(&self) {
        let _ = self.bell.send(Ring::Stop);
    }

    /// Asks until the answer is worth giving or the time is up; asks again only when the bell rings for this machine. `None` when
    /// the time is up. A scheduler that is away in the meantime is waited for: the bell rings when it comes back.
    pub async fn wait<T, F>(
        &self,
        machine: MachineId,
        wait: Duration,
        ask: impl Fn() -> F,
    ) -> Result<Option<T>, Refused>
    where
        F: Future<Output = Result<Option<T>, Refused>>,
    {
        let deadline = Instant::now() + wait;
        let machine = machine.to_string();
        // Listening before asking: a change in between is not missed.
        let mut bell = self.bell.subscribe();
        loop {
            let last = match ask().await {
                Err(refused) if refused.may_pass() => Err(refused),
                Ok(None) => Ok(None),
                answer => return answer,
            };
            loop {
                let Ok(ring) = tokio::time::timeout_at(deadline, bell.recv()).await else {
                    return last;
                };
                match ring {
                    Ok(Ring::Machine(changed)) if changed != machine => {}
                    Ok(Ring::Stop) | Err(RecvError::Closed) => return last,
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                }
            }
            // One answer serves a burst of rings.
            while let Some(Ok(ring)) = bell.recv().now_or_never() {
                if matches!(ring, Ring::Stop) {
                    return last;
                }
            }
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
