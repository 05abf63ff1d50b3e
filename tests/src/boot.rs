//! `cargo xtask bench image`: how long the appliance takes until its services are ready, against another system of the same packages,
//! in turn, each on a machine like the other's.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use qemu_harness::{Bytes, Deadline, Disk, Firmware, Vm, VmBuilder};
use serde::Serialize;

use crate::appliance;
use crate::narrate::Narrator;
use crate::world::World;

const COMMAND: Duration = Duration::from_secs(600);

/// What is compared.
#[derive(Debug)]
pub struct Images {
    /// The appliance's disk, with a root console.
    pub appliance: PathBuf,
    /// The other system's, with a root console.
    pub rival: PathBuf,
    /// UEFI firmware for both.
    pub firmware: Firmware,
}

/// How long boots took, those after the first: that one sets the system up.
#[derive(Debug, Default, Serialize)]
pub struct Boot {
    /// Seconds of the first one, from power on.
    pub first_seconds: f64,
    /// Seconds from power on until the system says that it is there.
    pub seconds: Vec<f64>,
    /// Seconds that systemd counts from the kernel's start until all jobs are done.
    pub systemd_seconds: Vec<f64>,
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub struct Boots {
    /// The appliance: it is there when it says on its console that it is ready, which it says once its services answer.
    pub ours: Boot,
    /// The other system: it is there when it has reached its multi-user target.
    pub rival: Boot,
}

/// Boots each once to set itself up, and then in turn, `rounds` times.
pub fn compare(world: &World, images: &Images, rounds: usize, narrator: &Narrator) -> anyhow::Result<Boots> {
    let machine = |name: &str| {
        Vm::build(name)
            .memory(Bytes::mib(2048))
            .cpus(2)
            .firmware(&images.firmware)
            .nic(&world.network, world.appliance_mac)
    };
    let ours = appliance::disks(machine("ours"), &images.appliance, Disk::blank(appliance::DATA_DISK));
    let rival = machine("rival").disk(Disk::overlay_of(&images.rival).named("system").serial("system"));
    let (mut ours, mut rival) = (
        System::set_up("ours", ours, ours_is_there, world, narrator)?,
        System::set_up("rival", rival, rival_is_there, world, narrator)?,
    );
    for round in 1..=rounds {
        ours.boot(round, narrator)?;
        rival.boot(round, narrator)?;
    }
    Ok(Boots { ours: ours.boot, rival: rival.boot })
}

fn ours_is_there(vm: &Vm) -> anyhow::Result<()> {
    appliance::says_ready(vm)
}

fn rival_is_there(vm: &Vm) -> anyhow::Result<()> {
    // As systemd says it on the console; its unit's name is coloured.
    vm.serial().expect("Reached target .*Multi-User System", Deadline::after(COMMAND))?;
    Ok(())
}

struct System {
    name: &'static str,
    vm: Vm,
    is_there: fn(&Vm) -> anyhow::Result<()>,
    boot: Boot,
}

impl System {
    fn set_up(
        name: &'static str,
        vm: VmBuilder,
        is_there: fn(&Vm) -> anyhow::Result<()>,
        world: &World,
        narrator: &Narrator,
    ) -> anyhow::Result<Self> {
        narrator.step(&format!("{name} boots for the first time"), || {
            let begin = Instant::now();
            let vm = vm.launch(&world.run_dir)?;
            is_there(&vm)?;
            let boot = Boot { first_seconds: begin.elapsed().as_secs_f64(), ..Boot::default() };
            let system = Self { name, vm, is_there, boot };
            system.rest()?;
            Ok(system)
        })
    }

    fn boot(&mut self, round: usize, narrator: &Narrator) -> anyhow::Result<()> {
        narrator.step(&format!("round {round}: {} boots", self.name), || {
            let begin = Instant::now();
            self.vm.relaunch()?;
            (self.is_there)(&self.vm)?;
            self.boot.seconds.push(begin.elapsed().as_secs_f64());
            let systemd = self.rest()?;
            self.boot.systemd_seconds.push(systemd);
            Ok(())
        })
    }

    /// Waits until all jobs are done, and switches off in good order. Returns systemd's own count of seconds.
    fn rest(&self) -> anyhow::Result<f64> {
        let shell = self.vm.virtio_console().shell(Deadline::after(COMMAND))?;
        // What it says of degraded systems is in its exit status, and none of ours here.
        let said = shell.succeed(
            "systemctl is-system-running --wait >/dev/null || true; \
             systemctl show --property=FinishTimestampMonotonic --value",
            COMMAND,
        )?;
        let microseconds: f64 = said.trim().parse().with_context(|| format!("systemd's time is {said:?}"))?;
        self.vm.power_off(COMMAND)?;
        Ok(microseconds / 1e6)
    }
}
