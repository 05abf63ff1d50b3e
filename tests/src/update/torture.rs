//! The power fails at random moments of an update, of the reboot, and shortly after it. Every start must end in a good slot with the pool
//! intact, and the update must then succeed.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::bundles::{NEXT, SAME};
use super::mirror::Mirror;
use super::{COMMAND, INSTALL, Options, on_a_box, running};
use crate::appliance::Appliance;
use crate::narrate::Narrator;

/// What the power interrupts.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The installation, this long after it began.
    Installing(Duration),
    /// The reboot, this long after it was asked for; then the next start, which judges the new version.
    Restarting(Duration),
    /// A write to the boot environment, which leaves an empty file.
    TearingTheEnvironment,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installing(after) => {
                write!(f, "the power fails {:.1} s into an installation", after.as_secs_f64())
            }
            Self::Restarting(after) => {
                write!(f, "the power fails {:.1} s into the restart after one", after.as_secs_f64())
            }
            Self::TearingTheEnvironment => write!(f, "the power fails while the boot environment is written"),
        }
    }
}

/// How long an update takes that nothing interrupts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub installation: Duration,
    /// Until the new version has been found good.
    pub restart: Duration,
}

impl Pace {
    /// Updates the box from `url`, which makes it run `version`.
    fn measure(appliance: &mut Appliance, url: &str, version: &str) -> anyhow::Result<Self> {
        let begin = Instant::now();
        appliance.shell.succeed(&format!("understudy --json update {url}"), INSTALL)?;
        let installation = begin.elapsed();
        appliance.reboot()?;
        let (_, found) = running(appliance)?;
        ensure!(found == version, "version {found} runs after an update to {version}");
        Ok(Self { installation, restart: begin.elapsed() - installation })
    }
}

/// Moments are drawn from this much of what they interrupt: some come just after its end.
const SPAN: f64 = 1.1;

/// A pool with something on it that must stay as it is. The volume's node comes a little later than the volume.
const MAKE: &str = "zfs create -s -o volmode=dev -V 64M understudy/keep";
const APPEAR: &str = "timeout 60 sh -c 'until [ -b /dev/zvol/understudy/keep ]; do sleep 0.2; done'";
const FILL: &str =
    "dd if=/dev/urandom of=/dev/zvol/understudy/keep bs=1M count=32 oflag=direct status=none && sync";
const READ: &str = "dd if=/dev/zvol/understudy/keep bs=1M iflag=direct status=none | sha256sum";

/// Digest of what must stay. A volume that cannot be read is a failure, not the digest of nothing.
fn digest(appliance: &Appliance) -> anyhow::Result<String> {
    Ok(appliance.shell.succeed(&format!("set -o pipefail; {APPEAR} && {READ}"), COMMAND)?)
}

/// Plays `rounds` on a new box; the same seed draws the same moments, as parts of what they interrupt.
pub fn torture(options: &Options, rounds: u32, seed: u64, narrator: &Narrator) -> anyhow::Result<()> {
    on_a_box(options, narrator, |appliance, mirror| {
        let pace = narrator.step("an update that nothing interrupts", || {
            Pace::measure(appliance, &mirror.url(NEXT), "0.2.0")
        })?;
        play(appliance, mirror, pace, rounds, seed, narrator)
    })
}

/// Plays `rounds` on a box that is good.
pub(super) fn play(
    appliance: &mut Appliance,
    mirror: &Mirror,
    pace: Pace,
    rounds: u32,
    seed: u64,
    narrator: &Narrator,
) -> anyhow::Result<()> {
    appliance.shell.succeed(&format!("{MAKE} && {APPEAR} && {FILL}"), COMMAND)?;
    let kept = digest(appliance)?;
    let (mut into_installations, mut in_time) = (0, 0);
    for number in 1..=rounds {
        let moment = draw(seed, number, pace);
        let starts = narrator
            .step(&format!("round {number} of {rounds}: {moment}"), || {
                round(appliance, mirror, moment, &kept)
            })
            .with_context(|| format!("seed {seed}, round {number}"))?;
        narrator.note(match starts {
            Starts::Before => "the version before came up, and the update was repeated",
            Starts::New => "the new version came up: what it interrupted was over, or went on",
        });
        if let Moment::Installing(_) = moment {
            into_installations += 1;
            in_time += u32::from(starts == Starts::Before);
        }
    }
    ensure!(
        in_time * 2 >= into_installations,
        "only {in_time} of {into_installations} power cuts into an installation came before its end: this proves too little"
    );
    Ok(())
}

/// What came up after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starts {
    /// The version before the update.
    Before,
    /// The new one.
    New,
}

fn round(appliance: &mut Appliance, mirror: &Mirror, moment: Moment, kept: &str) -> anyhow::Result<Starts> {
    let (slot, version) = running(appliance)?;
    let (from, bundle, to) = match version.as_str() {
        "0.1.0" => ("0.1.0", NEXT, "0.2.0"),
        _ => ("0.2.0", SAME, "0.1.0"),
    };
    if let Moment::Installing(_) = moment {
        empty(appliance, if slot == "A" { "b" } else { "a" })?;
    }
    let url = mirror.url(bundle);
    interrupt(appliance, &url, moment)?;
    appliance.power_on()?;
    let (_, version) = running(appliance).context("after the power came back")?;
    ensure!([from, to].contains(&version.as_str()), "version {version} runs");
    ensure!(digest(appliance)? == kept, "the pool has changed");
    if version == to {
        return Ok(Starts::New);
    }
    Pace::measure(appliance, &url, to).context("when the update was repeated")?;
    Ok(Starts::Before)
}

/// Leaves the box as flashed, with nothing in `slot` and no block-hash-index: RAUC keeps blocks that it finds in place, so
/// that only an installation into an empty slot writes all of it, and takes as long as the measured one.
fn empty(appliance: &Appliance, slot: &str) -> anyhow::Result<()> {
    let command = format!(
        "blkdiscard --zeroout /run/boot-disk/root-{slot} && blkdiscard --zeroout /run/boot-disk/boot-{slot} && \
         find /state/rauc -name block-hash-index -delete && sync"
    );
    appliance.shell.succeed(&command, COMMAND)?;
    Ok(())
}

/// Begins an update and cuts the power.
fn interrupt(appliance: &mut Appliance, url: &str, moment: Moment) -> anyhow::Result<()> {
    let update = format!("understudy --json update {url}");
    match moment {
        Moment::Installing(after) => {
            appliance.vm.virtio_console().send_line(&update)?;
            wait(after);
        }
        Moment::Restarting(after) => {
            appliance.shell.succeed(&update, INSTALL)?;
            appliance.vm.virtio_console().send_line("systemctl reboot")?;
            wait(after);
        }
        Moment::TearingTheEnvironment => {
            appliance.shell.succeed(&update, INSTALL)?;
            appliance.shell.succeed(": > /efi/EFI/BOOT/grubenv; sync", COMMAND)?;
        }
    }
    Ok(appliance.vm.power_cut()?)
}

/// Time itself is the event here.
fn wait(span: Duration) {
    let end = Instant::now() + span;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// The moment of a round.
fn draw(seed: u64, round: u32, pace: Pace) -> Moment {
    let hash = blake3::hash(format!("{seed} {round}").as_bytes());
    let [kind, a, b, ..] = *hash.as_bytes();
    let part = SPAN * f64::from(u16::from_le_bytes([a, b])) / 65536.0;
    match kind % 8 {
        0 => Moment::TearingTheEnvironment,
        1..=4 => Moment::Installing(pace.installation.mul_f64(part)),
        _ => Moment::Restarting(pace.restart.mul_f64(part)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_draws_the_same_moments_and_all_kinds_come() {
        let pace = Pace { installation: Duration::from_secs(60), restart: Duration::from_secs(90) };
        let all = |seed| (1..=64).map(|round| format!("{:?}", draw(seed, round, pace))).collect::<Vec<_>>();
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        for kind in ["Tearing", "Installing", "Restarting"] {
            assert!(all(1).iter().any(|moment| moment.starts_with(kind)), "{kind}");
        }
    }
}
