//! The wizard from its first page to its last.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use qemu_harness::{Disk, Key, Seat, Vm};

use super::person::Person;
use crate::appliance::{ADDRESS, DATA_DISK, OVERVIEW, words};
use crate::narrate::Narrator;

/// A password that is not guessed.
pub const PASSWORD: &str = "tubular giraffe mending slate";
/// Serial numbers of a box's data disks.
pub const DISKS: [&str; 2] = ["data-a", "data-b"];

/// Disks with nothing on them, by their serial numbers.
pub fn blank(disks: &[&str]) -> impl Iterator<Item = Disk> {
    disks.iter().map(|name| Disk::blank(DATA_DISK).named(name).serial(name))
}

/// How a box is to be reached.
pub enum Lan {
    /// The network says.
    Dhcp,
    /// At this address, with prefix length.
    Fixed(String),
    /// Not yet.
    None,
}

/// What whoever sits there wants.
pub struct Wishes<'a> {
    pub host_name: &'a str,
    pub lan: Lan,
    pub password: &'a str,
    /// Serial numbers of the disks of the new pool.
    pub disks: &'a [&'a str],
    /// Serial numbers of those among them that hold something that may be lost.
    pub erase: &'a [&'a str],
}

impl Default for Wishes<'_> {
    fn default() -> Self {
        Self {
            host_name: "backstage",
            lan: Lan::Fixed(fixed()),
            password: PASSWORD,
            disks: &DISKS,
            erase: &[],
        }
    }
}

/// The address of a box on the private network, as it is typed.
pub fn fixed() -> String {
    format!("{ADDRESS}/24")
}

/// What a box gave whoever set it up.
pub struct Given {
    /// The recovery key, group by group.
    pub key: Vec<String>,
    pub pairing_code: String,
}

/// A page of set-up with a new pool, up to the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Welcome,
    Keyboard,
    HostName,
    Network,
    Trial,
    Time,
    Password,
    Disks,
    /// Only where a disk holds something.
    Erase,
    Layout,
    Encryption,
    RecoveryKey,
    Groups,
    Summary,
}

/// In order.
pub const STEPS: [Step; 14] = [
    Step::Welcome,
    Step::Keyboard,
    Step::HostName,
    Step::Network,
    Step::Trial,
    Step::Time,
    Step::Password,
    Step::Disks,
    Step::Erase,
    Step::Layout,
    Step::Encryption,
    Step::RecoveryKey,
    Step::Groups,
    Step::Summary,
];

impl Step {
    /// What its page shows, and no other.
    pub fn shows(self) -> &'static str {
        match self {
            Self::Welcome => "Understudy set-up",
            Self::Keyboard => "Keyboard (1 of 7)",
            Self::HostName => "Host name (2 of 7)",
            Self::Network => "Network (3 of 7)",
            Self::Trial => "with these settings.",
            Self::Time => "Time (4 of 7)",
            Self::Password => "Password (5 of 7)",
            Self::Disks => "Storage: disks (6 of 7)",
            Self::Erase => "EVERYTHING ON IT IS LOST FOR EVER",
            Self::Layout => "Storage: layout (6 of 7)",
            Self::Encryption => "Storage: encryption (6 of 7)",
            Self::RecoveryKey => "8: ",
            Self::Groups => "type groups ",
            Self::Summary => "Summary (7 of 7)",
        }
    }

    fn picture(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::Keyboard => "keyboard",
            Self::HostName => "host-name",
            Self::Network => "network",
            Self::Trial => "network-trial",
            Self::Time => "time",
            Self::Password => "password",
            Self::Disks => "disks",
            Self::Erase => "erase",
            Self::Layout => "layout",
            Self::Encryption => "encryption",
            Self::RecoveryKey => "recovery-key",
            Self::Groups => "recovery-key-asked",
            Self::Summary => "summary",
        }
    }

    /// Waits for the page, and goes on; not from the summary. `key` is the sheet of paper with the recovery key.
    pub fn go_on(
        self,
        person: &Person<'_>,
        wishes: &Wishes<'_>,
        key: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let is_left_out = match self {
            Self::Erase => wishes.erase.is_empty(),
            Self::Trial => matches!(wishes.lan, Lan::None),
            _ => false,
        };
        if is_left_out {
            return Ok(());
        }
        let screen = person.page(self.shows())?;
        if self == Self::Disks {
            person.marks_disks(wishes.disks)?;
        }
        person.picture(self.picture())?;
        match self {
            Self::Welcome | Self::Encryption => person.types("\n"),
            // It can be tried.
            Self::Keyboard => person.types("\n\n"),
            Self::HostName => {
                person.fills("Host name:", wishes.host_name)?;
                person.types("\n")
            }
            Self::Network => match &wishes.lan {
                // Port, address, VLAN.
                Lan::Dhcp => person.types("\n\n\n"),
                Lan::Fixed(address) => tries(person, address),
                Lan::None => person.button("Go on without network"),
            },
            Self::Trial => {
                let said = words(&screen);
                ensure!(said.contains("The network works"), "the trial failed: {said}");
                person.types("\n")
            }
            // Region, city, servers.
            Self::Time => person.types("\n\n\n"),
            Self::Password => person.types(&format!("{0}\n{0}\n", wishes.password)),
            Self::Disks => person.button("Go on"),
            Self::Erase => {
                for serial in wishes.erase {
                    person.sees(&format!("type {serial}"))?;
                    person.types(&format!("{serial}\n"))?;
                }
                Ok(())
            }
            Self::Layout => {
                person.sees(if wishes.disks.len() == DISKS.len() { "(*) mirror" } else { "(*) raidz2" })?;
                person.types("\n")
            }
            Self::RecoveryKey => {
                *key = person.reads_key()?;
                person.types("\n")
            }
            Self::Groups => person.types_groups(key),
            Self::Summary => summary(person, wishes),
        }
    }
}

/// On the page for the network: a fixed address, and neither a router nor name servers.
pub fn tries(person: &Person<'_>, address: &str) -> anyhow::Result<()> {
    person.types("\t")?;
    person.seat.press(Key::Down)?;
    person.sees("> (*) The box has a fixed address")?;
    person.types(&format!("\t{address}\t"))?;
    person.button("Try it")
}

/// From the first page to the summary, which is not agreed to. Gives the recovery key, group by group.
pub fn to_the_summary(person: &Person<'_>, wishes: &Wishes<'_>) -> anyhow::Result<Vec<String>> {
    let mut key = Vec::new();
    STEPS.iter().try_for_each(|step| step.go_on(person, wishes, &mut key))?;
    Ok(key)
}

/// Those before the pool is made, or taken over.
pub fn before_storage() -> impl Iterator<Item = Step> {
    STEPS.into_iter().take_while(|step| *step != Step::Disks)
}

/// Chooses the pool that is on the disks, up to the page that asks for its key. `doubts` are what comes before that.
pub fn existing_pool(
    person: &Person<'_>,
    doubts: impl FnOnce(&Person<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    person.page("Storage (6 of 7)")?;
    person.picture("storage")?;
    person.types("\n")?;
    person.page("Storage: existing pool (6 of 7)")?;
    doubts(person)?;
    person.button("Go on")?;
    person.page("Storage: recovery key (6 of 7)")?;
    Ok(())
}

/// Reads all of it: it is longer than the screen.
fn summary(person: &Person<'_>, wishes: &Wishes<'_>) -> anyhow::Result<()> {
    let mut said = words(&person.seat.screen()?);
    while !said.contains("Password as you typed it") {
        let before = said.len();
        person.seat.press(Key::Down)?;
        person.seat.wait_stable(Duration::from_millis(500), Duration::from_secs(30))?;
        said += &words(&person.seat.screen()?);
        ensure!(said.len() < 100 * before, "the summary has no end: {said}");
    }
    let address = match &wishes.lan {
        Lan::Fixed(address) => Some(address.as_str()),
        Lan::Dhcp | Lan::None => None,
    };
    for wanted in wishes.disks.iter().copied().chain([wishes.host_name]).chain(address) {
        ensure!(said.contains(wanted), "the summary does not name {wanted}: {said}");
    }
    for serial in wishes.erase {
        let lost = format!("ERASED FOR EVER {serial}");
        ensure!(said.contains(&lost), "the summary does not say {lost:?}: {said}");
    }
    Ok(())
}

/// Sets a box up that was just switched on, at its serial line, and says what that takes. `agreeing` is called when the summary is shown.
pub fn at_the_serial_line(
    vm: &Vm,
    wishes: &Wishes<'_>,
    narrator: &Narrator,
    agreeing: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Given> {
    let power_on = Instant::now();
    let person = Person::at(Seat::at_terminal(vm));
    person.sees_first()?;
    let first_page = power_on.elapsed();
    let key = to_the_summary(&person, wishes)?;
    agreeing()?;
    let pairing_code = agree(&person, wishes)?;
    narrator.note(&format!(
        "{} pages, {} keys; {:.0} s from power on to the first page, {:.0} s from there to the overview",
        person.pages(),
        person.seat.keys_pressed(),
        first_page.as_secs_f64(),
        (power_on.elapsed() - first_page).as_secs_f64(),
    ));
    Ok(Given { key, pairing_code })
}

/// Agrees to the summary, waits until the box is set up, and gives the pairing code that it shows.
pub fn agree(person: &Person<'_>, wishes: &Wishes<'_>) -> anyhow::Result<String> {
    person.button("Set the box up")?;
    let text = words(&person.page("Pairing code: ")?);
    person.picture("done")?;
    let code = text.split("Pairing code: ").nth(1).and_then(|rest| rest.split(' ').next());
    let code = code.context("the last page has no pairing code")?.to_owned();
    let address = if matches!(wishes.lan, Lan::None) { "none yet: check the cable" } else { "https://" };
    ensure!(text.contains(address), "the last page does not say {address:?}: {text}");
    person.types("\n")?;
    person.page(OVERVIEW)?;
    Ok(code)
}
