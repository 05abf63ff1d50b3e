//! A machine's consoles: what they show, and what a person would type.

mod frame;
mod pattern;
mod shell;
mod terminal;
mod text;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

pub use pattern::{Match, Pattern};
pub use shell::{Output, Shell};

use crate::error::last_lines;
use crate::keyboard::{self, Key};
use crate::screen::Screen;
use crate::{Deadline, Error, Result};
use terminal::Terminal;
use text::PlainText;

/// How much of a console an error message shows.
const LINES_SHOWN: usize = 25;
/// Linux's last words: nothing more will come, so nobody should wait out a deadline.
pub(crate) const PANIC: &str = "Kernel panic - not syncing";

/// A console of a running machine. Clones are the same console.
#[derive(Clone)]
pub struct Console {
    inner: Arc<Inner>,
}

struct Inner {
    /// Machine and console, for messages: "box ttyS0".
    place: String,
    log: PathBuf,
    writer: Mutex<UnixStream>,
    seen: Mutex<Seen>,
    more: Condvar,
}

struct Seen {
    text: String,
    /// Everything before this was matched, or skipped over by a match.
    cursor: usize,
    terminal: Terminal,
    /// Whether a person's terminal is there, which answers when the machine asks it something.
    attended: bool,
    /// How many pieces have come, to tell whether there is anything new.
    pieces: u64,
    ended: bool,
}

/// What the terminal at a console shows.
pub(crate) struct Shown {
    pub(crate) screen: Screen,
    /// Which state this is, for [`Console::shown_after`].
    pub(crate) pieces: u64,
    /// Whether nothing more can come.
    pub(crate) ended: bool,
}

impl Console {
    /// Starts to read; QEMU itself writes `log`, unaltered.
    pub(crate) fn open(place: String, stream: UnixStream, log: PathBuf) -> Result<Console> {
        let writer = stream.try_clone().map_err(Error::io(format!("open the console {place}")))?;
        let seen = Seen {
            text: String::new(),
            cursor: 0,
            terminal: Terminal::new(),
            attended: false,
            pieces: 0,
            ended: false,
        };
        let inner = Arc::new(Inner {
            place,
            log,
            writer: Mutex::new(writer),
            seen: Mutex::new(seen),
            more: Condvar::new(),
        });
        let reading = inner.clone();
        thread::Builder::new()
            .name(format!("read {}", inner.place))
            .spawn(move || read(stream, &reading))
            .map_err(Error::io(format!("start a thread for the console {}", inner.place)))?;
        Ok(Console { inner })
    }

    /// Waits until the console shows `what`, which may have been shown before, but after the previous match.
    pub fn expect(&self, what: impl Into<Pattern>, deadline: impl Into<Deadline>) -> Result<Match> {
        let what = what.into();
        let finder = what.finder()?;
        self.wait_for(&what.to_string(), deadline.into(), |text, _| finder.find(text))
    }

    /// Forgets what was shown so far: only what comes from now on is matched.
    pub fn skip_shown(&self) {
        let mut seen = self.inner.seen();
        seen.cursor = seen.text.len();
    }

    /// Types `text` and Enter.
    pub fn send_line(&self, text: &str) -> Result<()> {
        self.send(format!("{text}\r").as_bytes())
    }

    /// Sends bytes as they are, for keys that are no text.
    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        let mut writer = self.inner.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        writer.write_all(bytes).map_err(Error::io(format!("type on the console {}", self.inner.place)))
    }

    /// Logs in at a `login:` prompt, which may already be there.
    pub fn log_in(&self, user: &str, password: &str, deadline: impl Into<Deadline>) -> Result<()> {
        let deadline = deadline.into();
        self.expect("login: ", deadline)?;
        self.send_line(user)?;
        self.expect("assword: ", deadline)?;
        self.send_line(password)
    }

    /// A shell at whose prompt this console is, or will be: waits until it answers.
    pub fn shell(&self, deadline: impl Into<Deadline>) -> Result<Shell> {
        Shell::begin(self.clone(), deadline.into())
    }

    /// Presses a key on a terminal (VT220, xterm).
    pub fn press(&self, key: Key) -> Result<()> {
        let application_cursor = self.inner.seen().terminal.application_cursor();
        self.send(&keyboard::terminal::bytes(key, application_cursor)?)
    }

    /// What a person would see now on a terminal of 80 x 24.
    pub fn screen(&self) -> Screen {
        self.shown().screen
    }

    /// From now on the machine has an answer when it asks its terminal how large it is, or what. Without this it has
    /// none, as on a line that nothing is plugged in to: what a test types is then all that it gets.
    pub(crate) fn attend(&self) {
        self.inner.seen().attended = true;
    }

    pub(crate) fn shown(&self) -> Shown {
        self.inner.seen().shown()
    }

    /// What it shows once something came after this state, or at the deadline.
    pub(crate) fn shown_after(&self, pieces: u64, deadline: Deadline) -> Shown {
        let waiting = |seen: &mut Seen| seen.pieces == pieces && !seen.ended;
        let woken = self.inner.more.wait_timeout_while(self.inner.seen(), deadline.remaining(), waiting);
        woken.unwrap_or_else(|poisoned| poisoned.into_inner()).0.shown()
    }

    /// Machine and console, for messages.
    pub(crate) fn place(&self) -> &str {
        &self.inner.place
    }

    /// Everything it has shown since the machine was launched, without escape sequences.
    pub fn text(&self) -> String {
        self.inner.seen().text.clone()
    }

    /// The file in which QEMU keeps everything as it came, over relaunches too.
    pub fn log(&self) -> &Path {
        &self.inner.log
    }

    /// Hands the unmatched text, and how much of it was handed before, to `look`, now and whenever there is more; then
    /// moves on behind the place that it gives.
    fn wait_for<T>(
        &self,
        waiting_for: &str,
        deadline: Deadline,
        look: impl Fn(&str, usize) -> Option<(T, usize)>,
    ) -> Result<T> {
        let mut seen = self.inner.seen();
        let mut looked_at = 0;
        loop {
            let unmatched = &seen.text[seen.cursor..];
            if let Some((found, end)) = look(unmatched, looked_at) {
                seen.cursor += end;
                return Ok(found);
            }
            looked_at = unmatched.len();
            let given_up = if unmatched.contains(PANIC) {
                Some("but the kernel panicked".to_owned())
            } else if seen.ended {
                Some("and the machine has ended".to_owned())
            } else if deadline.passed() {
                Some(format!("within {} s", deadline.limit().as_secs_f32()))
            } else {
                None
            };
            if let Some(why) = given_up {
                return Err(self.error(&seen, &format!("nothing matched {waiting_for} {why}")));
            }
            // Bounded, as the clock may pass the deadline without any output.
            let wait = deadline.remaining().max(Duration::from_millis(1));
            let woken = self.inner.more.wait_timeout(seen, wait);
            seen = woken.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    fn error(&self, seen: &Seen, what: &str) -> Error {
        Error::Console {
            place: self.inner.place.clone(),
            what: what.to_owned(),
            last_lines: last_lines(&seen.text, LINES_SHOWN),
            log: self.inner.log.clone(),
        }
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("place", &self.inner.place).finish_non_exhaustive()
    }
}

impl Inner {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Seen {
    fn shown(&self) -> Shown {
        Shown { screen: self.terminal.screen(), pieces: self.pieces, ended: self.ended }
    }
}

/// Reads until QEMU is gone.
fn read(mut stream: UnixStream, inner: &Inner) {
    let mut plain = PlainText::default();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let count = match stream.read(&mut chunk) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Ok(count) => count,
            Err(_) => 0,
        };
        let mut seen = inner.seen();
        seen.text.push_str(&plain.feed(&chunk[..count]));
        let answers = seen.terminal.feed(&chunk[..count]);
        seen.pieces += 1;
        seen.ended = count == 0;
        let answers = if seen.attended { answers } else { String::new() };
        drop(seen);
        inner.more.notify_all();
        if count == 0 {
            return;
        }
        if !answers.is_empty() {
            let mut writer = inner.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // Where nobody listens any more, the next read says so.
            let _ = writer.write_all(answers.as_bytes());
        }
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
