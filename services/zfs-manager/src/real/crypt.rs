//! The pool's encryption: whether it has any, whether it is open, and handing ZFS the key.
//!
//! `zfs` reads a key from a file that it is told. The key is put into one without a name, in memory (memfd_create(2)), which
//! `zfs` finds beneath `/proc` while the call lasts: so it stands on no command line, in no log, and on no disk but in the one
//! file of the state directory.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::memfd::{MFdFlags, memfd_create};
use understudy_bus::error::{Error, Result};
use understudy_recovery_key::RecoveryKey;

use super::{command, listing};
use crate::layout;

/// A key where `zfs` can read it, as long as this lives.
pub struct Readable {
    file: OwnedFd,
}

impl Readable {
    /// Puts the key there.
    pub fn new(key: &RecoveryKey) -> Result<Self> {
        let write = || -> std::io::Result<OwnedFd> {
            let mut file = std::fs::File::from(memfd_create("recovery-key", MFdFlags::MFD_CLOEXEC)?);
            writeln!(file, "{key}")?;
            Ok(file.into())
        };
        let file = write()
            .map_err(|error| Error::Failed(format!("cannot hold the recovery key in memory: {error}")))?;
        Ok(Self { file })
    }

    /// For ZFS's property `keylocation`. Not `/proc/self`, which is `zfs` itself for `zfs`.
    pub fn location(&self) -> String {
        format!("file:///proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

/// What is known of the imported pool without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// Whether it takes a key to read the pool.
    pub encrypted: bool,
    /// Whether that key is missing now.
    pub locked: bool,
    /// Whether it is a passphrase, on the pool as a whole: nothing else is a recovery key.
    by_recovery_key: bool,
    /// Whether the pool notes that its key is to be asked for.
    asks: bool,
    /// Version of our names on the pool, if it has any.
    pub version: Option<u64>,
}

impl Encryption {
    /// Asks ZFS.
    pub async fn of_pool() -> Result<Self> {
        Self::parse(&command::zfs(command::encryption()).await?)
    }

    fn parse(json: &str) -> Result<Self> {
        let entries = listing::parse(json)?;
        let entry = entries.iter().find(|entry| entry.name == layout::POOL);
        let entry =
            entry.ok_or_else(|| Error::Corrupt(format!("ZFS does not list the pool {}", layout::POOL)))?;
        let encrypted = entry.text("encryption").is_some_and(|cipher| cipher != "off");
        Ok(Self {
            encrypted,
            // Whatever is not plainly open is locked.
            locked: encrypted && entry.text("keystatus") != Some("available"),
            by_recovery_key: entry.text("encryptionroot") == Some(layout::POOL)
                && entry.text("keyformat") == Some("passphrase"),
            asks: entry.text("keylocation") == Some("prompt"),
            version: entry.text(layout::PROPERTY_VERSION).and_then(|version| version.parse().ok()),
        })
    }

    /// Refuses a pool that is encrypted in a way in which this box encrypts none.
    pub fn check(&self) -> Result<()> {
        if self.encrypted && !self.by_recovery_key {
            return Err(Error::InvalidArgument(
                "this pool is encrypted, but not with a recovery key; it is not the pool of a box like this one"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Notes on the pool that its key is to be asked for, if that is not noted yet.
    pub async fn settle(&self) -> Result<()> {
        if self.encrypted && !self.asks {
            command::zfs(command::ask_for_key()).await?;
        }
        Ok(())
    }
}

/// Checks a key against the imported pool, open or not; `Denied` if it does not fit.
pub async fn try_key(key: &RecoveryKey) -> Result<()> {
    run(key, true).await
}

/// Opens the imported pool; `Denied` if the key does not fit.
pub async fn load_key(key: &RecoveryKey) -> Result<()> {
    run(key, false).await
}

async fn run(key: &RecoveryKey, only_try: bool) -> Result<()> {
    let readable = Readable::new(key)?;
    match command::zfs(command::load_key(&readable.location(), only_try)).await {
        Ok(_) => Ok(()),
        Err(Error::Denied(_)) => Err(Error::Denied(
            "the recovery key does not fit this pool; check that it is the one of this pool, and each group of digits"
                .to_owned(),
        )),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use understudy_service::Program;

    use super::*;

    fn listed(properties: &[(&str, &str)]) -> Encryption {
        let properties: Vec<_> =
            properties.iter().map(|(name, value)| format!("\"{name}\":{{\"value\":\"{value}\"}}")).collect();
        let json = format!(
            "{{\"datasets\":{{\"understudy\":{{\"name\":\"understudy\",\"properties\":{{{}}}}}}}}}",
            properties.join(",")
        );
        Encryption::parse(&json).unwrap()
    }

    #[tokio::test]
    async fn another_program_reads_the_key_while_it_is_held() {
        let key = RecoveryKey::generate().unwrap();
        let readable = Readable::new(&key).unwrap();
        let path = readable.location().trim_start_matches("file://").to_owned();
        for _ in 0..2 {
            assert_eq!(Program::new("cat").arg(&path).run().await.unwrap(), format!("{key}\n"));
        }
    }

    #[test]
    fn a_pool_without_encryption_is_never_locked() {
        let plain = listed(&[("encryption", "off"), ("keystatus", "-"), ("org.understudy:version", "1")]);
        assert!(!plain.encrypted && !plain.locked && plain.check().is_ok());
        assert_eq!(plain.version, Some(1));
    }

    #[test]
    fn an_encrypted_pool_is_locked_unless_its_key_is_there() {
        let with = |status| {
            listed(&[
                ("encryption", "aes-256-gcm"),
                ("encryptionroot", "understudy"),
                ("keyformat", "passphrase"),
                ("keystatus", status),
                ("keylocation", "prompt"),
            ])
        };
        assert!(with("unavailable").locked && with("-").locked && !with("available").locked);
        assert!(with("unavailable").check().is_ok());
    }

    #[test]
    fn a_pool_encrypted_by_other_means_is_not_one_of_ours() {
        let hex =
            listed(&[("encryption", "aes-256-gcm"), ("encryptionroot", "understudy"), ("keyformat", "hex")]);
        assert!(matches!(hex.check(), Err(Error::InvalidArgument(_))));
        assert!(!hex.asks);
    }
}
