//! Waits for a point of wall-clock time, and notices when somebody sets the clock.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

/// A wall-clock timer (timerfd_create(2)).
pub struct Alarm {
    timer: TimerFd,
    /// The same timer again, for tokio to wait on.
    ready: AsyncFd<OwnedFd>,
}

impl Alarm {
    /// A timer that is not set.
    pub fn new() -> io::Result<Self> {
        let timer =
            TimerFd::new(ClockId::CLOCK_REALTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        #[allow(
            deprecated,
            reason = "an OwnedFd stays the same descriptor while the AsyncFd has it, which is what the successor asks a promise for"
        )]
        let ready = AsyncFd::new(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Self { timer, ready })
    }

    /// Returns at `due` (seconds since 1970-01-01 UTC), or earlier when the clock was set: look at the clock again.
    /// Never returns without a due time.
    pub async fn wait_until(&self, due: Option<u64>) -> io::Result<()> {
        let Some(due) = due else { return std::future::pending().await };
        // Second 0 would switch the timer off.
        let expiration = Expiration::OneShot(TimeSpec::from_duration(Duration::from_secs(due.max(1))));
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        match self.timer.set(expiration, flags) {
            // The clock was set since the last wait: the same news as a cancelled read.
            Err(Errno::ECANCELED) => return Ok(()),
            other => other?,
        }
        loop {
            let mut ready = self.ready.readable().await?;
            let read = ready.try_io(|timer| match nix::unistd::read(timer.get_ref(), &mut [0; 8]) {
                Ok(_) | Err(Errno::ECANCELED) => Ok(()),
                Err(errno) => Err(errno.into()),
            });
            match read {
                Ok(done) => return done,
                Err(_would_block) => continue,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_rings_at_its_time_and_at_once_for_one_that_has_passed() {
        let alarm = Alarm::new().unwrap();
        alarm.wait_until(Some(1)).await.unwrap();
        let due = crate::clock::utc() + 1;
        alarm.wait_until(Some(due)).await.unwrap();
        assert!(crate::clock::utc() >= due);
    }
}
