//! `understudy update`, `understudy rollback` and `understudy slots`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, ensure};
use dm_verity::{Digest, Salt, Verity};
use serde_json::json;
use understudy_bus::rauc::RaucProxy;
use understudy_bus::systemd::ManagerProxy;
use zbus::zvariant::{OwnedValue, Value};

use super::vms::next;
use crate::link::Link;
use crate::output::{Output, table};

/// What to install.
#[derive(clap::Args)]
pub struct Update {
    /// A bundle: a file on this box, or a URL to stream it from (only what changed is downloaded)
    bundle: String,
    /// Start the new version when it is installed
    #[arg(long)]
    reboot: bool,
}

impl Update {
    /// Installs into the slot that is not running.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let rauc = RaucProxy::new(&link.bus).await?;
        let source = source(&self.bundle)?;
        judged(link, output).await?;
        ensure!(
            rauc.operation().await.map_err(plain)? == "idle",
            "another update is being installed; wait for its end"
        );
        let offered = Offered::inspect(&rauc, &source).await?;
        let compatible = rauc.compatible().await.map_err(plain)?;
        ensure!(
            offered.compatible == compatible,
            "{source} is for {}, this box is {compatible}; nothing was changed. Get the bundle for this box",
            offered.compatible
        );
        if source.starts_with('/') {
            // RAUC would find a damaged block only when it comes to write it.
            offered.check(Path::new(&source)).with_context(|| {
                format!("{source} is damaged, and nothing was changed; copy it to this box again")
            })?;
        }
        let mut tries = 1;
        while let Err(error) = install(&rauc, &source, output).await {
            if tries == MOUNT_TRIES || !is_lost_to_udev(&source, &error) {
                return Err(error);
            }
            tries += 1;
            eprintln!("The stream ended while it was mounted; it is begun again ({tries} of {MOUNT_TRIES})");
        }
        let slot = next_to_start(&rauc).await?;
        let document =
            json!({ "version_installed": offered.version, "slot": slot, "rebooting": self.reboot });
        output.show(document, || {
            format!("Version {} is installed in slot {slot}. {}", offered.version, starts(self.reboot))
        })?;
        if self.reboot { reboot(link).await } else { Ok(()) }
    }
}

/// The service that judges each start.
const JUDGE: &str = "understudy-health.service";

/// Waits until this start is judged: an update overwrites the other slot, which the box falls back to if it is found wanting.
async fn judged(link: &Link, output: &Output) -> anyhow::Result<()> {
    let manager = ManagerProxy::new(&link.bus).await?;
    manager.subscribe().await.context("systemd does not tell what it does")?;
    let mut ended = manager.receive_job_removed().await?;
    let mut shown = String::new();
    while manager.list_jobs().await?.iter().any(|job| job.unit == JUDGE) {
        output.progress(&mut shown, "waiting until the version that runs is found good".to_owned());
        next(&mut ended).await.context("the bus has closed the connection")?;
    }
    output.progress_done(&shown);
    Ok(())
}

/// Going back.
#[derive(clap::Args)]
pub struct Rollback {
    /// Start the version before at once
    #[arg(long)]
    reboot: bool,
}

impl Rollback {
    /// Lets the other slot start next, if it is good.
    pub async fn run(&self, link: &Link, output: &Output) -> anyhow::Result<()> {
        let rauc = RaucProxy::new(&link.bus).await?;
        let status = rauc.get_slot_status().await.map_err(plain)?;
        let other = status
            .iter()
            .map(|(_, slot)| slot)
            .find(|slot| !text(slot, "bootname").is_empty() && text(slot, "state") != "booted")
            .context("this box has one slot only")?;
        let name = text(other, "bootname");
        ensure!(
            text(other, "boot-status") == "good",
            "slot {name} holds no version that can be started, so there is nothing to go back to; \
             `understudy update` installs one"
        );
        rauc.mark("active", "other").await.map_err(plain)?;
        output.show(json!({ "slot": name, "rebooting": self.reboot }), || {
            format!("Slot {name} starts next. {}", starts(self.reboot))
        })?;
        if self.reboot { reboot(link).await } else { Ok(()) }
    }
}

fn starts(reboot: bool) -> &'static str {
    if reboot {
        "The box reboots now."
    } else {
        "It starts at the next reboot: `systemctl reboot`, when no backup and no virtual machine runs."
    }
}

async fn reboot(link: &Link) -> anyhow::Result<()> {
    ManagerProxy::new(&link.bus).await?.reboot().await.context("systemd does not reboot")
}

/// What RAUC is told: an absolute path, or the URL.
fn source(bundle: &str) -> anyhow::Result<String> {
    if bundle.starts_with("http://") || bundle.starts_with("https://") {
        return Ok(bundle.to_owned());
    }
    let path = Path::new(bundle);
    let path = path.canonicalize().with_context(|| format!("cannot find the bundle {bundle}"))?;
    ensure!(path.is_file(), "{bundle} is not a file");
    Ok(path.to_string_lossy().into_owned())
}

/// What a bundle says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Offered {
    compatible: String,
    version: String,
    /// What authenticates the contents: root and salt of the tree, and its bytes.
    tree: Option<(Digest, Salt, u64)>,
}

impl Offered {
    async fn inspect(rauc: &RaucProxy<'_>, source: &str) -> anyhow::Result<Self> {
        let info = rauc
            .inspect_bundle(source, HashMap::new())
            .await
            .map_err(plain)
            .with_context(|| format!("{source} cannot be used, and nothing was changed"))?;
        Self::read(&info).with_context(|| format!("RAUC says nothing of the contents of {source}"))
    }

    fn read(info: &HashMap<String, OwnedValue>) -> Option<Self> {
        let update = dictionary(info.get("update")?)?;
        let text = |dictionary: &HashMap<String, Value<'_>>, key: &str| match dictionary.get(key) {
            Some(Value::Str(text)) => Some(text.to_string()),
            _ => None,
        };
        let tree = || {
            let bundle = dictionary(info.get("bundle")?)?;
            let Some(Value::U64(size)) = bundle.get("verity-size") else { return None };
            let root = text(&bundle, "verity-hash")?.parse().ok()?;
            Some((root, text(&bundle, "verity-salt")?.parse().ok()?, *size))
        };
        Some(Self {
            compatible: text(&update, "compatible")?,
            version: text(&update, "version").unwrap_or_default(),
            tree: tree(),
        })
    }

    /// Compares every block of a bundle with its signed tree. Layout: data, tree, signature, and its length in eight bytes.
    fn check(&self, bundle: &Path) -> anyhow::Result<()> {
        let (root, salt, tree_size) = self.tree.context("RAUC does not say what authenticates it")?;
        let mut file = File::open(bundle)?;
        let mut length = [0; 8];
        let end = file.seek(SeekFrom::End(-8))?;
        file.read_exact(&mut length)?;
        let data_size = end
            .checked_sub(u64::from_be_bytes(length))
            .and_then(|signed| signed.checked_sub(tree_size))
            .context("it is shorter than it says")?;
        let mut tree = vec![0; usize::try_from(tree_size)?];
        file.seek(SeekFrom::Start(data_size))?;
        file.read_exact(&mut tree)?;
        file.rewind()?;
        let verity = Verity { root, salt, data_size };
        let mut data = BufReader::with_capacity(1 << 20, file).take(data_size);
        Ok(dm_verity::verify(&verity, &mut data, &mut Cursor::new(tree))?)
    }
}

/// A dictionary, in however many variants RAUC has wrapped it.
fn dictionary<'a>(value: &Value<'a>) -> Option<HashMap<String, Value<'a>>> {
    match value {
        Value::Value(inner) => dictionary(inner),
        Value::Dict(dict) => HashMap::try_from(dict.try_clone().ok()?).ok(),
        _ => None,
    }
}

/// How often a stream is begun that udev has ended.
const MOUNT_TRIES: u32 = 10;

/// RAUC mounts a stream from a network block device that ends when it is closed for the last time; where udev looks at the new device
/// before RAUC has opened it, that is too early (RAUC 1.13; github.com/rauc/rauc/pull/1741). Nothing is written by then.
fn is_lost_to_udev(source: &str, error: &anyhow::Error) -> bool {
    !source.starts_with('/') && error.downcast_ref::<NotInstalled>().is_some_and(NotInstalled::while_mounting)
}

/// RAUC could not, and says why.
#[derive(Debug)]
struct NotInstalled(String);

impl NotInstalled {
    fn while_mounting(&self) -> bool {
        self.0.starts_with("Failed mounting bundle")
    }
}

impl std::fmt::Display for NotInstalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the update was not installed, the running version is untouched: {}", self.0)
    }
}

impl std::error::Error for NotInstalled {}

async fn install(rauc: &RaucProxy<'_>, source: &str, output: &Output) -> anyhow::Result<()> {
    // Listening begins before the start, so that neither the end nor any progress is missed.
    let mut completed = rauc.receive_completed().await?;
    let mut progress = rauc.receive_progress_changed().await;
    rauc.install_bundle(source, HashMap::new()).await.map_err(plain)?;
    let mut shown = String::new();
    let result = loop {
        tokio::select! {
            signal = next(&mut completed) => {
                break signal.context("the bus has closed the connection")?.args()?.result;
            }
            Some(change) = next(&mut progress) => {
                let (percent, what, _) = change.get().await?;
                output.progress(&mut shown, format!("{percent:3} % {what}"));
            }
        }
    };
    output.progress_done(&shown);
    if result != 0 {
        let why = rauc.last_error().await.unwrap_or_default();
        return Err(NotInstalled(why).into());
    }
    Ok(())
}

/// What RAUC says of a slot; empty where it says nothing.
fn text(slot: &HashMap<String, OwnedValue>, key: &str) -> String {
    match slot.get(key).map(|value| &**value) {
        Some(Value::Str(text)) => text.to_string(),
        _ => String::new(),
    }
}

/// The slot that starts next, as the boot loader names it: A or B.
async fn next_to_start(rauc: &RaucProxy<'_>) -> anyhow::Result<String> {
    let primary = rauc.get_primary().await.map_err(plain)?;
    let status = rauc.get_slot_status().await.map_err(plain)?;
    let slot = status
        .iter()
        .find(|(name, _)| *name == primary)
        .context("RAUC does not list the slot that starts next")?;
    Ok(text(&slot.1, "bootname"))
}

/// Lists both slots.
pub async fn slots(link: &Link, output: &Output) -> anyhow::Result<()> {
    let rauc = RaucProxy::new(&link.bus).await?;
    let primary = rauc.get_primary().await.map_err(plain)?;
    let status = rauc.get_slot_status().await.map_err(plain)?;
    let mut slots: Vec<_> = status.iter().filter(|(_, slot)| !text(slot, "bootname").is_empty()).collect();
    slots.sort_by_key(|(_, slot)| text(slot, "bootname"));
    let documents: Vec<_> = slots
        .iter()
        .map(|(name, slot)| {
            json!({
                "slot": text(slot, "bootname"),
                "state": text(slot, "state"),
                "boot_status": text(slot, "boot-status"),
                "version": text(slot, "bundle.version"),
                "next": *name == primary,
            })
        })
        .collect();
    output.show(json!({ "slots": documents }), || {
        let row = |(name, slot): &&(String, HashMap<String, OwnedValue>)| {
            let version = text(slot, "bundle.version");
            vec![
                text(slot, "bootname"),
                text(slot, "state"),
                text(slot, "boot-status"),
                if version.is_empty() { "as flashed, or empty".to_owned() } else { version },
                if *name == primary { "yes".to_owned() } else { String::new() },
            ]
        };
        let rows: Vec<_> = slots.iter().map(row).collect();
        table(&["SLOT", "STATE", "BOOT", "VERSION", "STARTS NEXT"], &rows, "No slots.")
    })
}

/// RAUC's errors carry their reason as text.
fn plain(error: zbus::Error) -> anyhow::Error {
    match error {
        zbus::Error::MethodError(name, ..) if name.ends_with(".AccessDenied") => {
            anyhow::anyhow!("only root may do this: become root, or use sudo")
        }
        zbus::Error::MethodError(_, Some(message), _) => anyhow::anyhow!("{message}"),
        other => anyhow::anyhow!(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundles_own_words_are_found_in_nested_variants() {
        let update = HashMap::from([("compatible", Value::from("box")), ("version", Value::from("1.2"))]);
        let wrapped = Value::Value(Box::new(Value::from(update)));
        let info = HashMap::from([("update".to_owned(), wrapped.try_to_owned().unwrap())]);
        let offered = Offered::read(&info).unwrap();
        assert_eq!(offered, Offered { compatible: "box".into(), version: "1.2".into(), tree: None });
        assert_eq!(Offered::read(&HashMap::new()), None);
    }

    #[test]
    fn a_flipped_bit_in_a_bundle_is_found_before_anything_is_written() {
        let salt = Salt([7; 32]);
        let data = vec![5; 3 * dm_verity::BLOCK];
        let mut tree = Cursor::new(Vec::new());
        let root = dm_verity::build(&mut &data[..], data.len() as u64, &salt, &mut tree).unwrap();
        let tree = tree.into_inner();
        let offered = Offered {
            compatible: String::new(),
            version: String::new(),
            tree: Some((root, salt, tree.len() as u64)),
        };
        let mut bundle = [&data[..], &tree, b"signature", &9u64.to_be_bytes()].concat();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bundle).unwrap();
        offered.check(file.path()).unwrap();
        bundle[5000] ^= 1;
        std::fs::write(file.path(), &bundle).unwrap();
        let error = offered.check(file.path()).unwrap_err().to_string();
        assert!(error.contains("block 1 of the data"), "{error}");
        std::fs::write(file.path(), &bundle[4096..]).unwrap();
        assert!(offered.check(file.path()).is_err());
    }

    #[test]
    fn only_a_stream_that_could_not_be_mounted_is_begun_again() {
        let mounting: anyhow::Error =
            NotInstalled("Failed mounting bundle: Failed to load dm table".into()).into();
        let written: anyhow::Error = NotInstalled("Failed updating slot rootfs.1".into()).into();
        assert!(is_lost_to_udev("http://box/x.raucb", &mounting));
        assert!(!is_lost_to_udev("/state/x.raucb", &mounting));
        assert!(!is_lost_to_udev("http://box/x.raucb", &written));
        assert!(!is_lost_to_udev(
            "http://box/x.raucb",
            &anyhow::anyhow!("the bus has closed the connection")
        ));
    }

    #[test]
    fn a_file_is_named_from_the_root_and_a_url_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(source(file.path().to_str().unwrap()).unwrap().starts_with('/'));
        assert_eq!(source("https://box/x.raucb").unwrap(), "https://box/x.raucb");
        assert!(source("/nowhere").unwrap_err().to_string().contains("cannot find the bundle /nowhere"));
        assert!(source("/tmp").unwrap_err().to_string().contains("not a file"));
    }
}
