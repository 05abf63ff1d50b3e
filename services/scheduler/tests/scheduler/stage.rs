//! A private bus with the simulated services and the real scheduler on it.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::TempDir;
use understudy_bus::error::Error;
use understudy_bus::scheduler::{AgentsProxy, Job, NAME, Rebuilt, SchedulerProxy, StandIn};
use understudy_private_bus::PrivateBus;
use zbus::Connection;
use zbus::export::futures_core::Stream;
use zbus::fdo::DBusProxy;

use crate::world::World;

/// Nothing here takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// The policy the box has, and who in it are the users that a test plays.
const POLICY: &str = include_str!("../../org.understudy.Scheduler1.dbus.conf");

/// Everything; ends its processes when dropped.
pub struct Stage {
    pub world: World,
    pub people: SchedulerProxy<'static>,
    pub agents: AgentsProxy<'static>,
    pub bus: Connection,
    folder: TempDir,
    private_bus: PrivateBus,
    scheduler: Option<Child>,
    agent_silence: u64,
}

impl Stage {
    /// Sets it up and starts the scheduler.
    pub async fn new() -> Self {
        let mut stage = Self::without_scheduler(120).await;
        stage.start().await;
        stage
    }

    /// With agents that may be silent for a second only.
    pub async fn impatient() -> Self {
        let mut stage = Self::without_scheduler(1).await;
        stage.start().await;
        stage
    }

    /// Sets it up for tests that do something before the scheduler starts.
    pub async fn without_scheduler(agent_silence: u64) -> Self {
        Self::with_policy(agent_silence, "<busconfig/>").await
    }

    /// With the box's own D-Bus policy, and the test playing some of its users (and always the scheduler's).
    pub async fn as_users(users: &[&str]) -> Self {
        use std::os::unix::fs::MetadataExt;
        let me = std::fs::metadata("/proc/self").unwrap().uid();
        let played =
            |name: &str| if users.contains(&name) || name == "understudy-scheduler" { me } else { 4_000_000 };
        let policy = ["root", "understudy-scheduler", "understudy-gateway", "understudy-console"]
            .iter()
            .fold(POLICY.to_owned(), |text, name| {
                let quoted = format!("user=\"{name}\"");
                assert!(text.contains(&quoted), "the policy does not speak of {name}");
                text.replace(&quoted, &format!("user=\"{}\"", played(name)))
            });
        let mut stage = Self::with_policy(120, &policy).await;
        stage.start().await;
        stage
    }

    async fn with_policy(agent_silence: u64, policy: &str) -> Self {
        let folder = TempDir::with_prefix("understudy-scheduler-").unwrap();
        let private_bus = PrivateBus::with_policy(policy);
        let (world, bus) = within("the bus answers", async {
            (World::serve(private_bus.connect().await).await, private_bus.connect().await)
        })
        .await;
        Self {
            world,
            people: SchedulerProxy::new(&bus).await.unwrap(),
            agents: AgentsProxy::new(&bus).await.unwrap(),
            bus,
            folder,
            private_bus,
            scheduler: None,
            agent_silence,
        }
    }

    /// Starts the scheduler and returns when it has its name.
    pub async fn start(&mut self) {
        let names = DBusProxy::new(&self.bus).await.unwrap();
        let mut owners = names.receive_name_owner_changed_with_args(&[(0, NAME)]).await.unwrap();
        std::fs::create_dir_all(self.state()).unwrap();
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_understudy-scheduler"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.private_bus.address())
            .env("STATE_DIRECTORY", self.state())
            .env("UNDERSTUDY_AGENT_SILENCE", self.agent_silence.to_string())
            .env("UNDERSTUDY_SERVICE_PATIENCE", "10")
            .env("RUST_LOG", "debug,zbus=warn")
            .stderr(log)
            .spawn()
            .unwrap();
        self.scheduler = Some(child);
        within("the scheduler takes its name", async {
            loop {
                let change = next(&mut owners).await;
                if change.args().unwrap().new_owner().is_some() {
                    return;
                }
            }
        })
        .await;
    }

    /// Kills the scheduler as a crash does.
    pub fn kill(&mut self) {
        let mut child = self.scheduler.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Where the scheduler keeps its state.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("scheduler.log")
    }

    /// Returns the job when it is as `is` wants it.
    pub async fn job(&self, job: &str, what: &str, is: impl Fn(&Job) -> bool) -> Job {
        let mut changes = self.people.receive_job_changed().await.unwrap();
        within(&format!("job {job}: {what}"), async {
            loop {
                let jobs = self.people.jobs("").await.unwrap();
                if let Some(found) = jobs.into_iter().find(|row| row.job == job && is(row)) {
                    return found;
                }
                next(&mut changes).await;
            }
        })
        .await
    }

    /// Returns the job when it has ended.
    pub async fn ended(&self, job: &str) -> Job {
        self.job(job, "ends", |job| matches!(job.step.as_str(), "done" | "failed")).await
    }

    /// Returns when the catalogue has machines.
    pub async fn machines_are_there(&self) {
        within("the machines are there", async {
            while self.people.machines().await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Makes the catalogue anew, as soon as the pool has been read and nothing runs.
    pub async fn rebuild(&self) -> Result<Rebuilt, Error> {
        within("the catalogue is made anew", async {
            loop {
                match self.people.rebuild_catalogue().await {
                    Err(Error::Busy(_) | Error::NotReady(_)) => tokio::task::yield_now().await,
                    answer => return answer,
                }
            }
        })
        .await
    }

    /// Returns the stand-in when it is in a state.
    pub async fn stand_in(&self, vm: &str, state: &str) -> StandIn {
        let mut changes = self.people.receive_stand_in_changed().await.unwrap();
        within(&format!("VM {vm} is {state}"), async {
            loop {
                let all = self.people.stand_ins().await.unwrap();
                if let Some(found) = all.into_iter().find(|row| row.vm == vm && row.state == state) {
                    return found;
                }
                next(&mut changes).await;
            }
        })
        .await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(child) = &mut self.scheduler {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the scheduler said:\n{}", std::fs::read_to_string(self.log()).unwrap_or_default());
        }
    }
}

/// Waits for something with a deadline.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("did not happen within {DEADLINE:?}: {what}"),
    }
}

/// The next signal of a stream.
pub async fn next<S: Stream + Unpin>(stream: &mut S) -> S::Item {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await.expect("the bus is there")
}
