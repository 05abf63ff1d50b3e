//! The protected machine in a test: a small server with a busy file system and a database, driven over its root console.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::Engine;
use qemu_harness::{Bytes, Deadline, Disk, FrozenDisk, Shell, Vm};

use crate::proof::FirstMap;
use crate::world::{Images, World};

/// Its static address.
pub const ADDRESS: &str = "10.77.0.20";
/// Its host name.
pub const NAME: &str = "ledger";
/// Where it keeps what it must not lose.
pub const LEDGER: &str = "/srv/ledger";
/// The port on which the agent names the frozen instant.
const INSTANT: &str = "org.understudy.instant";
/// Where the agent leaves its first maps (see the recipe's `agent.toml`).
const MAPS: &str = "/run/understudy-agent/maps";
const COMMAND: Duration = Duration::from_secs(120);
/// How often one looks up from the port to see whether waiting still makes sense.
const GLANCE: Duration = Duration::from_secs(5);

/// A running protected machine.
pub struct Machine {
    /// Its virtual machine.
    pub vm: Vm,
    /// Root's shell.
    pub shell: Shell,
}

/// The machine's disks as they were at one instant, each a raw image of the true size, in the order of its disks.
#[derive(Debug)]
pub struct Instant {
    /// The job that froze the machine.
    pub job: String,
    disks: Vec<FrozenDisk>,
}

/// How long to wait for an instant, and what to look at meanwhile: an error of `glance` ends the wait.
pub struct Cue<'a> {
    /// The longest wait.
    pub limit: Duration,
    /// Called every few seconds.
    pub glance: &'a dyn Fn() -> anyhow::Result<()>,
}

impl Machine {
    /// Boots the machine and waits for its shell.
    pub fn boot(world: &World, images: &Images) -> anyhow::Result<Self> {
        let mut builder = Vm::build(NAME).memory(Bytes::mib(1024)).cpus(1).firmware(&images.firmware);
        for (index, disk) in images.machine.iter().enumerate() {
            let name = format!("{NAME}-{index}");
            builder = builder.disk(Disk::overlay_of(disk).named(&name).serial(&name));
        }
        let vm = builder.nic(&world.network, world.machine_mac).port(INSTANT).launch(&world.run_dir)?;
        let shell = vm.virtio_console().shell(Deadline::seconds(600))?;
        Ok(Self { vm, shell })
    }

    /// Reboots it in good order and waits for its shell.
    pub fn reboot(&mut self) -> anyhow::Result<()> {
        let before = self.boot_id()?;
        self.vm.serial().skip_shown();
        self.vm.virtio_console().send_line("systemctl reboot")?;
        // The firmware speaks on the serial line only after the old system has gone.
        self.vm.serial().expect("BdsDxe: starting", Deadline::seconds(600))?;
        self.shell = self.vm.virtio_console().shell(Deadline::seconds(600))?;
        ensure!(
            self.boot_id()? != before,
            "the machine answers, but with the boot id from before its reboot"
        );
        Ok(())
    }

    fn boot_id(&self) -> anyhow::Result<String> {
        Ok(self.shell.succeed("cat /proc/sys/kernel/random/boot_id", COMMAND)?.trim().to_owned())
    }

    /// Writes `text` where a stand-in will be asked for it, and changes a little of everything a server changes: new files
    /// on both file systems, a file overwritten in place, one deleted.
    pub fn work(&self, text: &str) -> anyhow::Result<()> {
        for command in [
            format!("echo '{text}' > {LEDGER}/state"),
            format!("head -c 12M /dev/urandom > {LEDGER}/new-{text}"),
            format!("head -c 5M /dev/urandom > /srv/records/new-{text}"),
            format!(
                "head -c 3M /dev/urandom | dd of={LEDGER}/in-place bs=64k seek=7 conv=notrunc status=none"
            ),
            format!("rm -f {LEDGER}/old && head -c 2M /dev/urandom > {LEDGER}/old"),
            "sync".to_owned(),
        ] {
            self.shell.succeed(&command, COMMAND)?;
        }
        Ok(())
    }

    /// Waits until the agent says that the machine is frozen for a job; then stops the machine, snapshots all its disks in
    /// one QMP transaction, lets it run on, and answers.
    pub fn catch_instant(&self, cue: Cue<'_>) -> anyhow::Result<Instant> {
        self.catch_instant_and(cue, || Ok(()))
    }

    /// The same, doing something just before the machine may thaw.
    pub fn catch_instant_and(
        &self,
        cue: Cue<'_>,
        before_thaw: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Instant> {
        let port = self.vm.port(INSTANT)?;
        let deadline = Deadline::after(cue.limit);
        let line = loop {
            match port.read_line(deadline.at_most(GLANCE)) {
                Ok(line) => break line,
                Err(error) if deadline.passed() => {
                    return Err(anyhow::Error::from(error).context("the agent named no frozen instant"));
                }
                // A line that comes in parts is not lost by a glance in between.
                Err(_) => (cue.glance)()?,
            }
        };
        let job = line
            .strip_prefix("frozen ")
            .with_context(|| format!("the agent says {line:?} where `frozen JOB` was expected"))?
            .to_owned();
        self.vm.pause()?;
        let disks = self.vm.snapshot_all()?;
        self.vm.resume()?;
        before_thaw()?;
        port.write_line("thaw", Deadline::seconds(30))?;
        Ok(Instant { job, disks })
    }

    /// The agent's first map of a disk of `size` bytes.
    pub fn first_map(&self, disk: &str, size: u64) -> anyhow::Result<FirstMap> {
        let text = self.shell.succeed(&format!("base64 -w 76 {MAPS}/{disk}.first.map"), COMMAND)?;
        let text: String = text.split_whitespace().collect();
        let bits = base64::engine::general_purpose::STANDARD
            .decode(text)
            .context("the agent's first map did not come over the console whole")?;
        FirstMap::new(bits, size)
    }

    /// Whether a file system is frozen now: a write that does not come back would be.
    pub fn is_writable(&self) -> anyhow::Result<()> {
        self.shell
            .succeed(&format!("echo alive > {LEDGER}/alive && sync {LEDGER}/alive"), Duration::from_secs(30))
            .context("the machine's file system does not take writes: it was left frozen")?;
        Ok(())
    }

    /// What the journal has of the agent, for a failure.
    pub fn save_journal(&self, to: &Path) -> anyhow::Result<()> {
        let text =
            self.shell.succeed("journalctl --no-pager -b -u 'understudy-*' | tail -n 2000", COMMAND)?;
        std::fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
    }
}

impl Instant {
    /// Writes each disk's copy as a raw file into `folder` and gives the files in the order of the machine's disks.
    pub fn unpack(&self, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut files = Vec::new();
        for (index, disk) in self.disks.iter().enumerate() {
            let file = folder.join(format!("{}-{index}.raw", self.job));
            disk.write_raw(&file)?;
            files.push(file);
        }
        Ok(files)
    }
}
