//! A virtual machine as values, and QEMU's arguments for it.
//!
//! Everything that may carry foreign text goes into QEMU's JSON forms (`-blockdev`, `-device`, `-netdev`), which have no
//! separators to break out of.

use std::fmt;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Value, json};
use understudy_wire::VmId;

use crate::files::Access;

/// The numbers the descriptors have in QEMU's process, besides 2, its standard error.
pub(crate) mod numbers {
    use std::os::fd::RawFd;

    pub(crate) const STANDARD_ERROR: RawFd = 2;
    pub(crate) const QMP: RawFd = 10;
    pub(crate) const EVENTS: RawFd = 11;
    pub(crate) const CONSOLE: RawFd = 12;
    pub(crate) const REPORT: RawFd = 13;
    pub(crate) const VARIABLES: RawFd = 14;
    pub(crate) const FIRST_DISK: RawFd = 20;
}

/// What runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor itself.
    Kvm,
    /// QEMU's translator, for tests on hosts without virtualisation. Slow.
    Tcg,
}

/// What the machine starts first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// UEFI firmware; its variables are a private copy that is forgotten with the machine.
    Uefi {
        /// The firmware's code, as OVMF's `OVMF_CODE_4M.fd`.
        code: PathBuf,
        /// The variables it begins with, as `OVMF_VARS_4M.fd`.
        variables: PathBuf,
    },
    /// SeaBIOS, from QEMU's own firmware folder.
    Bios,
    /// A kernel of ours, directly.
    Kernel {
        /// The kernel.
        kernel: PathBuf,
        /// Its initramfs.
        initrd: PathBuf,
        /// Its command line.
        command_line: String,
    },
}

/// A disk, in the order the firmware tries them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Serial number; virtio carries 20 bytes.
    pub serial: String,
    /// Size the guest sees, in bytes; the file or device may be larger.
    pub size: u64,
    /// Logical sector size in bytes.
    pub sector_size: u32,
    /// Whether the guest may only read.
    pub read_only: bool,
    /// What its descriptor is.
    pub access: Access,
}

/// The hardware address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacAddress([u8; 6]);

impl FromStr for MacAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse =
            || format!("{text:?} is no hardware address of one interface, such as 52:54:00:12:34:56");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
                .ok_or_else(refuse)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| refuse())?;
        }
        // The lowest bit marks a group address (IEEE 802, 8.2), which no interface can have; QEMU would refuse to start.
        if parts.next().is_some() || bytes[0] & 1 == 1 || bytes == [0; 6] {
            Err(refuse())
        } else {
            Ok(Self(bytes))
        }
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A virtual machine to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its id; also its SMBIOS UUID.
    pub id: VmId,
    /// What runs it.
    pub accelerator: Accelerator,
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// What it starts first.
    pub boot: Boot,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Its interfaces, each on a link of its own that leads nowhere.
    pub interfaces: Vec<MacAddress>,
    /// Whether it has a screen.
    pub screen: bool,
    /// The name of a virtio-serial port that a program inside writes a report to.
    pub report_port: Option<String>,
}

impl Machine {
    /// QEMU's arguments; the descriptors they name are those of [`Machine::numbers`].
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut args = Arguments::default();
        args.add(["-nodefaults", "-no-user-config", "-display", "none", "-name"]);
        args.add([format!("guest={}", self.id), "-uuid".to_owned(), uuid(self.id)]);
        // A guest that takes QEMU over finds a process that cannot start programs nor raise its rights.
        args.add(["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]);
        // Nested virtualisation has no system management mode to rely on, and this firmware needs none.
        let firmware = match &self.boot {
            Boot::Uefi { .. } => ",pflash0=firmware,pflash1=variables",
            Boot::Bios | Boot::Kernel { .. } => "",
        };
        args.add(["-machine".to_owned(), format!("q35,smm=off,vmport=off,hpet=off{firmware}")]);
        args.add(match self.accelerator {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Accelerator::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        });
        args.add([
            "-smp".to_owned(),
            self.cpus.to_string(),
            "-m".to_owned(),
            format!("{}M", self.memory_mib),
        ]);
        // Paused until somebody listens to its console and events. A guest that panics stays, so that it can be looked at.
        args.add(["-S", "-rtc", "base=utc", "-action", "panic=pause"]);
        args.add(["-global", "ICH9-LPC.disable_s3=1", "-global", "ICH9-LPC.disable_s4=1"]);
        self.boot_arguments(&mut args);
        for (name, number) in [("qmp", numbers::QMP), ("events", numbers::EVENTS)] {
            args.listen(name, number);
            args.add(["-mon".to_owned(), format!("chardev={name},mode=control")]);
        }
        args.listen("console", numbers::CONSOLE);
        args.device(json!({"driver": "isa-serial", "chardev": "console"}));
        args.device(json!({"driver": "pvpanic"}));
        args.add(["-object", "rng-builtin,id=random"]);
        args.device(json!({"driver": "virtio-rng-pci", "rng": "random"}));
        if self.screen {
            args.device(json!({"driver": "VGA"}));
        }
        if let Some(name) = &self.report_port {
            args.listen("report", numbers::REPORT);
            args.device(json!({"driver": "virtio-serial-pci"}));
            args.device(json!({"driver": "virtserialport", "chardev": "report", "name": name}));
        }
        // A kernel given directly is what starts; QEMU refuses a second claim to be first.
        let bootable = !matches!(self.boot, Boot::Kernel { .. });
        for (index, disk) in self.disks.iter().enumerate() {
            disk.arguments(index, bootable, &mut args);
        }
        for (index, address) in self.interfaces.iter().enumerate() {
            let id = format!("link{index}");
            args.json("-netdev", json!({"type": "hubport", "id": id, "hubid": index}));
            args.device(
                json!({"driver": "virtio-net-pci", "netdev": id, "mac": address.to_string(), "romfile": ""}),
            );
        }
        args.0
    }

    fn boot_arguments(&self, args: &mut Arguments) {
        match &self.boot {
            Boot::Bios => {}
            Boot::Uefi { code, .. } => {
                let code = json!({"driver": "file", "filename": code, "read-only": true});
                args.blockdev(
                    json!({"driver": "raw", "node-name": "firmware", "read-only": true, "file": code}),
                );
                let set = args.descriptor(numbers::VARIABLES);
                let variables = json!({"driver": "file", "filename": set});
                args.blockdev(json!({"driver": "raw", "node-name": "variables", "file": variables}));
            }
            Boot::Kernel { kernel, initrd, command_line } => {
                let text = |path: &PathBuf| path.display().to_string();
                args.add(["-kernel".to_owned(), text(kernel), "-initrd".to_owned(), text(initrd)]);
                args.add(["-append".to_owned(), command_line.clone()]);
                // A kernel of ours has one task; starting over would only hide that it failed.
                args.add(["-action", "reboot=shutdown"]);
            }
        }
    }

    /// The numbers the descriptors of this machine have, in the order of [`crate::launch`]'s hand-over: standard error,
    /// QMP, events, console, report, variables, disks.
    pub(crate) fn numbers(&self) -> Vec<RawFd> {
        let mut all = vec![numbers::STANDARD_ERROR, numbers::QMP, numbers::EVENTS, numbers::CONSOLE];
        all.extend(self.report_port.is_some().then_some(numbers::REPORT));
        all.extend(matches!(self.boot, Boot::Uefi { .. }).then_some(numbers::VARIABLES));
        all.extend((numbers::FIRST_DISK..).take(self.disks.len()));
        all
    }
}

impl Disk {
    fn arguments(&self, index: usize, bootable: bool, args: &mut Arguments) {
        let set = args.descriptor(numbers::FIRST_DISK + index as RawFd);
        let node = format!("disk{index}");
        let mut file = json!({
            "driver": if self.access.block_device { "host_device" } else { "file" },
            "filename": set,
            "discard": "unmap",
            // A descriptor set gives out a descriptor only for exactly the access it was opened with.
            "read-only": !self.access.writable,
        });
        if self.access.direct {
            file["cache"] = json!({"direct": true});
            file["aio"] = json!("native");
        }
        args.blockdev(json!({
            "driver": "raw",
            "node-name": node,
            "size": self.size,
            "discard": "unmap",
            "read-only": self.read_only || !self.access.writable,
            "file": file,
        }));
        let mut device = json!({
            "driver": "virtio-blk-pci",
            "drive": node,
            "serial": self.serial,
            "logical_block_size": self.sector_size,
            "physical_block_size": self.sector_size.max(4096),
        });
        if bootable {
            device["bootindex"] = json!(index);
        }
        args.device(device);
    }
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn add<T: Into<String>>(&mut self, args: impl IntoIterator<Item = T>) {
        self.0.extend(args.into_iter().map(Into::into));
    }

    fn json(&mut self, option: &str, value: Value) {
        self.add([option.to_owned(), value.to_string()]);
    }

    fn device(&mut self, value: Value) {
        self.json("-device", value);
    }

    fn blockdev(&mut self, value: Value) {
        self.json("-blockdev", value);
    }

    /// A character device on a socket that already listens, and that nobody needs to be connected to.
    fn listen(&mut self, id: &str, number: RawFd) {
        self.add(["-chardev".to_owned(), format!("socket,id={id},fd={number},server=on,wait=off")]);
    }

    /// Makes a descriptor known to QEMU and gives the name it is opened by.
    fn descriptor(&mut self, number: RawFd) -> String {
        self.add(["-add-fd".to_owned(), format!("fd={number},set={number}")]);
        format!("/dev/fdset/{number}")
    }
}

/// The id in the form of a UUID (RFC 9562, section 4).
fn uuid(id: VmId) -> String {
    let digits = id.to_string();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
