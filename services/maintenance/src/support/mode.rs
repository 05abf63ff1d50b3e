//! Support mode: for a while, root's shells may be opened at the box's terminals. It ends by a clock that nobody can set, also when this
//! service was not there, and never outlives a restart of the box.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use understudy_bus::error::{Error, Result};
use understudy_udev::printable;

use crate::engine::Engine;
use crate::updates::remove;

/// Terminals of the box: its screen and keyboard, and its serial line.
pub const TERMINALS: [&str; 2] = ["tty1", "ttyS0"];
/// The longest time it is switched on for at once.
pub const LONGEST_MINUTES: u32 = 480;
/// Holds the end, in milliseconds since the box was started; beneath `/run`, which is empty then.
const FILE: &str = "support-mode";

/// The mode.
#[derive(Debug)]
pub struct Mode<E> {
    engine: Arc<E>,
    file: PathBuf,
    /// When it ends, since the box was started.
    end: watch::Sender<Option<Duration>>,
    /// A shell must not be opened while the mode ends.
    alone: Mutex<()>,
}

impl<E: Engine> Mode<E> {
    /// As an earlier process of this service has left it, in its runtime directory. A shell that should have ended is ended.
    pub async fn resume(engine: Arc<E>, runtime: &std::path::Path) -> Self {
        let mode =
            Self { engine, file: runtime.join(FILE), end: watch::Sender::new(None), alone: Mutex::new(()) };
        match mode.kept() {
            Ok(Some(end)) if end > mode.engine.since_start() => {
                tracing::info!(
                    "support mode is still on; it ends in {}",
                    minutes(end - mode.engine.since_start())
                );
                mode.end.send_replace(Some(end));
            }
            Ok(None) => {}
            Ok(Some(_)) => {
                if let Err(error) = mode.switch_off("its time was over while the service was not there").await
                {
                    tracing::error!("{}", error.message());
                }
            }
            Err(error) => {
                tracing::error!("cannot read {}, so that support mode is off: {error}", mode.file.display());
                if let Err(error) = mode.switch_off("nobody knows when it ends").await {
                    tracing::error!("{}", error.message());
                }
            }
        }
        mode
    }

    /// When it ends since the box was started, and every change of that; nothing while it is off.
    pub fn watch(&self) -> watch::Receiver<Option<Duration>> {
        self.end.subscribe()
    }

    /// When it ends, seconds since 1970-01-01 UTC; 0 while it is off.
    pub fn until(&self) -> u64 {
        let Some(end) = *self.end.borrow() else { return 0 };
        let left = end.saturating_sub(self.engine.since_start());
        // Up: it must not be over by this figure while it is on.
        self.engine.now() + left.as_secs() + 1
    }

    /// Switches it on, or on for another time, from now.
    pub async fn switch_on(&self, minutes: u32) -> Result<()> {
        if !(1..=LONGEST_MINUTES).contains(&minutes) {
            return Err(Error::InvalidArgument(format!(
                "support mode is on for 1 to {LONGEST_MINUTES} minutes, and not for {minutes}"
            )));
        }
        let _alone = self.alone.lock().await;
        let end = self.engine.since_start() + Duration::from_secs(u64::from(minutes) * 60);
        self.keep(end).map_err(|error| {
            Error::Failed(format!(
                "support mode was not switched on: cannot write {}: {error}",
                self.file.display()
            ))
        })?;
        self.end.send_replace(Some(end));
        tracing::info!(
            "support mode is on for {minutes} minutes: it was asked for, at the console or by root"
        );
        Ok(())
    }

    /// Switches it off and ends its shells; nothing happens while it is off.
    pub async fn switch_off(&self, why: &str) -> Result<()> {
        let _alone = self.alone.lock().await;
        self.switch_off_alone(why).await
    }

    async fn switch_off_alone(&self, why: &str) -> Result<()> {
        // Off before its shells end, and forgotten only afterwards: whatever ends this in between, the next start goes on here.
        let noted = self.keep(Duration::ZERO);
        let was_on = self.end.send_replace(None).is_some();
        self.end_shells().await;
        let gone = noted.and_then(|()| remove(&self.file));
        if was_on {
            tracing::info!("support mode is off: {why}");
        }
        gone.map_err(|error| {
            Error::Failed(format!(
                "cannot write {}: {error}; restart the box, which ends support mode",
                self.file.display()
            ))
        })
    }

    /// Switches it off when its time is over, without end.
    pub async fn watch_clock(&self) {
        let mut changes = self.end.subscribe();
        loop {
            let end = *changes.borrow_and_update();
            let Some(end) = end else {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                waited = self.engine.wait_until(end) => {
                    let why = match waited {
                        Ok(()) => "its time is over".to_owned(),
                        Err(error) => format!("the clock cannot be waited for: {error:#}"),
                    };
                    let _alone = self.alone.lock().await;
                    // It may have been switched on for longer meanwhile.
                    if *self.end.borrow() == Some(end) && let Err(error) = self.switch_off_alone(&why).await {
                        tracing::error!("{}", error.message());
                    }
                }
            }
        }
    }

    /// Gives a terminal to a shell of root's.
    pub async fn open_shell(&self, terminal: &str) -> Result<()> {
        if !TERMINALS.contains(&terminal) {
            return Err(Error::InvalidArgument(format!(
                "{:?} is no terminal of this box; it has {}",
                printable(terminal),
                TERMINALS.join(" and ")
            )));
        }
        let _alone = self.alone.lock().await;
        // By the clock and not by its alarm, which may be late by a moment.
        if self.end.borrow().is_none_or(|end| end <= self.engine.since_start()) {
            return Err(Error::Denied("support mode is off; switch it on first".to_owned()));
        }
        self.engine.start_shell(terminal).await?;
        tracing::info!("a shell was opened at {terminal}");
        Ok(())
    }

    async fn end_shells(&self) {
        for terminal in TERMINALS {
            if let Err(error) = self.engine.end_shell(terminal).await {
                tracing::error!("cannot end the shell at {terminal}: {}", error.message());
            }
        }
    }

    fn keep(&self, end: Duration) -> std::io::Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, end.as_millis().to_string())?;
        std::fs::rename(&new, &self.file)
    }

    fn kept(&self) -> std::io::Result<Option<Duration>> {
        match std::fs::read_to_string(&self.file) {
            Ok(text) => {
                let end = text.trim().parse().map_err(std::io::Error::other)?;
                Ok(Some(Duration::from_millis(end)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn minutes(time: Duration) -> String {
    format!("{} minutes", time.as_secs().div_ceil(60))
}
