//! The administrator's commands around the instant.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::config::{BackupSettings, Hook};

/// Runs the second hook when it goes, if the first was started: whatever the first did is undone.
pub struct Hooks<'a> {
    after: Option<&'a Hook>,
}

impl<'a> Hooks<'a> {
    /// Runs the hook before the instant; its failure is the backup's.
    pub fn before(settings: &'a BackupSettings) -> anyhow::Result<Self> {
        let hooks = Self { after: settings.before.as_ref().and(settings.after.as_ref()) };
        if let Some(hook) = &settings.before {
            run(hook).context(
                "the hook before the backup's instant failed; correct it, or remove it from the settings",
            )?;
        }
        Ok(hooks)
    }
}

impl Drop for Hooks<'_> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.after.map(run) {
            tracing::error!("the hook after the backup's instant failed: {error:#}");
        }
    }
}

fn run(hook: &Hook) -> anyhow::Result<()> {
    let Some((program, arguments)) = hook.command.split_first() else { return Ok(()) };
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for {program}"))? {
            break status;
        }
        if begin.elapsed() > hook.timeout {
            child.kill().with_context(|| format!("cannot end {program}"))?;
            child.wait().with_context(|| format!("cannot wait for {program}"))?;
            bail!(
                "`{}` took longer than {} s and was killed",
                hook.command.join(" "),
                hook.timeout.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    tracing::info!("`{}` ended with {status} after {:.1?}", hook.command.join(" "), begin.elapsed());
    if !status.success() {
        bail!("`{}` failed ({status})", hook.command.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(script: &str, seconds: u64) -> Hook {
        Hook { command: vec!["sh".into(), "-c".into(), script.into()], timeout: Duration::from_secs(seconds) }
    }

    #[test]
    fn the_second_hook_runs_even_if_the_first_fails() {
        let folder = tempfile::tempdir().unwrap();
        let proof = folder.path().join("after");
        let settings = BackupSettings {
            before: Some(hook("exit 3", 5)),
            after: Some(hook(&format!("touch {}", proof.display()), 5)),
            ..BackupSettings::default()
        };
        let error = Hooks::before(&settings).err().map(|error| format!("{error:#}")).unwrap();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(proof.exists());
    }

    #[test]
    fn a_hook_that_hangs_is_killed() {
        let error =
            run(&Hook { timeout: Duration::from_millis(30), ..hook("exec sleep 1000", 0) }).unwrap_err();
        assert!(error.to_string().contains("was killed"), "{error}");
    }
}
