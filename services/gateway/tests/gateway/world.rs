//! A bus, a simulated scheduler, the real gateway on the loopback, and machines that pair with it.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use understudy_agent::link::{Address, HttpsLink};
use understudy_agent::pair::pair;
use understudy_agent::state::{Pairing, StateDir};
use understudy_gateway::Gateway;
use understudy_gateway::authority::Authority;
use understudy_gateway::scheduler::Scheduler;
use understudy_gateway::server::{self, Limits};
use understudy_wire::MachineId;
use understudy_wire::pairing::Code;

use crate::scheduler::{self, Simulated};
use understudy_private_bus::PrivateBus;

pub struct World {
    pub scheduler: Simulated,
    /// The scheduler's present run; `None` while it is down.
    pub running: Option<scheduler::Running>,
    pub address: Address,
    pub port: u16,
    pub bus: PrivateBus,
    dir: tempfile::TempDir,
    gateway: Running,
}

/// One run of the gateway.
struct Running {
    stop: watch::Sender<bool>,
    serving: JoinHandle<anyhow::Result<()>>,
}

/// A machine that has paired.
pub struct Paired {
    pub id: MachineId,
    pub pairing: Pairing,
    pub state: StateDir,
    _dir: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let bus = PrivateBus::start();
        let scheduler = Simulated::new();
        let running = Some(scheduler.start(&bus).await);
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let gateway = Running::start(&bus, dir.path(), listener, limits).await;
        let address = format!("127.0.0.1:{port}").parse().unwrap();
        Self { scheduler, running, address, port, bus, dir, gateway }
    }

    /// A new machine, paired by a new code.
    pub async fn machine(&self) -> Paired {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let id = self.pair(&state, &self.scheduler.invite(), false).await.unwrap();
        let pairing = state.pairing().unwrap().unwrap();
        Paired { id, pairing, state, _dir: dir }
    }

    pub async fn pair(&self, state: &StateDir, code: &Code, again: bool) -> anyhow::Result<MachineId> {
        let (state, address, code) = (state.clone(), self.address.clone(), code.clone());
        blocking(move || pair(&state, &address, &code, "ledger", again)).await
    }

    pub async fn stop_scheduler(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub async fn start_scheduler(&mut self) {
        self.running = Some(self.scheduler.start(&self.bus).await);
    }

    pub async fn ring(&self, machine: &Paired) {
        self.running.as_ref().unwrap().ring(machine.id).await;
    }

    /// Stops the gateway as SIGTERM does.
    pub async fn stop_gateway(self) {
        self.gateway.stop().await;
    }

    /// Stops it and starts it again, with what it has stored.
    pub async fn restart_gateway(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap().port();
        let new = Running::start(&self.bus, self.dir.path(), listener, Limits::default()).await;
        std::mem::replace(&mut self.gateway, new).stop().await;
        (self.port, self.address) = (taken, format!("127.0.0.1:{taken}").parse().unwrap());
    }
}

impl Running {
    async fn start(bus: &PrivateBus, state: &Path, listener: TcpListener, limits: Limits) -> Self {
        let scheduler = Scheduler::connect(&bus.connect().await).await.unwrap();
        let gateway = Gateway::new(authority(state), scheduler);
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(server::serve(listener, gateway, limits, stopping));
        Self { stop, serving }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        soon("the gateway stops", self.serving).await.unwrap().unwrap();
    }
}

impl Paired {
    pub fn link(&self) -> HttpsLink {
        HttpsLink::open(&self.pairing).unwrap()
    }
}

pub fn authority(dir: &Path) -> Authority {
    Authority::load_or_create(dir).unwrap()
}

/// The agent blocks; the runtime must not.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Waits for what must happen, with a deadline far beyond what it takes.
pub async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}
