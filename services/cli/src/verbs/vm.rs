//! `understudy vm`.

use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use crate::console;
use crate::link::{Link, plain};
use crate::output::{Output, short};

/// What to do with a VM.
#[derive(Subcommand)]
pub enum Vm {
    /// End a virtual machine at once and destroy its disks: what it wrote is gone
    Stop {
        /// The virtual machine, as `understudy vms` lists it
        id: String,
    },
    /// Attach to its serial console; Ctrl-] leaves
    Console {
        /// The virtual machine
        id: String,
    },
    /// Save what its screen shows, as a PNG
    Screenshot {
        /// The virtual machine
        id: String,
        /// The file to write
        file: PathBuf,
    },
}

impl Vm {
    /// Does it.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Stop { id } => {
                let vm = link.vm(id).await?;
                link.scheduler.stop_stand_in(&vm.vm).await.map_err(plain)?;
                output.show(json!({ "vm": vm.vm }), || {
                    format!("VM {} is gone, its disks with it.", short(&vm.vm))
                })
            }
            Self::Console { id } => {
                let vm = link.vm(id).await?;
                let socket = link.scheduler.console(&vm.vm).await.map_err(plain)?;
                let socket = UnixStream::from(OwnedFd::from(socket));
                eprintln!("Console of {} (VM {}); Ctrl-] leaves.", vm.name, short(&vm.vm));
                tokio::task::spawn_blocking(move || console::attach(&socket)).await?
            }
            Self::Screenshot { id, file } => {
                let vm = link.vm(id).await?;
                let picture = link.scheduler.screenshot(&vm.vm).await.map_err(plain)?;
                let mut picture = std::fs::File::from(OwnedFd::from(picture));
                picture.rewind().context("cannot read the screenshot")?;
                let mut bytes = Vec::new();
                picture.read_to_end(&mut bytes).context("cannot read the screenshot")?;
                let place = file.display();
                std::fs::File::create(file)
                    .and_then(|mut file| file.write_all(&bytes))
                    .with_context(|| format!("cannot write {place}"))?;
                output.show(json!({ "vm": vm.vm, "file": file }), || {
                    format!("{place}: the screen of {}", vm.name)
                })
            }
        }
    }
}
