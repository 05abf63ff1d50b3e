//! Asynchronous events (QMP specification, section "Asynchronous events").

use std::time::Duration;

use serde_json::Value;

/// Something QEMU reported by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name, for example `SHUTDOWN`. May be one no QEMU known to us sends.
    pub name: String,
    /// Its `data`; JSON null where there is none.
    pub data: Value,
    /// When QEMU saw it, since the Unix epoch on the host's clock; `None` where QEMU could not tell.
    pub at: Option<Duration>,
    /// The whole message as it came.
    pub raw: Value,
}

impl Event {
    /// Takes an event out of a message; gives the message back where it is something else.
    pub(crate) fn from_message(message: Value) -> Result<Event, Value> {
        let Some(name) = message.get("event").and_then(Value::as_str) else { return Err(message) };
        Ok(Event {
            name: name.to_owned(),
            data: message.get("data").cloned().unwrap_or(Value::Null),
            at: timestamp(&message["timestamp"]),
            raw: message,
        })
    }
}

/// QEMU writes -1 in both fields when its clock call failed.
fn timestamp(stamp: &Value) -> Option<Duration> {
    let micros = u32::try_from(stamp["microseconds"].as_u64()?).ok()?;
    Some(Duration::new(stamp["seconds"].as_u64()?, micros.checked_mul(1000)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_keeps_its_name_data_and_time() {
        let message = json!({"event": "RESET", "data": {"guest": true},
            "timestamp": {"seconds": 7, "microseconds": 250_000}});
        let event = Event::from_message(message.clone()).unwrap();
        assert_eq!(event.name, "RESET");
        assert_eq!(event.data, json!({"guest": true}));
        assert_eq!(event.at, Some(Duration::from_millis(7250)));
        assert_eq!(event.raw, message);
    }

    #[test]
    fn an_event_whose_time_qemu_could_not_tell_has_none() {
        let message = json!({"event": "STOP", "timestamp": {"seconds": -1, "microseconds": -1}});
        assert_eq!(Event::from_message(message).unwrap().at, None);
    }

    #[test]
    fn a_reply_is_not_an_event() {
        assert_eq!(Event::from_message(json!({"return": {}})), Err(json!({"return": {}})));
    }
}
