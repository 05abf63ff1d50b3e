//! `org.understudy.Scheduler1.Agents` without a box behind it. It keeps the rules of the interface that concern the gateway: codes are
//! counted and used up, and a machine is known by its key and may only touch its own job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use understudy_bus::error::{Error, Result};
use understudy_bus::scheduler::{NAME, PATH};
use understudy_wire::pairing::Code;
use understudy_wire::{Inventory, JobId, MachineId, Order, Outcome, Progress, Report};
use zbus::object_server::SignalEmitter;

/// What the scheduler remembers; outlives a restart.
#[derive(Default)]
pub struct Memory {
    codes: HashMap<String, Invitation>,
    keys: HashMap<String, String>,
    orders: HashMap<String, Order>,
    jobs: HashMap<String, Job>,
    pub inventories: Vec<(String, Inventory)>,
    /// Where agents asked for orders from.
    pub addresses: Vec<String>,
}

struct Invitation {
    code: Code,
    attempts: u32,
    machine: Option<(String, String)>,
}

/// A job as the test looks at it.
#[derive(Default)]
pub struct Job {
    machine: String,
    pub progress: Vec<Progress>,
    pub records: Vec<u8>,
    pub hashes: Vec<[u8; 32]>,
    pub report: Option<Report>,
    pub outcome: Option<Outcome>,
}

/// The simulated scheduler; clones share everything.
#[derive(Clone)]
pub struct Simulated {
    pub memory: Arc<Mutex<Memory>>,
    /// Counts questions for orders and outcomes, so that a test can wait for one.
    asked: Arc<watch::Sender<usize>>,
}

/// One run of it: its name on the bus goes when this is dropped.
pub struct Running(zbus::Connection);

impl Simulated {
    pub fn new() -> Self {
        Self { memory: Arc::default(), asked: Arc::new(watch::channel(0).0) }
    }

    pub async fn start(&self, bus: &understudy_private_bus::PrivateBus) -> Running {
        let connection = bus.connect().await;
        connection.object_server().at(PATH, self.clone()).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Running(connection)
    }

    pub fn invite(&self) -> Code {
        let code = Code::new();
        let invitation = Invitation { code: code.clone(), attempts: 0, machine: None };
        self.memory.lock().unwrap().codes.insert(code.selector().to_owned(), invitation);
        code
    }

    pub fn attempts(&self, code: &Code) -> u32 {
        self.memory.lock().unwrap().codes[code.selector()].attempts
    }

    pub fn machines(&self) -> usize {
        self.memory.lock().unwrap().keys.len()
    }

    pub fn forget(&self, machine: MachineId) {
        self.memory.lock().unwrap().keys.remove(&machine.to_string());
    }

    pub fn give_order(&self, machine: MachineId) -> Order {
        let order = Order {
            protocol: understudy_wire::PROTOCOL,
            job: JobId::new(),
            initiator: "iqn.2026-01.org.understudy:agent".into(),
            disks: Vec::new(),
        };
        let mut memory = self.memory.lock().unwrap();
        memory.orders.insert(machine.to_string(), order.clone());
        let job = Job { machine: machine.to_string(), ..Job::default() };
        memory.jobs.insert(order.job.to_string(), job);
        order
    }

    pub fn end(&self, job: JobId, outcome: Outcome) {
        let mut memory = self.memory.lock().unwrap();
        memory.orders.retain(|_, order| order.job != job);
        memory.jobs.get_mut(&job.to_string()).unwrap().outcome = Some(outcome);
    }

    pub fn with_job<T>(&self, job: JobId, look: impl FnOnce(&mut Job) -> T) -> T {
        look(self.memory.lock().unwrap().jobs.get_mut(&job.to_string()).unwrap())
    }

    pub fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until so many questions have been asked since the start.
    pub async fn until_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        super::world::soon("the scheduler is asked", asked.wait_for(|asked| *asked >= times)).await.unwrap();
    }

    fn own<T>(&self, machine: &str, key: &str, job: &str, act: impl FnOnce(&mut Job) -> T) -> Result<T> {
        self.known(machine, key)?;
        let mut memory = self.memory.lock().unwrap();
        match memory.jobs.get_mut(job) {
            Some(job) if job.machine == machine => Ok(act(job)),
            Some(_) => Err(Error::Denied(format!("job {job} is not one of machine {machine}"))),
            None => Err(Error::NotFound(format!("there is no job {job}"))),
        }
    }

    fn known(&self, machine: &str, key: &str) -> Result<()> {
        match self.memory.lock().unwrap().keys.get(machine) {
            Some(known) if known == key => Ok(()),
            _ => Err(Error::Denied(format!("this box does not know machine {machine}; pair it again"))),
        }
    }
}

impl Running {
    /// Says that a machine should ask again.
    pub async fn ring(&self, machine: MachineId) {
        let emitter = SignalEmitter::new(&self.0, PATH).unwrap();
        Simulated::changed(&emitter, &machine.to_string()).await.unwrap();
    }

    pub async fn stop(self) {
        self.0.close().await.unwrap();
    }
}

#[zbus::interface(name = "org.understudy.Scheduler1.Agents")]
impl Simulated {
    fn pairing_attempt(&self, selector: &str) -> Result<String> {
        let mut memory = self.memory.lock().unwrap();
        match memory.codes.get_mut(selector) {
            Some(invitation) if invitation.machine.is_none() && invitation.attempts < 3 => {
                invitation.attempts += 1;
                Ok(invitation.code.to_string())
            }
            _ => Err(Error::NotFound(format!("the code {selector}-… is unknown, used up or expired"))),
        }
    }

    fn register(&self, selector: &str, host_name: &str, key: &str) -> Result<String> {
        assert_eq!(host_name, "ledger");
        let mut memory = self.memory.lock().unwrap();
        let invitation = memory.codes.get_mut(selector).unwrap();
        let machine = match &invitation.machine {
            None => MachineId::new().to_string(),
            Some((machine, known)) if known == key => machine.clone(),
            Some(_) => return Err(Error::NotFound(format!("the code {selector}-… is used up"))),
        };
        invitation.machine = Some((machine.clone(), key.to_owned()));
        memory.keys.insert(machine.clone(), key.to_owned());
        Ok(machine)
    }

    fn inventory(&self, machine: &str, key: &str, inventory: &str) -> Result<()> {
        self.known(machine, key)?;
        let inventory = serde_json::from_str(inventory).map_err(|e| Error::InvalidArgument(e.to_string()))?;
        self.memory.lock().unwrap().inventories.push((machine.to_owned(), inventory));
        Ok(())
    }

    fn order(&self, machine: &str, key: &str, address: &str) -> Result<String> {
        self.known(machine, key)?;
        let mut memory = self.memory.lock().unwrap();
        memory.addresses.push(address.to_owned());
        let order = memory.orders.get(machine).map(|order| serde_json::to_string(order).unwrap());
        // After the look: what a test changes from now on is news.
        self.asked.send_modify(|asked| *asked += 1);
        Ok(order.unwrap_or_default())
    }

    fn progress(&self, machine: &str, key: &str, job: &str, progress: &str) -> Result<bool> {
        let progress = serde_json::from_str(progress).map_err(|e| Error::InvalidArgument(e.to_string()))?;
        self.own(machine, key, job, |job| {
            job.progress.push(progress);
            job.outcome.is_none()
        })
    }

    fn blocks(&self, machine: &str, key: &str, job: &str, _disk: &str, records: &[u8]) -> Result<()> {
        self.own(machine, key, job, |job| job.records.extend(records))
    }

    fn hashes(
        &self,
        machine: &str,
        key: &str,
        job: &str,
        _disk: &str,
        from: u64,
        count: u64,
    ) -> Result<Vec<u8>> {
        self.own(machine, key, job, |job| {
            job.hashes.iter().skip(from as usize).take(count as usize).flatten().copied().collect()
        })
    }

    fn report(&self, machine: &str, key: &str, job: &str, report: &str) -> Result<()> {
        let report = serde_json::from_str(report).map_err(|e| Error::InvalidArgument(e.to_string()))?;
        self.own(machine, key, job, |job| job.report = Some(report))
    }

    fn outcome(&self, machine: &str, key: &str, job: &str) -> Result<String> {
        let outcome = self.own(machine, key, job, |job| job.outcome.clone().unwrap_or(Outcome::Running))?;
        self.asked.send_modify(|asked| *asked += 1);
        Ok(serde_json::to_string(&outcome).unwrap())
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, machine: &str) -> zbus::Result<()>;
}
