//! Notices that sticks come and go.
//!
//! udev writes one file for each device once it knows what is on it, and removes it with the device (`/run/udev/data`). Watching that folder
//! needs no privilege and no socket. The alternatives need more: udev's own messages come over a netlink socket and only outside of a network
//! namespace, and a rule that starts a unit needs a unit, and a call that everybody could make.

use std::path::Path;

use anyhow::Context;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::sync::watch;

use super::pollable;

/// Changes whenever udev has something to say of a device. The task behind it ends with the last receiver.
pub fn changes(root: &Path) -> anyhow::Result<watch::Receiver<()>> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).context("no inotify")?;
    let folder = root.join("run/udev/data");
    // Each file is written under another name, and renamed.
    let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
    inotify.add_watch(&folder, flags).with_context(|| format!("cannot watch {}", folder.display()))?;
    let ready = pollable(&inotify)?;
    let (sender, receiver) = watch::channel(());
    tokio::spawn(async move {
        while !sender.is_closed() {
            let read = async {
                let mut ready = ready.readable().await?;
                match ready.try_io(|_| Ok(inotify.read_events()?)) {
                    Ok(events) => events.map(Some),
                    Err(_) => Ok(None),
                }
            };
            match read.await {
                Ok(Some(_)) => sender.send_replace(()),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!("cannot see sticks come and go any more: {error}");
                    return;
                }
            }
        }
    });
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_device_that_comes_or_goes_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("run/udev/data");
        fs::create_dir_all(&data).unwrap();
        let mut changes = changes(root.path()).unwrap();
        fs::write(data.join(".#b8:17"), "E:ID_FS_TYPE=vfat\n").unwrap();
        fs::rename(data.join(".#b8:17"), data.join("b8:17")).unwrap();
        changes.changed().await.unwrap();
        fs::remove_file(data.join("b8:17")).unwrap();
        changes.changed().await.unwrap();
    }

    #[test]
    fn a_box_without_udev_is_told() {
        let root = tempfile::tempdir().unwrap();
        assert!(format!("{:#}", changes(root.path()).unwrap_err()).contains("run/udev/data"));
    }
}
