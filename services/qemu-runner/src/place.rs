//! Where the sockets of a virtual machine are.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use understudy_wire::VmId;

use crate::{Error, Result};

/// The folder of one virtual machine in its service's runtime directory. Only the service and root can enter it; it outlives
/// the service, so that a machine that runs is found again.
#[derive(Debug, Clone)]
pub struct Place(PathBuf);

impl Place {
    /// The folder `id` in the service's runtime directory.
    pub fn new(runtime_directory: &Path, id: VmId) -> Self {
        Self(runtime_directory.join(id.to_string()))
    }

    /// A file or socket in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn order_socket(&self) -> PathBuf {
        self.file("launch.sock")
    }

    pub(crate) fn create(&self, id: VmId) -> Result<()> {
        DirBuilder::new().mode(0o700).create(&self.0).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::Exists(id.to_string()),
            _ => Error::io(format!("make the folder {}", self.0.display()))(error),
        })
    }

    /// Removes it with all in it, if it is there.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io(format!("remove {}", self.0.display()))(error))
            }
            _ => Ok(()),
        }
    }

    /// The machines that have a folder in this runtime directory.
    pub fn all(runtime_directory: &Path) -> Result<Vec<VmId>> {
        let list = || -> std::io::Result<Vec<VmId>> {
            let mut ids = Vec::new();
            for entry in std::fs::read_dir(runtime_directory)? {
                ids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<VmId>().ok()));
            }
            Ok(ids)
        };
        list().map_err(Error::io(format!("list {}", runtime_directory.display())))
    }
}
