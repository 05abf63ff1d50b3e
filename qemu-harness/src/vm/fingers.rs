//! Keys on the machine's own keyboard, a PS/2 one.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::Vm;
use crate::keyboard::layout::Chord;
use crate::keyboard::{Key, Layout};
use crate::{Deadline, Error, Result};

/// The keyboard controller's status port, and its bit for "a byte lies ready that the machine has not read" (Intel 8042).
const STATUS_PORT: &str = "portb[0x0064] = ";
const UNREAD: u8 = 0x01;
/// A machine reads a key within microseconds; an emulated one that starts, or is paused by its host, may take long.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks, at first and at most.
const FIRST_LOOK: Duration = Duration::from_micros(200);
const LATER_LOOKS: Duration = Duration::from_millis(20);

impl Vm {
    /// Presses a key on the keyboard of this layout, and waits until the machine has taken it. Gives how many keys that
    /// were, without those that are only held (Shift, AltGr, Ctrl, Alt).
    ///
    /// QEMU's keyboard keeps 16 bytes for a machine that does not read them yet, and loses what comes then; a key with
    /// AltGr alone has 8. So one key at a time is pressed, and the next not before the controller's status says that the
    /// machine has read everything. The look at the status changes nothing in the machine.
    pub fn press(&self, key: Key, layout: &Layout) -> Result<u64> {
        let mut pressed = 0;
        for chord in layout.chords(key)? {
            // QEMU drops what is pressed on a machine that stands still, and says nothing.
            if self.is_paused()? {
                return Err(Error::Asked(format!(
                    "{} is paused: it would never see {key} pressed",
                    self.name()
                )));
            }
            self.qmp("input-send-event", json!({"events": events(&chord)}))?;
            self.wait_read(key)?;
            pressed += 1;
        }
        Ok(pressed)
    }

    fn wait_read(&self, key: Key) -> Result<()> {
        let deadline = Deadline::after(READ_LIMIT);
        let mut pause = FIRST_LOOK;
        loop {
            let answer = self.qmp("human-monitor-command", json!({"command-line": "i/b 0x64"}))?;
            let said = answer.as_str().unwrap_or_default();
            let status = status(said)
                .ok_or_else(|| Error::Host(format!("QEMU tells no status of the keyboard, but: {said}")))?;
            if status & UNREAD == 0 {
                return Ok(());
            }
            if deadline.passed() {
                let what = format!("reading of the key {key} by the machine");
                return Err(Error::late(self.name(), &what, deadline, self.look_here()));
            }
            // There is no event for this.
            thread::sleep(pause);
            pause = (pause * 2).min(LATER_LOOKS);
        }
    }
}

/// All down in their order, all up in the other.
fn events(chord: &Chord) -> Vec<Value> {
    let event = |key: &str, down: bool| {
        let key = json!({"type": "qcode", "data": key});
        json!({"type": "key", "data": {"down": down, "key": key}})
    };
    let downs = chord.0.iter().map(|key| event(key, true));
    downs.chain(chord.0.iter().rev().map(|key| event(key, false))).collect()
}

/// From the answer of QEMU's monitor to `i/b 0x64`.
fn status(said: &str) -> Option<u8> {
    u8::from_str_radix(said.trim().strip_prefix(STATUS_PORT)?.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_down_in_order_and_up_in_the_other() {
        let events = events(&Chord(vec!["alt_r", "q"]));
        let told: Vec<(&str, bool)> = events
            .iter()
            .map(|event| {
                let data = &event["data"];
                assert_eq!((&event["type"], &data["key"]["type"]), (&json!("key"), &json!("qcode")));
                (data["key"]["data"].as_str().unwrap(), data["down"].as_bool().unwrap())
            })
            .collect();
        assert_eq!(told, [("alt_r", true), ("q", true), ("q", false), ("alt_r", false)]);
    }

    #[test]
    fn the_status_is_read_from_what_the_monitor_says() {
        assert_eq!(status("portb[0x0064] = 0x1d\r\n"), Some(0x1d));
        for other in ["", "portw[0x0064] = 0x1d", "portb[0x0064] = 1d", "unknown command"] {
            assert_eq!(status(other), None);
        }
    }
}
