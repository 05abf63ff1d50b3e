//! The appliance for real machines, on what those have instead of virtio: SATA and NVMe, an Intel network card, USB sticks, the
//! chipset's watchdog. It is the image that ships: nothing in it lets a test in, so it is judged by what it says on its
//! serial line and by what it answers over its network.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use qemu_harness::{Bus, Bytes, Card, Disk, Mac, Seat, UserNic, Vm};
use regex::Regex;

use crate::appliance::{answers, says_ready};
use crate::first_boot::{Person, Stick, write_support_bundle};
use crate::forwarded::ask;
use crate::narrate::Narrator;
use crate::proof::not_zero_bytes;
use crate::world::{World, firmware};

const RECIPE: &str = "recipes/appliance-hardware.toml";
/// The one that QEMU's user network forwards to.
const ADDRESS: &str = "10.0.2.15";
const HTTPS: u16 = 443;
/// The gateway is started when somebody asks.
const ANSWER: Duration = Duration::from_secs(120);
const DATA_DISK: Bytes = Bytes::gib(4);
const STICK: Bytes = Bytes::mib(128);

/// What the kernel and systemd have to say before the console comes (regular expressions), and what it proves.
const SAYS: [(&str, &str); 6] = [
    (r"sd \S+ \[sd[a-d]\] .*/8\.00 GiB", "the system disk is on SATA"),
    (r"nvme nvme0: \S+ ", "an NVMe disk is there"),
    (r"sd \S+ \[sd[a-d]\] .*/4\.00 GiB", "the other data disk is on SATA"),
    (r"e1000e \S+ eth0: Intel", "the network card is an e1000e, under the name that the settings expect"),
    (r"Using hardware watchdog 'iTCO_wdt'", "the chipset's watchdog runs"),
    (r"Console: switching to colour frame buffer", "the screen shows the console"),
];

/// Plays it; consoles and logs go to `out`.
pub fn play(
    workspace: &Path,
    builder: &os_image::Builder,
    out: &Path,
    narrator: &Narrator,
) -> anyhow::Result<()> {
    let world = World::new(out)?;
    let (disk, firmware) = narrator.step("build the appliance for real machines", || {
        let image = builder.build(&workspace.join(RECIPE))?;
        has_microcode(&image.initramfs)?;
        Ok((image.disk.context("the recipe makes no disk")?, firmware(builder, &image.release)?))
    })?;
    let stick = Stick::make(&world.run_dir, "TOOLS", STICK, &[])?;
    let blank = |name| Disk::blank(DATA_DISK).named(name).serial(name);
    let vm = Vm::build("hardware")
        .memory(Bytes::gib(4))
        .cpus(2)
        .firmware(&firmware)
        .disk(Disk::overlay_of(disk).named("system").serial("system").grown_to(Bytes::gib(8)).on(Bus::Sata))
        .disk(blank("data-a").on(Bus::Nvme))
        .disk(blank("data-b").on(Bus::Sata))
        .disk(answers(ADDRESS).on(Bus::Usb))
        .disk(stick.disk("stick").on(Bus::Usb))
        .cards(Card::E1000e)
        .user_nic(UserNic::new(Mac::numbered(0x40)).forward(HTTPS))
        .qemu_args(["-action", "watchdog=reset"])
        .launch(&world.run_dir)?;
    narrator.step("boot it, and let it make its pool of an NVMe and a SATA disk", || says_ready(&vm))?;
    vm.screenshot(world.run_dir.join("screen.png"))?;
    narrator.step("its drivers are those of real machines", || drivers(&vm))?;
    narrator.step("both disks hold a half of the pool", || halves(&vm))?;
    narrator.step("its gateway answers through the network card", || gateway_answers(&vm))?;
    narrator.step("its console writes a support bundle to another USB stick", || {
        let text = write_support_bundle(&Person::at(Seat::at_terminal(&vm)), &stick)?;
        for part in ["backstage", "IMAGE_VERSION="] {
            ensure!(text.contains(part), "the support bundle does not have {part:?} in it");
        }
        Ok(())
    })
}

/// Microcode of either make, whatever processor has built the image. It stands before what is compressed, under names that the kernel
/// looks for (Documentation/arch/x86/microcode.rst).
fn has_microcode(initramfs: &Path) -> anyhow::Result<()> {
    let content = std::fs::read(initramfs).with_context(|| format!("cannot read {}", initramfs.display()))?;
    for make in ["AuthenticAMD", "GenuineIntel"] {
        let name = format!("kernel/x86/microcode/{make}.bin\0");
        let found = content.windows(name.len()).any(|window| window == name.as_bytes());
        ensure!(found, "{} has no microcode for {make}", initramfs.display());
    }
    Ok(())
}

fn drivers(vm: &Vm) -> anyhow::Result<()> {
    let said = vm.serial().text();
    for (pattern, meaning) in SAYS {
        ensure!(
            Regex::new(pattern)?.is_match(&said),
            "not shown that {meaning}: no `{pattern}` on the serial line; see {}",
            vm.folder().display()
        );
    }
    Ok(())
}

fn halves(vm: &Vm) -> anyhow::Result<()> {
    for name in ["data-a", "data-b"] {
        let written = not_zero_bytes(&vm.disk_file(name)?, DATA_DISK.get())?;
        ensure!(written > 1 << 20, "only {written} bytes were written to {name}");
    }
    Ok(())
}

/// TLS refuses what is no handshake with an alert, which no other protocol begins with (RFC 8446, sections 5.1 and 6).
fn gateway_answers(vm: &Vm) -> anyhow::Result<()> {
    const ALERT: u8 = 21;
    ask(vm, HTTPS, ANSWER, |connection| {
        connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut first = [0];
        connection.read_exact(&mut first)?;
        ensure!(first == [ALERT], "it does not speak TLS: its answer begins with {}", first[0]);
        Ok(())
    })
}
