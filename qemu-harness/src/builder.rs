//! A machine described in one sentence.

use std::path::{Path, PathBuf};

use crate::network::{Card, Mac};
use crate::{Bytes, Disk, Firmware, Network, Result, UserNic, Vm};

/// What a machine is made of, until it is launched.
#[derive(Debug, Clone)]
#[must_use = "a machine runs once it is launched"]
pub struct VmBuilder {
    pub(crate) name: String,
    pub(crate) memory: Bytes,
    pub(crate) cpus: u32,
    pub(crate) emulator: Option<PathBuf>,
    pub(crate) firmware: Option<Firmware>,
    pub(crate) kernel: Option<Kernel>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) usb_sockets: bool,
    pub(crate) card: Card,
    pub(crate) nics: Vec<(Network, Mac)>,
    pub(crate) user_nics: Vec<UserNic>,
    pub(crate) ports: Vec<PortSpec>,
    pub(crate) extra: Vec<String>,
}

/// A kernel that QEMU loads itself, without a boot loader.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    pub(crate) image: PathBuf,
    pub(crate) initramfs: Option<PathBuf>,
    pub(crate) command_line: String,
}

#[derive(Debug, Clone)]
pub(crate) struct PortSpec {
    pub(crate) name: String,
    /// Goes into a file in the run folder instead of to a [`crate::SerialPort`].
    pub(crate) to_file: bool,
}

impl VmBuilder {
    pub(crate) fn new(name: &str) -> Self {
        VmBuilder {
            name: name.to_owned(),
            memory: Bytes::gib(1),
            cpus: 1,
            emulator: None,
            firmware: None,
            kernel: None,
            disks: Vec::new(),
            usb_sockets: false,
            card: Card::default(),
            nics: Vec::new(),
            user_nics: Vec::new(),
            ports: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Its memory, 1 GiB unless told. Whole MiB.
    pub fn memory(mut self, memory: Bytes) -> Self {
        self.memory = memory;
        self
    }

    /// Its processors, one unless told.
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// Runs in this QEMU instead of the installed one.
    pub fn emulator(mut self, program: &Path) -> Self {
        self.emulator = Some(program.to_owned());
        self
    }

    /// Starts through UEFI; without this, through QEMU's BIOS.
    pub fn firmware(mut self, firmware: &Firmware) -> Self {
        self.firmware = Some(firmware.clone());
        self
    }

    /// Starts this kernel directly.
    pub fn kernel(mut self, image: impl AsRef<Path>, initramfs: Option<&Path>, command_line: &str) -> Self {
        self.kernel = Some(Kernel {
            image: image.as_ref().to_owned(),
            initramfs: initramfs.map(Path::to_owned),
            command_line: command_line.to_owned(),
        });
        self
    }

    /// One more disk. The machine boots from the first.
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disks.push(disk);
        self
    }

    /// Has USB sockets for sticks that are plugged in later ([`Vm::plug_usb`]); eight.
    pub fn usb_sockets(mut self) -> Self {
        self.usb_sockets = true;
        self
    }

    /// What its network cards are; virtio-net unless told.
    pub fn cards(mut self, card: Card) -> Self {
        self.card = card;
        self
    }

    /// One more network card, on a private network.
    pub fn nic(mut self, network: &Network, mac: Mac) -> Self {
        self.nics.push((network.clone(), mac));
        self
    }

    /// One more network card, through which the host reaches the guest.
    pub fn user_nic(mut self, nic: UserNic) -> Self {
        self.user_nics.push(nic);
        self
    }

    /// A virtio-serial port that the test talks through ([`Vm::port`]); `/dev/virtio-ports/NAME` in the guest.
    pub fn port(mut self, name: &str) -> Self {
        self.ports.push(PortSpec { name: name.to_owned(), to_file: false });
        self
    }

    /// A virtio-serial port into which the guest writes a file, `port-NAME` in the machine's folder.
    pub fn port_to_file(mut self, name: &str) -> Self {
        self.ports.push(PortSpec { name: name.to_owned(), to_file: true });
        self
    }

    /// Arguments for QEMU that nothing else here says.
    pub fn qemu_args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.extra.extend(args.into_iter().map(Into::into));
        self
    }

    /// Starts it. Everything it leaves behind is in `run_dir`/NAME, which must not exist yet or be empty.
    pub fn launch(self, run_dir: impl AsRef<Path>) -> Result<Vm> {
        Vm::launch(self, run_dir.as_ref())
    }
}
