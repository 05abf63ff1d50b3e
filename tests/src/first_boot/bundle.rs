//! A support bundle, written at the console: nothing that is secret on the box may be in it, neither as it lies there nor as careless
//! programs would log it.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, ensure};
use qemu_harness::{Deadline, Shell, Vm};

use super::person::Person;
use super::set_up::{Given, PASSWORD};
use super::stick::Stick;
use crate::appliance::words;

const COMMAND: Duration = Duration::from_secs(120);
/// Services are asked, and the journal is read, packed, written and read back.
const WRITTEN: Duration = Duration::from_secs(900);
/// Something without a secret in it that is logged beside them: a bundle without it proves nothing.
const HARMLESS: &str = "nothing in this line is a secret";
/// Logged and known to nobody.
const TOKEN: &str = "planted.token-0123456789abcdef";
const CHAP: &str = "934857293847561029384756";

/// Logs every secret of the box, has a bundle written, and looks for them in it.
pub fn play(person: &Person<'_>, vm: &Vm, given: &Given, stick: &Stick) -> anyhow::Result<()> {
    let shell = vm.virtio_console().shell(Deadline::seconds(120))?;
    let secrets = Secrets::of(&shell, given)?;
    log_all(&shell, given, &secrets)?;

    let text = write(person, stick)?;
    for part in [HARMLESS, "backstage", "(removed)", "IMAGE_VERSION="] {
        ensure!(text.contains(part), "the support bundle does not have {part:?} in it");
    }
    secrets.are_not_in(&text)
}

/// Has a bundle written to a stick, and gives the text of all files in it.
pub fn write(person: &Person<'_>, stick: &Stick) -> anyhow::Result<String> {
    person.opens("Support bundle")?;
    person.page("Which stick shall it be written to?")?;
    person.chooses(stick.label())?;
    person.picture("support-bundle")?;
    person.button("Write it")?;
    let said = words(&person.seat.wait_until("the bundle's name", WRITTEN, |screen| {
        let said = words(screen);
        said.contains("is written as") || said.contains(" ! ")
    })?);
    let name = said.split("is written as ").nth(1).and_then(|rest| rest.split(';').next());
    let name = name.with_context(|| format!("no bundle was written: {said}"))?;
    person.button("Back to the menu")?;
    person.closes_the_menu()?;

    let names = stick.names()?;
    ensure!(names == [name], "the stick has {names:?}, and not {name} alone");
    unpack(&stick.read(name)?)
}

/// What must not leave the box.
struct Secrets {
    hash: String,
    /// Lines of the private key that the box signs certificates with.
    private_key: Vec<String>,
    recovery_key: Vec<String>,
    pairing_code: String,
}

impl Secrets {
    fn of(shell: &Shell, given: &Given) -> anyhow::Result<Self> {
        let read = |command: &str| anyhow::Ok(shell.succeed(command, COMMAND)?);
        let settings = read("cat /var/lib/understudy/settings/settings.toml")?;
        let hash =
            settings.lines().find_map(|line| line.split_once("password_hash = ").map(|(_, hash)| hash));
        let hash = hash.with_context(|| format!("no password is kept in {settings}"))?;
        let pem =
            read("sed -n '/BEGIN.*PRIVATE/,/END.*PRIVATE/p' /var/lib/understudy/gateway/authority.pem")?;
        let private_key: Vec<_> =
            pem.lines().map(str::trim).filter(|line| line.len() >= 16 && !line.starts_with('-')).collect();
        ensure!(!private_key.is_empty(), "the box has no private key: {pem}");
        Ok(Self {
            hash: hash.trim().trim_matches(['"', '\'']).to_owned(),
            private_key: private_key.into_iter().map(str::to_owned).collect(),
            recovery_key: given.key.clone(),
            pairing_code: given.pairing_code.clone(),
        })
    }

    fn are_not_in(&self, text: &str) -> anyhow::Result<()> {
        // The part of a hash that says which it is stays.
        let hash = self.hash.rsplit('$').next().unwrap_or_default();
        let code = self.pairing_code.split_once('-').map_or("", |(_, secret)| secret);
        let parts = [PASSWORD, TOKEN, CHAP, hash, code];
        for part in parts.into_iter().chain(self.private_key.iter().map(String::as_str)) {
            ensure!(part.len() >= 8, "{part:?} is too short to be looked for");
            ensure!(!text.contains(part), "{part:?} is in the support bundle");
        }
        // However its groups are set apart; one alone may be a fraction of a second.
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        for pair in self.recovery_key.windows(2) {
            ensure!(
                !digits.contains(&pair.concat()),
                "groups {pair:?} of the recovery key are in the support bundle"
            );
        }
        Ok(())
    }
}

/// As programs log that were not careful.
fn log_all(shell: &Shell, given: &Given, secrets: &Secrets) -> anyhow::Result<()> {
    let lines = [
        HARMLESS.to_owned(),
        format!("password=\"{PASSWORD}\""),
        format!("the hash is {}", secrets.hash),
        format!("key: {}", given.key.join("-")),
        format!("and once more {}", given.key.join(" ")),
        format!("pairing with {}", given.pairing_code),
        format!("Authorization: Bearer {TOKEN}"),
        format!("Target {{ chap_secret: \"{CHAP}\" }}"),
    ];
    for line in lines {
        ensure!(!line.contains('\''), "this line cannot be logged: {line}");
        shell.succeed(&format!("logger -t careless '{line}'"), COMMAND)?;
    }
    shell.succeed(
        "logger -t careless -f /var/lib/understudy/gateway/authority.pem; journalctl --sync",
        COMMAND,
    )?;
    Ok(())
}

/// All files of a bundle, one after the other.
fn unpack(bundle: &[u8]) -> anyhow::Result<String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle));
    let mut text = String::new();
    for file in archive.entries().context("the support bundle is no archive")? {
        file.and_then(|mut file| file.read_to_string(&mut text)).context("the support bundle is damaged")?;
    }
    Ok(text)
}
