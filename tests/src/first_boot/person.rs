//! A person in front of the box, who reads a page, types, and goes on.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use qemu_harness::{Deadline, Font, Key, Layout, Screen, Seat, Vm};

use crate::appliance::{OVERVIEW, words};

/// How long an emulated box may take to its console.
const BOOT: Duration = Duration::from_secs(600);
/// How long a page may take to come on an emulated box.
const PAGE: Duration = Duration::from_secs(240);
/// How long a key may take to show.
const KEY: Duration = Duration::from_secs(30);
/// No page has more places that Tab reaches, or disks.
const PLACES: usize = 24;
/// The same between two keys, each of which shows.
const SETTLED: Duration = Duration::from_millis(300);
/// A field that shows so many characters, and how many more it may hold.
const FULL: usize = 40;
const LONGEST: usize = 40;
/// How long a screen is the same that is taken to stay so.
const STILL: Duration = Duration::from_millis(700);

/// Somebody at a seat.
pub struct Person<'vm> {
    /// Where they sit.
    pub seat: Seat<'vm>,
    pages: Cell<u32>,
    /// Where pictures of pages go.
    album: Option<PathBuf>,
}

impl<'vm> Person<'vm> {
    /// Takes the seat.
    pub fn at(seat: Seat<'vm>) -> Self {
        Self { seat, pages: Cell::new(0), album: None }
    }

    /// Sits down at the screen and keyboard of a box that was just switched on, once it shows set-up. `layout` is what is printed on the
    /// keys.
    pub fn at_the_screen(vm: &'vm Vm, layout: Layout) -> anyhow::Result<Self> {
        // The serial line shows the same.
        Person::at(Seat::at_terminal(vm)).sees_first()?;
        let person = Self::at(Seat::at_monitor(vm, layout, font(vm)?));
        person.seat.press(Key::Ctrl('l'))?;
        Ok(person)
    }

    /// The same with a camera, whose pictures go to a folder.
    pub fn with_album(self, folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { album: Some(folder), ..self })
    }

    /// Pages that were read so far.
    pub fn pages(&self) -> u32 {
        self.pages.get()
    }

    /// Waits for the first page of set-up, from power on.
    pub fn sees_first(&self) -> anyhow::Result<Screen> {
        self.sees_within("Understudy set-up", BOOT)
    }

    /// Waits for the page that shows this, and gives all of it.
    pub fn page(&self, shows: &str) -> anyhow::Result<Screen> {
        self.page_within(shows, PAGE)
    }

    /// The same for a page that takes longer.
    pub fn page_within(&self, shows: &str, limit: Duration) -> anyhow::Result<Screen> {
        self.sees_within(shows, limit)?;
        self.pages.set(self.pages.get() + 1);
        // A line draws a page from top to bottom.
        Ok(self.seat.wait_stable(SETTLED, KEY)?)
    }

    /// Waits until the screen shows this, wherever its lines are broken.
    pub fn sees(&self, text: &str) -> anyhow::Result<Screen> {
        self.sees_within(text, KEY)
    }

    fn sees_within(&self, text: &str, limit: Duration) -> anyhow::Result<Screen> {
        Ok(self.seat.wait_until(&format!("{text:?}"), limit, |screen| words(screen).contains(text))?)
    }

    /// Takes a picture of the page that is shown, once it stands still.
    pub fn picture(&self, name: &str) -> anyhow::Result<()> {
        if let Some(folder) = &self.album {
            self.seat.wait_stable(STILL, KEY)?;
            self.seat.screenshot(folder.join(name))?;
        }
        Ok(())
    }

    /// Types; `\n` is Enter, `\t` is Tab.
    pub fn types(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.seat.type_text(text)?)
    }

    /// Presses a key and waits until it shows.
    fn press(&self, key: Key) -> anyhow::Result<Screen> {
        // Keys before this one may still be on their way.
        let before = self.seat.wait_stable(SETTLED, KEY)?;
        self.seat.press(key)?;
        self.seat.wait_until(&format!("anything new after {key}"), KEY, |screen| {
            screen.text() != before.text() || screen.cursor() != before.cursor()
        })?;
        Ok(self.seat.wait_stable(SETTLED, KEY)?)
    }

    /// Moves to what begins with this.
    pub fn goes_to(&self, label: &str) -> anyhow::Result<()> {
        let there = format!("> {label}");
        let mut screen = self.seat.wait_stable(SETTLED, KEY)?;
        for _ in 0..PLACES {
            if screen.text().contains(&there) {
                return Ok(());
            }
            screen = self.press(Key::Tab)?;
        }
        bail!("{label:?} cannot be reached with Tab on\n{screen}")
    }

    /// Chooses a line of a list that the cursor is in.
    pub fn chooses(&self, line: &str) -> anyhow::Result<()> {
        let there = format!("> (*) {line}");
        for arrow in [Key::Down, Key::Up] {
            for _ in 0..PLACES {
                let before = self.seat.screen()?;
                if before.text().contains(&there) {
                    return Ok(());
                }
                self.seat.press(arrow)?;
                // At the end of the list nothing moves.
                if self.seat.wait_stable(STILL, KEY)?.text() == before.text() {
                    break;
                }
            }
        }
        bail!("{line:?} cannot be reached with the arrows on\n{}", self.seat.screen()?)
    }

    /// Opens a page of the menu, from the overview.
    pub fn opens(&self, entry: &str) -> anyhow::Result<()> {
        self.seat.press(Key::Enter)?;
        self.page(": menu")?;
        self.chooses(entry)?;
        Ok(self.seat.press(Key::Enter)?)
    }

    /// Goes back from the menu to the overview.
    pub fn closes_the_menu(&self) -> anyhow::Result<Screen> {
        self.page(": menu")?;
        self.types("q")?;
        self.page(OVERVIEW)
    }

    /// Presses a button.
    pub fn button(&self, label: &str) -> anyhow::Result<()> {
        self.goes_to(&format!("[ {label} ]"))?;
        Ok(self.seat.press(Key::Enter)?)
    }

    /// Fills a field with something else than it has.
    pub fn fills(&self, label: &str, text: &str) -> anyhow::Result<()> {
        self.goes_to(label)?;
        let screen = self.seat.screen()?.text();
        let field = screen.lines().find(|line| line.contains(&format!("> {label}")));
        let held = field
            .and_then(|line| line.split('[').nth(1))
            .map_or(0, |held| held.chars().take_while(|character| !matches!(character, '_' | ']')).count());
        self.seat.press(Key::End)?;
        // One that is full may hold more than it shows.
        let held = if held < FULL { held } else { held + LONGEST };
        for _ in 0..held {
            self.seat.press(Key::Backspace)?;
        }
        self.types(text)
    }

    /// Marks these disks, by serial number, and no others.
    pub fn marks_disks(&self, wanted: &[&str]) -> anyhow::Result<()> {
        // Whoever types fast is here before the service that knows the disks.
        for serial in wanted {
            self.sees_within(&format!(" {serial} "), PAGE)?;
        }
        let mut seen = Vec::new();
        let mut screen = self.seat.wait_stable(SETTLED, KEY)?;
        for _ in 0..PLACES {
            let text = screen.text();
            let Some(line) = text.lines().find(|line| line.contains("> [")) else { break };
            // `[x] vdb`, then model, serial number, size and what is on it.
            let mark = line.split("> ").nth(1).unwrap_or_default();
            let name = mark.get(4..).and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
            if mark.starts_with("[ Go on ]") || seen.contains(&name) {
                break;
            }
            let is_wanted = wanted.iter().any(|serial| line.contains(&format!(" {serial} ")));
            if (mark.starts_with("[x]") && !is_wanted) || (mark.starts_with("[ ]") && is_wanted) {
                self.press(Key::Char('x'))?;
            }
            seen.push(name);
            let before = self.seat.screen()?;
            self.seat.press(Key::Down)?;
            // At the last one nothing moves.
            screen = self.seat.wait_stable(STILL, KEY)?;
            if screen.text() == before.text() {
                break;
            }
        }
        let text = self.seat.screen()?.text();
        for serial in wanted {
            let marked =
                text.lines().any(|line| line.contains("[x]") && line.contains(&format!(" {serial} ")));
            ensure!(marked, "the disk {serial} is not marked on\n{text}");
        }
        ensure!(text.matches("[x]").count() == wanted.len(), "other disks are marked on\n{text}");
        Ok(())
    }

    /// The recovery key that is shown, group by group.
    pub fn reads_key(&self) -> anyhow::Result<Vec<String>> {
        let text = words(&self.seat.screen()?);
        (1..=8)
            .map(|number| {
                let group = text.split(&format!("{number}: ")).nth(1).and_then(|rest| rest.split(' ').next());
                let group =
                    group.filter(|group| group.len() == 6 && group.bytes().all(|byte| byte.is_ascii_digit()));
                Ok(group.with_context(|| format!("no group {number} on this page: {text}"))?.to_owned())
            })
            .collect()
    }

    /// Types the two groups that are asked for.
    pub fn types_groups(&self, key: &[String]) -> anyhow::Result<()> {
        let text = words(&self.seat.screen()?);
        let asked = text.split("type groups ").nth(1).unwrap_or_default();
        let numbers: Vec<usize> = asked
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .take(2)
            .collect();
        ensure!(numbers.len() == 2, "no two groups are asked for: {text}");
        for number in numbers {
            let group = key.get(number - 1).with_context(|| format!("there is no group {number}"))?;
            self.types(&format!("{group}\n"))?;
        }
        Ok(())
    }
}

/// What a box writes with on its screen, learned from known text there.
fn font(vm: &Vm) -> anyhow::Result<Font> {
    let shell = vm.virtio_console().shell(Deadline::seconds(120))?;
    let quoted = Font::SAMPLE.map(|line| format!("'{}'", line.replace('\'', r"'\''"))).join(" ");
    // A terminal that somebody reads keys from does not begin a line by itself.
    shell.succeed(
        &format!("printf '\\033[H\\033[J' > /dev/tty1; printf '%s\\r\\n' {quoted} > /dev/tty1"),
        Duration::from_secs(60),
    )?;
    Ok(vm.learn_font(&Font::SAMPLE, Duration::from_secs(60))?)
}
