//! A file as a target, before it is touched: what is there, and whether it may be overwritten.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext, Result};
use crate::size::human;
use crate::table::SECTOR;

/// A file, or where one can be made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// Its path, symbolic links followed.
    pub path: PathBuf,
    /// Bytes of the file that is there already.
    pub existing: Option<u64>,
    /// Loop devices over it.
    pub holders: Vec<String>,
}

/// Why a file is not written to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceRefusal {
    /// A folder, a pipe, a character device, …
    #[error("{path} is neither a disk nor a file; give a block device, or the path of a file to make")]
    Kind {
        /// What was given.
        path: PathBuf,
    },
    /// The node of a disk that is not there.
    #[error(
        "there is no disk {path}, and a file in /dev would only fill the memory; `flash --list` shows disks"
    )]
    NoDevice {
        /// What was given.
        path: PathBuf,
    },
    /// A symbolic link to nothing.
    #[error("{path} is a link to something that does not exist; give the path itself")]
    Dangling {
        /// What was given.
        path: PathBuf,
    },
    /// A loop device or another program has it.
    #[error("{path} is in use by {by}; end that first (losetup --detach, or stop the virtual machine)")]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who has it.
        by: String,
    },
    /// There is a file.
    #[error("{path} exists ({}); if it may be destroyed, give --dangerously-overwrite {name} (its name)", human(*size))]
    Exists {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        size: u64,
        /// What confirms that it may be lost.
        name: String,
    },
    /// The confirmation names another file.
    #[error("{path} is another file than the one to be overwritten: {given} was given, its name is {name}")]
    AnotherFile {
        /// The file.
        path: PathBuf,
        /// What was given.
        given: String,
        /// What would have been right.
        name: String,
    },
    /// It is the image itself.
    #[error("{path} is the image itself; give another file")]
    Image {
        /// The file.
        path: PathBuf,
    },
    /// The size asked for cannot be.
    #[error(
        "a disk of {size} bytes cannot hold the image; ask for at least {image} bytes, in multiples of 512"
    )]
    Size {
        /// What was asked for.
        size: u64,
        /// Bytes of the image.
        image: u64,
    },
}

impl Place {
    pub(crate) fn find(given: &Path) -> Result<Self> {
        let path = given.to_owned();
        let place = match given.metadata() {
            Ok(found) if found.is_file() => {
                let path = given.canonicalize().at("find", given)?;
                let holders = crate::look::loops_on(&[&path]);
                Self { path, existing: Some(found.len()), holders }
            }
            Ok(_) => return Err(PlaceRefusal::Kind { path }.into()),
            Err(_) if given.is_symlink() => return Err(PlaceRefusal::Dangling { path }.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let Some(name) = given.file_name() else { return Err(PlaceRefusal::Kind { path }.into()) };
                let folder = given.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder
                    .unwrap_or(Path::new("."))
                    .canonicalize()
                    .at("make a file in the folder of", given)?;
                Self { path: folder.join(name), existing: None, holders: Vec::new() }
            }
            Err(error) => return Err(error).at("look at", given),
        };
        if place.path.starts_with("/dev") && !place.path.starts_with("/dev/shm") {
            return Err(PlaceRefusal::NoDevice { path: place.path }.into());
        }
        Ok(place)
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().display().to_string()
    }

    /// May it be overwritten? `overwrite` is what the person typed to have a file destroyed, which must be its name.
    pub fn judge(&self, overwrite: Option<&str>) -> Result<(), PlaceRefusal> {
        let (path, name) = (self.path.clone(), self.name());
        if !self.holders.is_empty() {
            return Err(PlaceRefusal::InUse { path, by: self.holders.join(", ") });
        }
        match (self.existing, overwrite) {
            (_, Some(given)) if given != name => {
                Err(PlaceRefusal::AnotherFile { path, given: given.into(), name })
            }
            (Some(size), None) => Err(PlaceRefusal::Exists { path, size, name }),
            _ => Ok(()),
        }
    }

    /// Can a disk of `size` bytes hold an image of `image` bytes?
    pub fn fits(size: u64, image: u64) -> Result<(), PlaceRefusal> {
        if size < image || !size.is_multiple_of(SECTOR) {
            Err(PlaceRefusal::Size { size, image })
        } else {
            Ok(())
        }
    }

    pub(crate) fn in_use(&self) -> Error {
        PlaceRefusal::InUse { path: self.path.clone(), by: "another program".into() }.into()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        writeln!(f, "file       {}", self.path.display())?;
        match self.existing {
            Some(size) => writeln!(f, "on it      a file of {} ({size} bytes)", human(size))?,
            None => writeln!(f, "on it      nothing, it is made new")?,
        }
        self.holders.iter().try_for_each(|holder| writeln!(f, "in use     by {holder}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> PlaceRefusal {
        match Place::find(path) {
            Err(Error::Place(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_file_needs_no_confirmation_and_an_existing_one_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box.raw");
        let place = Place::find(&path).unwrap();
        assert_eq!((place.existing, place.judge(None)), (None, Ok(())));

        std::fs::write(&path, "precious").unwrap();
        let place = Place::find(&path).unwrap();
        assert!(matches!(place.judge(None), Err(PlaceRefusal::Exists { size: 8, .. })));
        assert!(matches!(place.judge(Some("box")), Err(PlaceRefusal::AnotherFile { .. })));
        assert_eq!(place.judge(Some("box.raw")), Ok(()));
    }

    #[test]
    fn a_file_with_a_loop_device_over_it_is_refused_even_if_named() {
        let place =
            Place { path: "/x/a".into(), existing: Some(1), holders: vec!["/dev/loop3 (loop)".into()] };
        let message = place.judge(Some("a")).unwrap_err().to_string();
        assert!(message.contains("/dev/loop3"), "{message}");
    }

    #[test]
    fn a_misspelled_device_does_not_become_a_file_in_memory() {
        let message = refusal(Path::new("/dev/no-such-disk")).to_string();
        assert!(message.contains("no disk /dev/no-such-disk") && message.contains("--list"), "{message}");
    }

    #[test]
    fn folders_devices_and_broken_links_are_no_targets() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(refusal(dir.path()), PlaceRefusal::Kind { .. }));
        assert!(matches!(refusal(Path::new("/dev/null")), PlaceRefusal::Kind { .. }));
        assert!(matches!(refusal(&link), PlaceRefusal::Dangling { .. }));
        let message = Place::find(&dir.path().join("no/such")).unwrap_err().to_string();
        assert!(message.contains("folder of"), "{message}");
    }

    #[test]
    fn a_disk_holds_whole_sectors_and_all_of_the_image() {
        assert_eq!(Place::fits(1024, 1024), Ok(()));
        assert!(Place::fits(1023, 512).is_err() && Place::fits(512, 1024).is_err());
    }
}
