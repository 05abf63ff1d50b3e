//! The clock that neither a person nor a time server can set, and that goes on while the box sleeps: CLOCK_BOOTTIME.

use std::time::Duration;

use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::pollable;

/// Time since the box was started.
pub fn since_start() -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    Duration::from(now.expect("Linux has CLOCK_BOOTTIME since 2.6.39"))
}

/// Waits until that is reached.
pub async fn wait_until(since_start: Duration) -> anyhow::Result<()> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
    // At zero it would be switched off.
    let at = since_start.max(Duration::from_nanos(1));
    timer.set(Expiration::OneShot(at.into()), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
    pollable(&timer)?.readable().await?.retain_ready();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_for_a_moment_and_not_for_one_that_is_over() {
        wait_until(Duration::ZERO).await.unwrap();
        let at = since_start() + Duration::from_millis(30);
        wait_until(at).await.unwrap();
        assert!(since_start() >= at);
    }
}
