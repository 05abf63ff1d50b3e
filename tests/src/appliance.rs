//! The appliance in a test: booted, set up from a configuration disk, driven through `understudy` on its root console
//! (which only the test recipe has).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use qemu_harness::{
    Bytes, Deadline, Disk, Mac, Network, Pattern, Screen, Seat, Shell, UserNic, Vm, VmBuilder,
};
use serde_json::Value;

use crate::world::{Images, World};

/// The appliance's address on the private network.
pub const ADDRESS: &str = "10.77.0.10";
/// Size of each of the two mirrored data disks.
pub(crate) const DATA_DISK: Bytes = Bytes::gib(12);
/// How long a program on the appliance's console may take where nothing else is said.
const COMMAND: Duration = Duration::from_secs(120);
/// Where recovery points are copied to, to be read by the harness: large enough for the machine's largest disk.
const SCRATCH_DISK: Bytes = Bytes::gib(4);
const SCRATCH: &str = "scratch";
/// Of a second network card, through which a box finds what this host serves at 10.0.2.2.
pub(crate) const OUTSIDE: Mac = Mac::numbered(0x30);
/// QEMU's name of the watchdog that a box has here.
const WATCHDOG: &str = "i6300esb";

/// A running appliance.
pub struct Appliance {
    /// Its virtual machine.
    pub vm: Vm,
    /// Root's shell on the test console.
    pub shell: Shell,
    /// Power on until it said that it is ready, in seconds.
    pub ready_seconds: f64,
    /// Whether its second network card is used.
    outside: bool,
}

impl Appliance {
    /// Boots the image with two empty data disks and the configuration disk, and waits until it says it is ready.
    pub fn boot(world: &World, images: &Images) -> anyhow::Result<Self> {
        let mut vm = Self::on_network(world, images);
        if images.emulator.is_some() {
            // One processor: with two, QEMU's emulated SVM damaged a stand-in or the appliance in three of four runs.
            vm = vm.cpus(1);
        }
        Self::launch(vm, world, false)
    }

    /// The same, with a way out of the private network, and for no stand-ins.
    pub fn boot_with_outside(world: &World, images: &Images) -> anyhow::Result<Self> {
        let outside = UserNic::new(OUTSIDE).outbound();
        Self::launch(Self::on_network(world, images).user_nic(outside), world, true)
    }

    fn on_network(world: &World, images: &Images) -> VmBuilder {
        Self::with_disk("appliance", images, Disk::blank(DATA_DISK))
            .disk(Disk::blank(SCRATCH_DISK).named(SCRATCH).serial(SCRATCH))
            .nic(&world.network, world.appliance_mac)
    }

    fn launch(vm: VmBuilder, world: &World, outside: bool) -> anyhow::Result<Self> {
        let begin = Instant::now();
        let vm = vm.launch(&world.run_dir)?;
        let shell = ready(&vm)?;
        let ready_seconds = begin.elapsed().as_secs_f64();
        let mut appliance = Self { vm, shell, ready_seconds, outside: false };
        if outside {
            appliance.goes_outside()?;
        }
        Ok(appliance)
    }

    /// Brings the second network card up, now and after every start.
    pub(crate) fn goes_outside(&mut self) -> anyhow::Result<()> {
        self.outside = true;
        self.open_outside()
    }

    /// A box that nobody has told anything: no configuration disk, and these disks for a pool. For stand-ins.
    pub(crate) fn unconfigured(
        name: &str,
        images: &Images,
        data: impl IntoIterator<Item = Disk>,
    ) -> VmBuilder {
        let vm = bare(name, images).disk(system(&images.appliance));
        let vm = data.into_iter().fold(vm, VmBuilder::disk);
        let vm = vm.disk(Disk::blank(SCRATCH_DISK).named(SCRATCH).serial(SCRATCH));
        if images.emulator.is_some() { vm.cpus(1) } else { vm }
    }

    /// A box that somebody has set up, so many seconds after power on.
    pub(crate) fn set_up(vm: Vm, ready_seconds: f64) -> anyhow::Result<Self> {
        let shell = vm.virtio_console().shell(Deadline::seconds(120))?;
        Ok(Self { vm, shell, ready_seconds, outside: false })
    }

    /// The box's settings know one network card; the one for tests is brought up by hand, after every start.
    fn open_outside(&self) -> anyhow::Result<()> {
        if self.outside {
            let port = port(OUTSIDE);
            let command =
                format!("port={port} && ip link set $port up && ip address replace 10.0.2.15/24 dev $port");
            self.shell.succeed(&command, COMMAND)?;
        }
        Ok(())
    }

    /// Reboots in good order, and waits until the box is ready again.
    pub fn reboot(&mut self) -> anyhow::Result<()> {
        self.vm.virtio_console().send_line("systemctl reboot")?;
        self.restarted()
    }

    /// Switches on again after a power cut.
    pub fn power_on(&mut self) -> anyhow::Result<()> {
        self.vm.relaunch()?;
        self.restarted()
    }

    /// Waits until the box is ready after a restart.
    pub fn restarted(&mut self) -> anyhow::Result<()> {
        self.shell = ready(&self.vm)?;
        self.open_outside()
    }

    /// Boots another box, on a network of its own, whose first data disk is the raw image `data_disk`, and gives what it says of itself.
    pub fn newcomer(world: &World, images: &Images, data_disk: &Path) -> anyhow::Result<String> {
        let vm = Self::with_disk("newcomer", images, Disk::file(data_disk))
            .nic(&Network::new("elsewhere"), world.appliance_mac)
            .launch(&world.run_dir)?;
        first_words(&vm)
    }

    /// The image with the configuration disk and two data disks.
    fn with_disk(name: &str, images: &Images, data_a: Disk) -> VmBuilder {
        disks(bare(name, images), &images.appliance, data_a)
    }

    /// Runs `understudy … --json` and gives its document.
    pub fn ask(&self, arguments: &str) -> anyhow::Result<Value> {
        let text = self.shell.succeed(&format!("understudy --json {arguments}"), COMMAND)?;
        serde_json::from_str(&text).with_context(|| {
            format!("`understudy --json {arguments}` did not print one JSON document: {text}")
        })
    }

    /// Runs `understudy …`, which must be refused, and gives what it said.
    pub fn refused(&self, arguments: &str) -> anyhow::Result<String> {
        let output = self.shell.run(&format!("understudy {arguments}"), COMMAND)?;
        ensure!(
            output.status != 0,
            "`understudy {arguments}` succeeded, it should have been refused: {}",
            output.stdout
        );
        Ok(output.stdout)
    }

    /// Asks again until `found` gives something; the change is the event, `understudy` has no other way to wait for it.
    pub fn wait_for<T>(
        &self,
        what: &str,
        arguments: &str,
        limit: Duration,
        found: impl Fn(&Value) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let deadline = Deadline::after(limit);
        loop {
            let document = self.ask(arguments)?;
            if let Some(value) = found(&document)? {
                return Ok(value);
            }
            if deadline.passed() {
                bail!("no {what} within {} s; `understudy {arguments}` says {document:#}", limit.as_secs());
            }
            std::thread::park_timeout(Duration::from_secs(1));
        }
    }

    /// Memory of all our services together, in bytes, as their control groups count it.
    pub fn services_memory(&self) -> anyhow::Result<u64> {
        let text = self
            .shell
            .succeed("cat /sys/fs/cgroup/system.slice/understudy-*.service/memory.current", COMMAND)?;
        let mut sum = 0;
        for line in text.split_whitespace() {
            sum += line.parse::<u64>().with_context(|| format!("memory.current holds {line:?}"))?;
        }
        ensure!(sum > 0, "no service of ours has a control group with memory accounting");
        Ok(sum)
    }

    /// Copies one disk of a recovery point out of the pool with `dd`, from a clone of the test's own, and gives the raw file
    /// it lies in. The file is overwritten by the next call.
    pub fn copy_out(&self, machine: &str, disk: &str, point: &str) -> anyhow::Result<PathBuf> {
        let clone = format!("understudy/proof-{point}-{disk}");
        let scratch = format!("/dev/disk/by-id/virtio-{SCRATCH}");
        let run = |command: &str| anyhow::Ok(self.shell.succeed(command, Duration::from_secs(600))?);
        run(&format!(
            "zfs clone -o volmode=dev understudy/understudy/machines/{machine}/{disk}@rp-{point} {clone}"
        ))?;
        // The kernel is asked for the name of each, as links of udev come and go a little later than what they point to.
        let device = run(&format!(
            "timeout 100 sh -c 'while sleep 0.2; do for z in /dev/zd*; do \
             if [ \"$(/usr/lib/udev/zvol_id $z)\" = {clone} ]; then echo $z; exit; fi; done; done' 2>/dev/null"
        ))?;
        let device = device.trim();
        // Zeros are left out after the discard. If that left something behind, the comparison would find it.
        run(&format!("blkdiscard --force {scratch}"))?;
        run(&format!(
            "dd if={device} of={scratch} bs=1M iflag=direct oflag=direct conv=sparse,fsync status=none"
        ))?;
        run(&format!("zfs destroy {clone}"))?;
        self.scratch_disk()
    }

    /// The raw image of the disk that is the tests' own.
    pub fn scratch_disk(&self) -> anyhow::Result<PathBuf> {
        Ok(self.vm.disk_file(SCRATCH)?)
    }

    /// Attaches this appliance's console to a stand-in's serial console: what is typed on [`Vm::virtio_console`] goes there
    /// until [`Self::leave_console`].
    pub fn enter_console(&self, vm: &str) -> anyhow::Result<()> {
        Ok(self.vm.virtio_console().send_line(&format!("understudy vm console {vm}"))?)
    }

    /// Comes back from [`Self::enter_console`].
    pub fn leave_console(&self) -> anyhow::Result<()> {
        self.vm.virtio_console().send(b"\x1d")?;
        // What is typed before that is typed into the stand-in, or lost with it.
        self.vm.virtio_console().expect("Left the console", Deadline::seconds(60))?;
        self.shell
            .succeed("true", COMMAND)
            .context("the appliance's shell does not answer after leaving a console")?;
        Ok(())
    }

    /// What the journal has of this boot, for a failure.
    pub fn save_journal(&self, to: &Path) -> anyhow::Result<()> {
        let text = self.shell.succeed("journalctl --no-pager -b | tail -n 4000", COMMAND)?;
        std::fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
    }
}

/// The kernel's name of a network card, for a shell.
pub(crate) fn port(mac: Mac) -> String {
    format!("$(basename $(dirname $(grep -lx {mac} /sys/class/net/*/address)))")
}

/// A box without any disk.
fn bare(name: &str, images: &Images) -> VmBuilder {
    // A box has a watchdog, and a system that hangs is reset by it.
    let watchdog = ["-device", WATCHDOG, "-action", "watchdog=reset"];
    let vm = Vm::build(name).memory(Bytes::mib(5120)).cpus(2).qemu_args(watchdog).firmware(&images.firmware);
    match &images.emulator {
        Some(emulator) => vm.emulator(emulator),
        None => vm,
    }
}

/// The disk a box starts from.
fn system(image: &Path) -> Disk {
    Disk::overlay_of(image).named("system").serial("system").grown_to(Bytes::gib(8))
}

/// The disks of a box: the image, two for the pool, and the configuration disk.
pub(crate) fn disks(vm: VmBuilder, image: &Path, data_a: Disk) -> VmBuilder {
    vm.disk(system(image))
        .disk(data_a.named("data-a").serial("data-a"))
        .disk(Disk::blank(DATA_DISK).named("data-b").serial("data-b"))
        .disk(answers(ADDRESS))
}

/// The configuration disk: a box at `address`, whose pool mirrors the disks `data-a` and `data-b`.
pub(crate) fn answers(address: &str) -> Disk {
    let text = format!(
        "version = 1\nhost_name = \"backstage\"\ntime_zone = \"Etc/UTC\"\n\n[network]\naddress = \"{address}/24\"\n\n\
         [pool]\nlayout = \"mirror\"\ndisks = [\"data-a\", \"data-b\"]\n"
    );
    Disk::files("UNDERSTUDY", [("understudy.toml", text)]).named("answers")
}

/// Waits until a box says that it is ready, and takes root's shell.
fn ready(vm: &Vm) -> anyhow::Result<Shell> {
    says_ready(vm)?;
    Ok(vm.virtio_console().shell(Deadline::seconds(120))?)
}

/// Waits until a box says that it is ready.
pub(crate) fn says_ready(vm: &Vm) -> anyhow::Result<()> {
    let said = first_words(vm)?;
    ensure!(said.contains(READY), "the appliance says: {said}");
    Ok(())
}

/// What the overview of a box that serves shows once it has an address.
const READY: &str = "Web page https://";
/// At the end of the overview, whether the box serves or not.
pub(crate) const OVERVIEW: &str = "Enter or m: menu";
/// How long a page is the same that is drawn.
const DRAWN: Duration = Duration::from_millis(700);
/// At the top of the first page of set-up.
const SET_UP: &str = "Understudy set-up";

/// What a box shows on its serial line once it has tried to set itself up, with each gap as one blank.
fn first_words(vm: &Vm) -> anyhow::Result<String> {
    let seat = Seat::at_terminal(vm);
    let deadline = Deadline::seconds(600);
    // One that restarts shows the overview of before until its firmware clears the screen.
    seat.wait_gone(Pattern::text(OVERVIEW), deadline)?;
    seat.wait_until("the overview of a box that serves, or set-up", deadline, |screen| {
        let said = words(screen);
        said.contains(SET_UP) || said.contains(OVERVIEW) && (said.contains(READY) || said.contains(" ! "))
    })?;
    // A line draws a page from top to bottom.
    Ok(words(&seat.wait_stable(DRAWN, deadline)?))
}

/// What a screen says, with each gap as one blank.
pub(crate) fn words(screen: &Screen) -> String {
    screen.text().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text in a document, by its key.
pub fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value[key].as_str().ok_or_else(|| anyhow!("no text `{key}` in {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulator_has_every_device_that_a_machine_may_be_given() {
        let has: Vec<_> = os_image::emulated_devices().collect();
        for device in qemu_harness::DEVICES.into_iter().chain([WATCHDOG]) {
            assert!(has.contains(&device), "the emulator is built without {device}");
        }
    }
}
