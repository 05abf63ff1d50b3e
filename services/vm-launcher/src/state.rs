//! What a machine's events mean for its state.

use serde_json::Value;

/// What a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its QEMU is being set up.
    Starting,
    /// Its processors run.
    Running,
    /// Its processors are held.
    Paused,
    /// It has ended in an orderly way.
    Stopped,
    /// It has ended, or hangs, although nobody wanted that.
    Failed,
}

impl State {
    /// As the bus names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// A state, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is doing.
    pub state: State,
    /// Why, where that needs saying; else empty.
    pub message: String,
}

impl Condition {
    /// A state that needs no reason.
    pub fn plain(state: State) -> Self {
        Self { state, message: String::new() }
    }

    fn because(state: State, message: impl Into<String>) -> Self {
        Self { state, message: message.into() }
    }

    /// The condition after an event of QEMU's (QEMU QMP Reference, "Events").
    pub fn after(&self, event: &str, data: &Value) -> Self {
        // A failure stays: the pause that follows a panic is part of it.
        if self.state == State::Failed {
            return self.clone();
        }
        match event {
            // A pause for a reason keeps the reason: QEMU tells it just before.
            "STOP" if self.state == State::Paused => self.clone(),
            "STOP" => Self::plain(State::Paused),
            "RESUME" => Self::plain(State::Running),
            "GUEST_PANICKED" => Self::because(
                State::Failed,
                "the guest's kernel panicked; its screen and console still show why, until it is stopped",
            ),
            "BLOCK_IO_ERROR" if data["action"] == "stop" && data["nospace"] == true => Self::because(
                State::Paused,
                "the pool has no room for what the guest writes; make room, then stop and start it again",
            ),
            "BLOCK_IO_ERROR" if data["action"] == "stop" => {
                let reason = data["reason"].as_str().unwrap_or("no reason given");
                Self::because(State::Paused, format!("a disk of the guest failed: {reason}"))
            }
            "SHUTDOWN" => match data["reason"].as_str().unwrap_or_default() {
                "guest-shutdown" => Self::because(State::Stopped, "the guest powered itself off"),
                "host-qmp-quit" => Self::plain(State::Stopped),
                "host-signal" => Self::because(State::Stopped, "its unit was stopped"),
                reason => Self::because(State::Failed, format!("QEMU gave up: {reason}")),
            },
            _ => self.clone(),
        }
    }

    /// The condition after QEMU has gone, with its last words.
    pub fn after_end(&self, last_words: &str) -> Self {
        match self.state {
            State::Stopped | State::Failed => self.clone(),
            _ => Self::because(
                State::Failed,
                format!(
                    "its QEMU ended without being asked; it said: {last_words}; `journalctl VM=` with its id may say more"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn running() -> Condition {
        Condition::plain(State::Running)
    }

    #[test]
    fn a_guest_that_powers_off_has_stopped() {
        let after = running().after("SHUTDOWN", &json!({"guest": true, "reason": "guest-shutdown"}));
        assert_eq!(after.state, State::Stopped);
        assert_eq!(after.after_end("(nothing)"), after);
    }

    #[test]
    fn a_qemu_that_vanishes_has_failed_and_its_last_words_are_kept() {
        let after = running().after_end("out of memory");
        assert_eq!(after.state, State::Failed);
        assert!(after.message.contains("out of memory"));
    }

    #[test]
    fn a_panic_stays_a_failure_through_the_pause_that_follows() {
        let panicked = running().after("GUEST_PANICKED", &json!({"action": "pause"}));
        assert_eq!(panicked.after("STOP", &Value::Null).after("RESUME", &Value::Null).state, State::Failed);
    }

    #[test]
    fn a_full_pool_pauses_the_guest_and_is_named() {
        let full = running().after("BLOCK_IO_ERROR", &json!({"action": "stop", "nospace": true}));
        let paused = full.after("STOP", &Value::Null);
        assert_eq!(paused.state, State::Paused);
        assert!(paused.message.contains("no room"));
        assert_eq!(paused.after("RESUME", &Value::Null), running());
    }

    #[test]
    fn an_error_the_guest_is_told_of_and_unknown_events_change_nothing() {
        assert_eq!(running().after("BLOCK_IO_ERROR", &json!({"action": "report"})), running());
        assert_eq!(running().after("FROM_THE_FUTURE", &json!([1])), running());
        assert_eq!(running().after("RESET", &json!({"guest": true})), running());
    }
}
