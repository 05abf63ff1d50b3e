//! QEMU's command line for a machine. Pure: everything it names exists already.

use std::path::Path;

use serde_json::{Value, json};

use crate::accelerator::Accelerator;
use crate::builder::VmBuilder;
use crate::disk::{Bus, PreparedDisk};
use crate::network::Card;
use crate::{Bytes, Error, Result};

/// Names of what is in a machine's folder, where QEMU runs: relative, as a socket's path must be short.
pub(crate) const QMP_SOCKET: &str = "qmp.sock";
pub(crate) const VARS: &str = "nvram.fd";
/// The consoles: name, QEMU's device, and its options.
pub(crate) const CONSOLES: [&str; 2] = ["ttyS0", "hvc0"];

/// Every device that a machine can be made of, by QEMU's names. A QEMU that lacks one cannot run every machine.
pub const DEVICES: [&str; 13] = [
    Bus::Virtio.device(),
    Bus::Sata.device(),
    Bus::Nvme.device(),
    Bus::Usb.device(),
    Card::Virtio.device(),
    Card::E1000e.device(),
    "VGA",
    "isa-serial",
    "qemu-xhci",
    "virtconsole",
    "virtio-rng-pci",
    "virtio-serial-pci",
    "virtserialport",
];

pub(crate) fn console_socket(console: &str) -> String {
    format!("{console}.sock")
}

pub(crate) fn console_log(console: &str) -> String {
    format!("{console}.log")
}

pub(crate) fn port_socket(name: &str) -> String {
    format!("port-{name}.sock")
}

/// QEMU's name of the card in this place among those on private networks.
pub(crate) fn network_card(index: usize) -> String {
    format!("net{index}-device")
}

/// QEMU's name of the card in this place among those through which the host reaches the guest.
pub(crate) fn user_card(index: usize) -> String {
    format!("user{index}-device")
}

/// Descriptors that QEMU inherits.
pub(crate) struct Inherited {
    /// The listening QMP socket.
    pub(crate) qmp: i32,
    /// For each card on a private network, its end of the cable.
    pub(crate) cables: Vec<i32>,
}

/// The arguments, in the order in which QEMU makes the devices.
pub(crate) fn arguments(
    spec: &VmBuilder,
    accelerator: &Accelerator,
    disks: &[PreparedDisk],
    inherited: &Inherited,
) -> Result<Vec<String>> {
    check(spec)?;
    let mut line = Line::default();
    line.add("-name", format!("{0},process={0},debug-threads=on", spec.name));
    // Stopped at first, so that nothing a console says is lost before we listen.
    line.flags(["-S", "-nodefaults", "-no-user-config", "-display", "none"]);
    line.flags(accelerator.arguments());
    line.add("-m", format!("{}M", spec.memory.get() >> 20));
    line.add("-smp", spec.cpus.to_string());
    line.add("-rtc", "base=utc");
    line.add("-chardev", format!("socket,id=qmp,fd={},server=on,wait=off", inherited.qmp));
    line.add("-mon", "chardev=qmp,mode=control");
    match &spec.firmware {
        Some(firmware) => {
            line.json("-blockdev", flash("flash-code", &firmware.code, true));
            line.json("-blockdev", flash("flash-vars", Path::new(VARS), false));
            line.add("-machine", "q35,pflash0=flash-code,pflash1=flash-vars");
        }
        None => line.add("-machine", "q35"),
    }
    if let Some(kernel) = &spec.kernel {
        line.add("-kernel", kernel.image.display().to_string());
        line.add("-append", &kernel.command_line);
        if let Some(initramfs) = &kernel.initramfs {
            line.add("-initrd", initramfs.display().to_string());
        }
    }
    line.flags(["-device", "VGA", "-device", "virtio-rng-pci"]);
    consoles_and_ports(&mut line, spec);
    if spec.usb_sockets || disks.iter().any(|disk| disk.is_on(Bus::Usb)) {
        line.add("-device", "qemu-xhci");
    }
    for (index, disk) in disks.iter().enumerate() {
        line.json("-blockdev", disk.blockdev());
        line.json("-device", disk.device(index, index == 0 && spec.kernel.is_none()));
    }
    for (index, ((network, mac), cable)) in spec.nics.iter().zip(&inherited.cables).enumerate() {
        let id = format!("net{index}");
        line.add("-netdev", format!("stream,id={id},server=off,addr.type=fd,addr.str={cable}"));
        let mut device = nic(spec.card, &id, network_card(index), &mac.to_string());
        if network.guest_mtu() != 1500 && spec.card == Card::Virtio {
            device["host_mtu"] = json!(network.guest_mtu());
        }
        line.json("-device", device);
    }
    for (index, user) in spec.user_nics.iter().enumerate() {
        let id = format!("user{index}");
        line.add("-netdev", user.netdev(&id));
        line.json("-device", nic(spec.card, &id, user_card(index), &user.mac.to_string()));
    }
    line.0.extend(spec.extra.iter().cloned());
    Ok(line.0)
}

fn consoles_and_ports(line: &mut Line, spec: &VmBuilder) {
    for console in CONSOLES {
        let (socket, log) = (console_socket(console), console_log(console));
        line.add(
            "-chardev",
            format!("socket,id={console},path={socket},server=on,wait=off,logfile={log},logappend=on"),
        );
    }
    line.add("-device", "isa-serial,chardev=ttyS0");
    line.add("-device", "virtio-serial-pci,id=ports");
    line.add("-device", "virtconsole,bus=ports.0,chardev=hvc0");
    for (index, port) in spec.ports.iter().enumerate() {
        let id = format!("port{index}");
        line.add(
            "-chardev",
            match port.to_file {
                true => format!("file,id={id},path=port-{},append=on", port.name),
                false => format!("socket,id={id},path={},server=on,wait=off", port_socket(&port.name)),
            },
        );
        line.add("-device", format!("virtserialport,bus=ports.0,chardev={id},name={}", port.name));
    }
}

/// What QEMU would misread: a comma begins the next option.
fn check(spec: &VmBuilder) -> Result<()> {
    let plain = |name: &str| {
        let usable = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        !name.is_empty() && name.len() <= 60 && !name.starts_with('.') && name.chars().all(usable)
    };
    let refused = |what: &str, name: &str| {
        Err(Error::Asked(format!(
            "`{name}` cannot be the name of {what}; take up to 60 letters, digits, dots, hyphens and underscores"
        )))
    };
    if !plain(&spec.name) {
        return refused("a machine", &spec.name);
    }
    if let Some(port) = spec.ports.iter().find(|port| !plain(&port.name)) {
        return refused("a port", &port.name);
    }
    if spec.memory < Bytes::mib(1) || !spec.memory.get().is_multiple_of(Bytes::mib(1).get()) {
        return Err(Error::Asked(format!("{} cannot have {}; take whole MiB", spec.name, spec.memory)));
    }
    Ok(())
}

fn flash(node: &str, file: &Path, read_only: bool) -> Value {
    json!({"driver": "raw", "node-name": node, "read-only": read_only,
        "file": {"driver": "file", "filename": file, "read-only": read_only}})
}

/// No option ROM: firmware must not try to boot from the network.
fn nic(card: Card, netdev: &str, id: String, mac: &str) -> Value {
    json!({"driver": card.device(), "id": id, "netdev": netdev, "mac": mac, "romfile": ""})
}

#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn add(&mut self, option: &str, value: impl AsRef<str>) {
        self.flags([option, value.as_ref()]);
    }

    fn json(&mut self, option: &str, value: Value) {
        self.add(option, value.to_string());
    }

    fn flags<'a>(&mut self, flags: impl IntoIterator<Item = &'a str>) {
        self.0.extend(flags.into_iter().map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Firmware, Mac, Network, UserNic, Vm};

    fn built(spec: &VmBuilder) -> Result<Vec<String>> {
        let tcg = Accelerator::Tcg { because: "this is a test".to_owned() };
        arguments(spec, &tcg, &[], &Inherited { qmp: 7, cables: vec![8, 9] })
    }

    fn has(line: &[String], option: &str, value: &str) -> bool {
        line.windows(2).any(|pair| pair[0] == option && pair[1].contains(value))
    }

    #[test]
    fn every_part_of_the_sentence_is_in_the_command_line() {
        let (lan, wan) = (Network::new("lan"), Network::new("wan").mtu(9000));
        let firmware = Firmware { code: "/fw/a,b/CODE.fd".into(), vars: "/fw/VARS.fd".into() };
        let spec = Vm::build("box")
            .memory(Bytes::mib(1536))
            .cpus(2)
            .firmware(&firmware)
            .nic(&lan, Mac::numbered(1))
            .nic(&wan, Mac::numbered(2))
            .user_nic(UserNic::new(Mac::numbered(3)))
            .port("org.example.test")
            .port_to_file("journal")
            .qemu_args(["-device", "pvpanic"]);
        let line = built(&spec).unwrap();
        for (option, value) in [
            ("-m", "1536M"),
            ("-smp", "2"),
            ("-accel", "tcg,thread=multi"),
            ("-cpu", crate::accelerator::EMULATED_CPU),
            ("-blockdev", "/fw/a,b/CODE.fd"),
            ("-blockdev", "nvram.fd"),
            ("-machine", "pflash1=flash-vars"),
            ("-netdev", "stream,id=net0,server=off,addr.type=fd,addr.str=8"),
            ("-netdev", "addr.str=9"),
            ("-device", r#""host_mtu":9000"#),
            ("-device", "52:54:00:00:00:01"),
            ("-netdev", "user,id=user0,restrict=on"),
            ("-device", "name=org.example.test"),
            ("-chardev", "path=port-org.example.test.sock"),
            ("-chardev", "file,id=port1,path=port-journal"),
            ("-chardev", "id=ttyS0,path=ttyS0.sock,server=on,wait=off,logfile=ttyS0.log"),
            ("-device", "pvpanic"),
        ] {
            assert!(has(&line, option, value), "{option} {value} in {line:#?}");
        }
        assert_eq!(line.iter().filter(|arg| arg.contains("host_mtu")).count(), 1);
    }

    #[test]
    fn a_machine_is_made_of_devices_that_are_listed() {
        for card in [Card::Virtio, Card::E1000e] {
            let spec = Vm::build("box").cards(card).nic(&Network::new("lan"), Mac::numbered(1)).port("a");
            let line = built(&spec).unwrap();
            let devices = line.windows(2).filter(|pair| pair[0] == "-device").map(|pair| {
                let json = serde_json::from_str::<Value>(&pair[1]).ok();
                let name = json.and_then(|device| device["driver"].as_str().map(str::to_owned));
                name.unwrap_or_else(|| pair[1].split(',').next().unwrap_or_default().to_owned())
            });
            let devices: Vec<_> = devices.collect();
            assert!(devices.len() > 6, "{line:#?}");
            for device in devices {
                assert!(DEVICES.contains(&device.as_str()), "{device} is not listed");
            }
        }
    }

    #[test]
    fn a_machine_has_the_network_cards_it_was_asked_for() {
        let jumbo = Network::new("lan").mtu(9000);
        let spec = Vm::build("box").cards(Card::E1000e).nic(&jumbo, Mac::numbered(1));
        let line = built(&spec.user_nic(UserNic::new(Mac::numbered(2)))).unwrap();
        assert_eq!(line.iter().filter(|arg| arg.contains(r#""driver":"e1000e""#)).count(), 2);
        // Its guest has to be told of another MTU by other means.
        assert!(!line.iter().any(|arg| arg.contains("virtio-net") || arg.contains("host_mtu")), "{line:#?}");
    }

    #[test]
    fn usb_sockets_are_there_where_they_are_asked_for() {
        let has_usb = |spec: &VmBuilder| has(&built(spec).unwrap(), "-device", "qemu-xhci");
        assert!(has_usb(&Vm::build("box").usb_sockets()) && !has_usb(&Vm::build("box")));
    }

    #[test]
    fn without_firmware_it_is_a_bios_machine() {
        let line = built(&Vm::build("box")).unwrap();
        assert!(has(&line, "-machine", "q35") && !has(&line, "-machine", "pflash"));
    }

    #[test]
    fn names_that_would_become_options_are_refused() {
        let said = |spec: VmBuilder| built(&spec).unwrap_err().to_string();
        assert!(said(Vm::build("box,exec=x")).contains("the name of a machine"));
        assert!(said(Vm::build("../box")).contains("the name of a machine"));
        assert!(said(Vm::build("box").port("a=b,c")).contains("the name of a port"));
        assert!(said(Vm::build("box").memory(Bytes(1_000_000))).contains("whole MiB"));
    }
}
