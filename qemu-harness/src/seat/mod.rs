//! A person in front of a machine, who types and reads: at its monitor, or at a terminal on its serial line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::console::{Console, PANIC, Pattern};
use crate::keyboard::{Key, Layout};
use crate::screen::{Font, Screen};
use crate::vm::screenshot::BETWEEN_PICTURES;
use crate::{Deadline, Error, Result, Vm};

/// A place in front of a machine. The same test plays at either of its doors.
///
/// A seat is at one run of the machine: take a new one after [`Vm::relaunch`].
#[derive(Debug)]
pub struct Seat<'vm> {
    door: Door<'vm>,
    keys: AtomicU64,
}

#[derive(Debug)]
enum Door<'vm> {
    Monitor { vm: &'vm Vm, layout: Layout, font: Font },
    Terminal { vm: &'vm Vm, console: Console },
}

/// A look at the screen.
struct Look {
    screen: Screen,
    /// Which state of the console it is.
    pieces: u64,
    /// Whether nothing more can come.
    ended: bool,
}

impl<'vm> Seat<'vm> {
    /// At the machine's monitor and keyboard (VGA and PS/2). `layout` is what is printed on the keys; `font` is what
    /// the machine writes with ([`Vm::learn_font`]).
    pub fn at_monitor(vm: &'vm Vm, layout: Layout, font: Font) -> Seat<'vm> {
        Seat { door: Door::Monitor { vm, layout, font }, keys: AtomicU64::new(0) }
    }

    /// At a terminal (VT220, 80 x 24) on the machine's first serial port. From now on the terminal is there, and answers
    /// when the machine asks how large it is.
    ///
    /// Nothing here waits between keys: QEMU's serial port takes a byte only when it has room for one. That is faster than
    /// any person: what is typed before a program asks for it may be shown twice, or not at all. Wait for its prompt.
    pub fn at_terminal(vm: &'vm Vm) -> Seat<'vm> {
        let console = vm.serial().clone();
        console.attend();
        Seat { door: Door::Terminal { vm, console }, keys: AtomicU64::new(0) }
    }

    /// The machine.
    pub fn vm(&self) -> &'vm Vm {
        match &self.door {
            Door::Monitor { vm, .. } | Door::Terminal { vm, .. } => vm,
        }
    }

    /// Presses a key, or keys held together. On the keyboard it waits until the machine has taken it. An error where
    /// the layout or the terminal has no such key.
    pub fn press(&self, key: Key) -> Result<()> {
        let pressed = match &self.door {
            Door::Monitor { vm, layout, .. } => vm.press(key, layout)?,
            Door::Terminal { console, .. } => console.press(key).map(|()| 1)?,
        };
        self.keys.fetch_add(pressed, Ordering::Relaxed);
        Ok(())
    }

    /// Types a text, key by key; `\n` is Enter, `\t` is Tab.
    pub fn type_text(&self, text: &str) -> Result<()> {
        text.chars().try_for_each(|character| self.press(Key::from(character)))
    }

    /// How many keys were pressed so far. A character with Shift is one, as with Ctrl or AltGr; an accent on a dead key
    /// and the blank after it are two.
    pub fn keys_pressed(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }

    /// What the screen shows now.
    pub fn screen(&self) -> Result<Screen> {
        Ok(self.look()?.screen)
    }

    /// Waits until the screen shows this, and gives that screen. A string is a regular expression over
    /// [`Screen::text`]; [`Pattern::text`] is taken literally.
    pub fn wait_for(&self, what: impl Into<Pattern>, deadline: impl Into<Deadline>) -> Result<Screen> {
        let what = what.into();
        let finder = what.finder()?;
        self.wait(&what.to_string(), deadline.into(), |screen| finder.find(&screen.text()).is_some())
    }

    /// Waits until the screen no longer shows this; see [`Seat::wait_for`].
    pub fn wait_gone(&self, what: impl Into<Pattern>, deadline: impl Into<Deadline>) -> Result<Screen> {
        let what = what.into();
        let finder = what.finder()?;
        let gone = |screen: &Screen| finder.find(&screen.text()).is_none();
        self.wait(&format!("the end of {what}"), deadline.into(), gone)
    }

    /// Waits until the screen is as `wanted` says; `waiting_for` completes the sentence "nothing matched …".
    pub fn wait_until(
        &self,
        waiting_for: &str,
        deadline: impl Into<Deadline>,
        wanted: impl FnMut(&Screen) -> bool,
    ) -> Result<Screen> {
        self.wait(waiting_for, deadline.into(), wanted)
    }

    /// Waits until nothing on the screen has changed for so long; the cursor may move and blink.
    pub fn wait_stable(&self, quiet: Duration, deadline: impl Into<Deadline>) -> Result<Screen> {
        let deadline = deadline.into();
        let mut look = self.look()?;
        let mut since = Instant::now();
        while since.elapsed() < quiet {
            if look.ended {
                // Nothing will change any more.
                break;
            }
            if deadline.passed() {
                let what = format!("it did not stay the same for {} s", quiet.as_secs_f32());
                return Err(self.error(&look.screen, &what, Some(deadline)));
            }
            let left = quiet.saturating_sub(since.elapsed());
            let next = self.look_again(&look, deadline.at_most(left))?;
            if !next.screen.same_cells(&look.screen) {
                since = Instant::now();
            }
            look = next;
        }
        Ok(look.screen)
    }

    /// Keeps what the screen shows, in a file whose name begins with `stem`: a monitor's picture as `STEM.png`, a
    /// terminal's text, which has no pixels, as `STEM.txt`. Gives the file.
    pub fn screenshot(&self, stem: impl AsRef<Path>) -> Result<PathBuf> {
        let named = |ending: &str| {
            let mut name = stem.as_ref().as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        match &self.door {
            Door::Monitor { vm, .. } => {
                let file = named(".png");
                vm.screenshot(&file)?;
                Ok(file)
            }
            Door::Terminal { console, .. } => {
                let file = named(".txt");
                let text = console.screen().text() + "\n";
                fs::write(&file, text).map_err(Error::io(format!("write {}", file.display())))?;
                Ok(file)
            }
        }
    }

    fn wait(
        &self,
        waiting_for: &str,
        deadline: Deadline,
        mut wanted: impl FnMut(&Screen) -> bool,
    ) -> Result<Screen> {
        let mut look = self.look()?;
        loop {
            if wanted(&look.screen) {
                return Ok(look.screen);
            }
            let nothing = format!("nothing matched {waiting_for}");
            if look.screen.text().contains(PANIC) {
                return Err(self.error(&look.screen, &format!("{nothing} but the kernel panicked"), None));
            }
            if look.ended {
                return Err(self.error(&look.screen, &format!("{nothing} and the machine has ended"), None));
            }
            if deadline.passed() {
                return Err(self.error(&look.screen, &nothing, Some(deadline)));
            }
            look = self.look_again(&look, deadline)?;
        }
    }

    fn look(&self) -> Result<Look> {
        match &self.door {
            Door::Monitor { vm, font, .. } => {
                Ok(Look { screen: font.read(&vm.picture()?), pieces: 0, ended: false })
            }
            Door::Terminal { console, .. } => Ok(console.shown().into()),
        }
    }

    /// The next look, as soon as there is something new: at the monitor nobody says when that is.
    fn look_again(&self, last: &Look, deadline: Deadline) -> Result<Look> {
        match &self.door {
            Door::Monitor { .. } => {
                std::thread::sleep(BETWEEN_PICTURES.min(deadline.remaining()));
                self.look()
            }
            Door::Terminal { console, .. } => Ok(console.shown_after(last.pieces, deadline).into()),
        }
    }

    fn error(&self, screen: &Screen, what: &str, deadline: Option<Deadline>) -> Error {
        let within = deadline.map(|deadline| format!(" within {} s", deadline.limit().as_secs_f32()));
        Error::Screen {
            place: match &self.door {
                Door::Monitor { vm, .. } => format!("{} monitor", vm.name()),
                Door::Terminal { console, .. } => format!("{} (terminal)", console.place()),
            },
            what: format!("{what}{}", within.unwrap_or_default()),
            screen: screen.text(),
        }
    }
}

impl From<crate::console::Shown> for Look {
    fn from(shown: crate::console::Shown) -> Look {
        Look { screen: shown.screen, pieces: shown.pieces, ended: shown.ended }
    }
}
