//! Plain processes in the place of systemd's units, for tests and machines without systemd: same program, same order, no
//! confinement but QEMU's own.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use understudy_wire::VmId;

use crate::{Error, Place, Result, Units};

/// Starts `understudy-qemu` by itself. Ends what still runs when it is dropped.
#[derive(Debug)]
pub struct Processes {
    program: PathBuf,
    runtime_directory: PathBuf,
    children: Mutex<HashMap<VmId, Child>>,
}

impl Processes {
    /// `program` is `understudy-qemu`; `runtime_directory` the service's, as in [`Place::new`].
    pub fn new(program: impl Into<PathBuf>, runtime_directory: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            runtime_directory: runtime_directory.into(),
            children: Mutex::default(),
        }
    }
}

impl Units for Processes {
    async fn start(&self, id: VmId) -> Result<()> {
        let socket = Place::new(&self.runtime_directory, id).order_socket();
        let stdin =
            UnixStream::connect(&socket).map_err(Error::io(format!("connect to {}", socket.display())))?;
        let child = Command::new(&self.program)
            .stdin(OwnedFd::from(stdin))
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::io(format!("start {}", self.program.display())))?;
        self.children.lock().await.insert(id, child);
        Ok(())
    }

    async fn stop(&self, id: VmId) -> Result<()> {
        let Some(mut child) = self.children.lock().await.remove(&id) else { return Ok(()) };
        child.kill().await.map_err(Error::io(format!("end QEMU of {id}")))
    }

    async fn running(&self) -> Result<Vec<VmId>> {
        let mut children = self.children.lock().await;
        children.retain(|_, child| matches!(child.try_wait(), Ok(None)));
        Ok(children.keys().copied().collect())
    }
}
