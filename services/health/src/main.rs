//! Decides after every start whether this slot is good. A good one is marked so, and its boot environment copied; a new system that
//! does not become healthy gives way to the one before it. Where even that fails, `understudy-give-way.service` reboots a system that
//! was never healthy, and the boot loader counts its tries.

mod checks;
mod environment;
mod judgement;
mod marking;
mod proven;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use understudy_bus::systemd::ManagerProxy;

use environment::Store;
use judgement::{Facts, Verdict, judge};
use marking::mark;
use proven::Proven;

/// Where the boot loader's partition shows its environment.
const FOLDER: &str = "/efi/EFI/BOOT";

/// How long a box may take until all is well, in seconds; `UNDERSTUDY_HEALTH_PATIENCE` overrides it. Generous: an import of a large
/// pool after a power cut is no fault.
const PATIENCE: u64 = 900;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    understudy_service::start_logging();
    let state = std::env::var_os("STATE_DIRECTORY")
        .map(PathBuf::from)
        .context("STATE_DIRECTORY is not set; start this service through its systemd unit")?;
    let patience = std::env::var("UNDERSTUDY_HEALTH_PATIENCE").ok().and_then(|text| text.parse().ok());
    let patience = Duration::from_secs(patience.unwrap_or(PATIENCE));
    let running = Running::read(Path::new("/proc/cmdline"))?;

    let bus = understudy_service::connect().await?;
    let store = Store::new(Path::new(FOLDER));
    let environment = store.repaired(&running.slot)?;
    let health = checks::wait(&bus, patience).await;

    let proven = Proven::new(&state);
    let other = if running.slot == "A" { "B" } else { "A" };
    let verdict = judge(Facts {
        healthy: health.is_ok(),
        proven: proven.contains(&running.root_hash),
        other_is_good: environment.is_good(other),
    });
    match verdict {
        Verdict::Good | Verdict::GoodAndComplain => {
            mark(&bus, "good", "booted").await.context("RAUC cannot mark this slot good")?;
            // Read again: an installation that marking waited for has written another version there. Nothing is mended here, as the next
            // one may be writing; what is given up for good can wait for the next start.
            if store.current().is_some_and(|environment| environment.is_used_up(other)) {
                tracing::warn!(
                    "what is in slot {other} did not become healthy in three tries and is given up"
                );
                mark(&bus, "bad", "other").await.context("RAUC cannot mark the other slot bad")?;
            }
            store.back_up()?;
            if health.is_ok() {
                proven.add(&running.root_hash)?;
                tracing::info!("slot {} is good", running.slot);
            }
        }
        Verdict::FallBack => {
            tracing::error!(
                "slot {} does not become healthy; slot {other} is started instead: {:#}",
                running.slot,
                health.as_ref().err().context("a healthy slot was judged")?
            );
            mark(&bus, "bad", "booted").await.context("RAUC cannot mark this slot bad")?;
            store.back_up()?;
            ManagerProxy::new(&bus).await?.reboot().await.context("systemd does not reboot")?;
        }
        Verdict::Complain => {
            // Not a failure of this unit: that would reboot a box that has nothing better to start.
            let why = health.as_ref().err().context("a healthy slot was judged")?;
            tracing::error!("this box is not healthy, and the other slot holds nothing to start: {why:#}");
            return Ok(());
        }
    }
    health.context("this box is not healthy")
}

/// What the boot loader started.
#[derive(Debug, PartialEq, Eq)]
struct Running {
    slot: String,
    root_hash: String,
}

impl Running {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let line =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let value = |name: &str| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)).map(str::to_owned).with_context(|| {
                format!("the kernel's command line has no {name}…; was this box started by its own loader?")
            })
        };
        Ok(Self { slot: value("rauc.slot=")?, root_hash: value("verity.hash=")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_slot_is_read_from_the_kernels_command_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "root=/dev/mapper/root verity.hash=ab12 ro rauc.slot=B\n").unwrap();
        let running = Running::read(file.path()).unwrap();
        assert_eq!(running, Running { slot: "B".into(), root_hash: "ab12".into() });
        std::fs::write(file.path(), "root=/dev/vda2\n").unwrap();
        assert!(Running::read(file.path()).unwrap_err().to_string().contains("rauc.slot="));
    }
}
