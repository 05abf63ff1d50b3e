//! From a description to a guest whose processors run, and to its end.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;
use understudy_wire::VmId;

use crate::machine::{Boot, Machine};
use crate::order::Order;
use crate::said::Said;
use crate::{Console, Error, Events, Monitor, Place, Result, Units, files, monitor};

/// The unit's program runs already when we begin to wait for its call.
const HAND_OVER: Duration = Duration::from_secs(60);
/// QEMU sets its machine up before it greets; on a slow, busy box with large disks that has taken a minute.
const GREETING: Duration = Duration::from_secs(180);
/// QEMU writes out what it holds before it quits.
const QUIT: Duration = Duration::from_secs(30);

/// A guest that runs.
pub struct Guest {
    /// Takes commands.
    pub monitor: Monitor,
    /// Its serial console.
    pub console: Console,
    /// What QEMU reports; ends when QEMU does.
    pub events: Events,
    /// The other end of the report port, if the machine has one.
    pub report: Option<UnixStream>,
    /// QEMU's standard error.
    pub said: Said,
}

/// Starts a machine with its disks' descriptors and returns when its processors run. If it cannot start, nothing of it is left.
pub async fn launch(
    units: &impl Units,
    place: &Place,
    machine: &Machine,
    disks: Vec<OwnedFd>,
) -> Result<Guest> {
    place.create(machine.id)?;
    let (said, standard_error) = Said::listen(machine.id)?;
    let started = match hand_over(units, place, machine, disks, standard_error).await {
        Ok(()) => connect(place, &said, machine.report_port.is_some()).await,
        Err(error) => Err(error),
    };
    let failed = match started {
        Ok(guest) => match run(&guest).await {
            Ok(()) => return Ok(guest),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let failed = explain(failed, &said).await;
    if let Err(error) = units.stop(machine.id).await {
        tracing::error!(vm = %machine.id, "cannot end the unit of a machine that did not start: {error}");
    }
    place.remove()?;
    Err(failed)
}

/// Finds a guest again that an earlier process of this service has started.
pub async fn attach(place: &Place) -> Result<Guest> {
    connect(place, &Said::nothing(), false).await
}

/// Ends a machine: QEMU is asked to write out what it holds and quit, its unit is ended, and its folder removed. When this
/// returns its disks are closed.
pub async fn end(units: &impl Units, place: &Place, id: VmId, guest: Option<&Monitor>) -> Result<()> {
    if let Some(monitor) = guest {
        // The connection may close before the answer comes; what counts is that the unit has ended.
        match timeout(QUIT, monitor.execute("quit", None)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(vm = %id, "QEMU did not answer `quit`: {error}"),
            Err(_) => {
                tracing::warn!(vm = %id, "QEMU did not quit within {} s; its unit is ended", QUIT.as_secs())
            }
        }
    }
    units.stop(id).await?;
    place.remove()
}

async fn hand_over(
    units: &impl Units,
    place: &Place,
    machine: &Machine,
    disks: Vec<OwnedFd>,
    standard_error: OwnedFd,
) -> Result<()> {
    let mut fds =
        vec![standard_error, listen(place, "qmp")?, listen(place, "events")?, listen(place, "console")?];
    if machine.report_port.is_some() {
        fds.push(listen(place, "report")?);
    }
    if let Boot::Uefi { variables, .. } = &machine.boot {
        fds.push(files::copy_to_memory("firmware-variables", variables)?);
    }
    fds.extend(disks);
    let order = Order {
        program: "/usr/bin/qemu-system-x86_64".to_owned(),
        arguments: machine.arguments(),
        numbers: machine.numbers(),
    };
    let path = place.order_socket();
    let listener =
        tokio::net::UnixListener::bind(&path).map_err(Error::io(format!("listen on {}", path.display())))?;
    units.start(machine.id).await?;
    hand(&listener, &path, order, fds).await?;
    std::fs::remove_file(&path).map_err(Error::io(format!("remove {}", path.display())))
}

/// Waits until systemd connects a unit's standard input to the socket at `path`, and hands the unit's program its order.
pub async fn hand(
    listener: &tokio::net::UnixListener,
    path: &Path,
    order: Order,
    fds: Vec<OwnedFd>,
) -> Result<()> {
    let doing = format!("hand {} its order", order.program);
    let (socket, _) = timeout(HAND_OVER, listener.accept())
        .await
        .map_err(|_| Error::TimedOut {
            what: "the call for an order",
            seconds: HAND_OVER.as_secs(),
            said: String::new(),
        })?
        .map_err(Error::io(&doing))?;
    let uid = socket.peer_cred().map_err(Error::io(&doing))?.uid();
    // systemd connects as root; a test's plain process as the test.
    if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
        return Err(Error::Stranger { uid, socket: path.display().to_string() });
    }
    let socket = socket.into_std().map_err(Error::io(&doing))?;
    socket.set_nonblocking(false).map_err(Error::io(&doing))?;
    socket.set_write_timeout(Some(HAND_OVER)).map_err(Error::io(&doing))?;
    // Once sent, the descriptors are on their way by themselves; ours are closed, so that the program's end is their end.
    tokio::task::spawn_blocking(move || {
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        order.send(&socket, &borrowed)
    })
    .await
    .map_err(|error| Error::io(&doing)(std::io::Error::other(error)))?
    .map_err(Error::io(&doing))
}

fn listen(place: &Place, name: &str) -> Result<OwnedFd> {
    let path = place.file(&format!("{name}.sock"));
    let listener = UnixListener::bind(&path).map_err(Error::io(format!("listen on {}", path.display())))?;
    Ok(listener.into())
}

async fn connect(place: &Place, said: &Said, with_report: bool) -> Result<Guest> {
    let socket = |name: &str| place.file(&format!("{name}.sock"));
    let open = async |path: &Path| {
        UnixStream::connect(path).await.map_err(Error::io(format!("connect to {}", path.display())))
    };
    let console = Console::serve(open(&socket("console")).await?);
    let report = if with_report { Some(open(&socket("report")).await?) } else { None };
    let monitor = Monitor::connect(&socket("qmp"), GREETING).await?;
    let events = monitor::events(&socket("events"), GREETING).await?;
    Ok(Guest { monitor, console, events, report, said: said.clone() })
}

/// Lets the processors run, which [`Machine::arguments`] has begun paused.
async fn run(guest: &Guest) -> Result<()> {
    guest.monitor.execute("cont", None).await?;
    let status = guest.monitor.execute("query-status", None).await?;
    if status["running"] == Value::Bool(true) {
        return Ok(());
    }
    let said = format!("{} (QMP status)", status["status"]);
    Err(Error::Ended { waiting_for: "the guest's processors to run", said })
}

/// Where QEMU went away, its last words are the reason.
async fn explain(error: Error, said: &Said) -> Error {
    match error {
        Error::Qmp(qmp::Error::Closed { .. } | qmp::Error::Io { .. }) | Error::Io { .. } => {
            let said = match said.last_words().await {
                words if words == "(nothing)" => return error,
                words => words,
            };
            Error::Ended { waiting_for: "it to start", said }
        }
        Error::TimedOut { what, seconds, .. } => {
            Error::TimedOut { what, seconds, said: said.last_words().await }
        }
        other => other,
    }
}
