//! The connection: commands and their replies, and the queue of events that came in between.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lines::Lines;
use crate::{Error, Event, Result, Transport};

/// A command that QEMU answers at all is answered in milliseconds; flushing a disk first may take a while.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Events nobody asks for must not fill a service's memory: beyond this the oldest goes.
const EVENTS_KEPT: usize = 4096;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From us to QEMU.
    Sent,
    /// From QEMU to us.
    Received,
}

/// Sees every message as one line of JSON, for a log.
pub type Observer = Box<dyn FnMut(Direction, &str) + Send>;

/// A negotiated QMP connection in command mode.
pub struct Client<T: Transport = UnixStream> {
    transport: T,
    lines: Lines,
    events: VecDeque<Event>,
    next_id: u64,
    greeting: Value,
    command_timeout: Duration,
    observer: Option<Observer>,
}

impl Client<UnixStream> {
    /// Connects to a QMP Unix socket that QEMU already listens on, and negotiates.
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self> {
        let stream = UnixStream::connect(path)
            .map_err(|source| Error::io(format!("connect to the QMP socket {}", path.display()), source))?;
        Client::negotiate(stream, timeout, None)
    }
}

impl<T: Transport> Client<T> {
    /// Waits for QEMU's greeting on a connected stream and leaves capabilities negotiation, all within `timeout`.
    pub fn negotiate(transport: T, timeout: Duration, observer: Option<Observer>) -> Result<Self> {
        let deadline = Instant::now() + timeout;
        let mut client = Client {
            transport,
            lines: Lines::default(),
            events: VecDeque::new(),
            next_id: 0,
            greeting: Value::Null,
            command_timeout: COMMAND_TIMEOUT,
            observer,
        };
        let message = client.receive("QMP greeting", deadline, timeout)?;
        client.greeting = match message.get("QMP") {
            Some(greeting) => greeting.clone(),
            None => {
                return Err(Error::protocol("The first message is no QMP greeting", &message.to_string()));
            }
        };
        client.execute_within("qmp_capabilities", None, timeout)?;
        Ok(client)
    }

    /// QEMU's version as it greeted with: major, minor, micro.
    pub fn version(&self) -> Option<(u64, u64, u64)> {
        let version = &self.greeting["version"]["qemu"];
        Some((version["major"].as_u64()?, version["minor"].as_u64()?, version["micro"].as_u64()?))
    }

    /// How long [`Client::execute`] waits for a reply from now on; 60 s unless told.
    pub fn set_command_timeout(&mut self, timeout: Duration) {
        self.command_timeout = timeout;
    }

    /// Runs a command and gives its `return` value. Events that come before the reply are queued.
    pub fn execute(&mut self, command: &str, arguments: impl Into<Option<Value>>) -> Result<Value> {
        self.execute_within(command, arguments, self.command_timeout)
    }

    /// [`Client::execute`] with a time limit of its own.
    pub fn execute_within(
        &mut self,
        command: &str,
        arguments: impl Into<Option<Value>>,
        timeout: Duration,
    ) -> Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        let arguments = arguments.into().unwrap_or(Value::Null);
        let waiting_for = format!("reply to `{}`", shown(command, &arguments));
        let mut message = json!({"execute": command, "id": id});
        if !arguments.is_null() {
            message["arguments"] = arguments.clone();
        }
        let deadline = Instant::now() + timeout;
        self.send(&message.to_string(), &waiting_for, timeout)?;
        loop {
            let mut reply = self.next_message(&waiting_for, deadline, timeout)?;
            // An error to a message QEMU could not parse carries no id. Any other id answers a command that we
            // gave up waiting for.
            if reply.get("id").is_some_and(|given| *given != json!(id)) {
                continue;
            }
            if let Some(error) = reply.get("error") {
                let text = |key: &str| error[key].as_str().unwrap_or("(not said)").to_owned();
                let command = shown(command, &arguments);
                return Err(Error::Refused { command, class: text("class"), desc: text("desc") });
            }
            return match reply.get_mut("return") {
                Some(value) => Ok(value.take()),
                None => Err(Error::protocol("A message is neither reply nor event", &reply.to_string())),
            };
        }
    }

    /// Takes the oldest queued event of this name, or waits for the next one. Other events stay queued.
    pub fn wait_event(&mut self, name: &str, deadline: Instant) -> Result<Event> {
        self.wait_event_where(&format!("event {name}"), deadline, |event| event.name == name)
    }

    /// Takes the oldest queued event that `wanted` accepts, or waits for one; `waiting_for` completes the sentence
    /// "QEMU gave no …".
    pub fn wait_event_where(
        &mut self,
        waiting_for: &str,
        deadline: Instant,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        let after = deadline.saturating_duration_since(Instant::now());
        loop {
            if let Some(found) = self.events.iter().position(&wanted) {
                return Ok(self.events.remove(found).expect("the position was found in this queue"));
            }
            let message = self.receive(waiting_for, deadline, after)?;
            self.queue_if_event(message);
        }
    }

    /// Takes every event queued so far, oldest first, without waiting.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// Drops the queued events of this name, so that the next wait sees only what happens from now on.
    pub fn forget_events(&mut self, name: &str) {
        self.events.retain(|event| event.name != name);
    }

    /// The next message that is no event.
    fn next_message(&mut self, waiting_for: &str, deadline: Instant, after: Duration) -> Result<Value> {
        loop {
            let message = self.receive(waiting_for, deadline, after)?;
            if let Some(reply) = self.queue_if_event(message) {
                return Ok(reply);
            }
        }
    }

    fn queue_if_event(&mut self, message: Value) -> Option<Value> {
        match Event::from_message(message) {
            Ok(event) => {
                if self.events.len() == EVENTS_KEPT {
                    self.events.pop_front();
                }
                self.events.push_back(event);
                None
            }
            Err(reply) => Some(reply),
        }
    }

    fn send(&mut self, line: &str, waiting_for: &str, timeout: Duration) -> Result<()> {
        if let Some(observer) = &mut self.observer {
            observer(Direction::Sent, line);
        }
        let doing = || format!("ask QEMU for the {waiting_for}");
        let limit = timeout.max(Duration::from_millis(1));
        self.transport.set_write_timeout(Some(limit)).map_err(|e| Error::io(doing(), e))?;
        self.transport.write_all(format!("{line}\r\n").as_bytes()).map_err(|source| match source.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
                Error::Closed { waiting_for: waiting_for.to_owned() }
            }
            _ => Error::io(doing(), source),
        })
    }

    /// Any message, event or not.
    fn receive(&mut self, waiting_for: &str, deadline: Instant, after: Duration) -> Result<Value> {
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(line) = self.lines.next() {
                if let Some(observer) = &mut self.observer {
                    observer(Direction::Received, &line);
                }
                return serde_json::from_str(&line).map_err(|_| Error::protocol("A line is no JSON", &line));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let timed_out = || Error::Timeout { waiting_for: waiting_for.to_owned(), after };
            if left.is_zero() {
                return Err(timed_out());
            }
            let doing = || format!("read the {waiting_for} from QEMU");
            self.transport.set_read_timeout(Some(left)).map_err(|e| Error::io(doing(), e))?;
            match self.transport.read(&mut chunk) {
                Ok(0) => return Err(Error::Closed { waiting_for: waiting_for.to_owned() }),
                Ok(count) => self
                    .lines
                    .push(&chunk[..count])
                    .map_err(|_| Error::protocol("A line is longer than any QMP message", ""))?,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(timed_out()),
                    ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset => {
                        return Err(Error::Closed { waiting_for: waiting_for.to_owned() });
                    }
                    _ => return Err(Error::io(doing(), error)),
                },
            }
        }
    }
}

/// The command as an error message shows it.
fn shown(command: &str, arguments: &Value) -> String {
    match arguments {
        Value::Null => command.to_owned(),
        arguments => format!("{command} {arguments}"),
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
