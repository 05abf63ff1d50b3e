//! Pools that come from elsewhere, keys, and forgetting.

use futures_util::StreamExt;
use understudy_bus::error::Error;
use understudy_bus::zfs::is_locked;

use crate::world::{KEY, OTHER_KEY, World};

fn disk(name: &str) -> String {
    format!("/dev/disk/by-id/virtio-{name}")
}

#[tokio::test]
async fn a_pool_of_another_box_is_never_taken_by_itself_even_if_it_was_released() {
    for released in [true, false] {
        let world = World::new();
        let guid = world.foreign_pool(None, released);
        let before = world.on_foreign_pool();
        let manager = world.start().await;
        let error = manager.zfs.pool().await.unwrap_err();
        assert!(matches!(&error, Error::NotReady(text) if text.contains("another box (other)")), "{error}");
        let listed = manager.zfs.importable().await.unwrap();
        assert_eq!((listed[0].guid, listed[0].ours, listed[0].in_use_elsewhere), (guid, true, !released));
        assert_eq!((listed[0].last_host.as_str(), listed[0].disks.len()), ("other", 2));
        assert_eq!(world.on_foreign_pool(), before);
        assert_eq!(world.read("imported"), "");
    }
}

#[tokio::test]
async fn an_encrypted_pool_is_taken_over_with_its_key_and_opens_by_itself_from_then_on() {
    let world = World::new();
    let guid = world.foreign_pool(Some(KEY), false);
    let manager = world.start().await;
    let mut changes = manager.zfs.receive_pool_changed().await.unwrap();
    manager.zfs.import_pool(guid, KEY).await.unwrap();
    let told = changes.next().await.unwrap();
    assert_eq!(told.args().unwrap().pool().health, "ONLINE");
    assert_eq!(manager.zfs.pool().await.unwrap().name, "understudy");
    assert_eq!(manager.zfs.recovery_key().await.unwrap(), (KEY.to_owned(), true));
    // What has changed meanwhile is noticed with the next call that could have changed something, if not before.
    world.write("health", "DEGRADED");
    assert!(matches!(manager.zfs.import_pool(guid, KEY).await, Err(Error::Exists(_))));
    assert_eq!(changes.next().await.unwrap().args().unwrap().pool().health, "DEGRADED");
    std::fs::remove_file(world.path("health")).unwrap();
    assert!(matches!(manager.zfs.keep_recovery_key(OTHER_KEY).await, Err(Error::Exists(_))));
    let disks = manager.zfs.disks().await.unwrap();
    let usable: Vec<_> = disks.iter().map(|disk| disk.usable.as_str()).collect();
    assert_eq!(usable, ["part of this box's pool", "part of this box's pool", "", ""]);
    manager.kill();
    // The service starts anew, and then the box.
    let manager = world.start().await;
    assert_eq!(manager.zfs.pool().await.unwrap().health, "ONLINE");
    manager.kill();
    world.reboot();
    let manager = world.start().await;
    assert_eq!(manager.zfs.pool().await.unwrap().health, "ONLINE");
    assert!(!world.read("log").contains(KEY), "the key stands on a command line");
}

#[tokio::test]
async fn a_pool_that_does_not_fit_is_left_as_it_was() {
    let world = World::new();
    let guid = world.foreign_pool(Some(KEY), true);
    let before = world.on_foreign_pool();
    let manager = world.start().await;
    let zfs = &manager.zfs;
    assert!(is_locked(&zfs.import_pool(guid, "").await.unwrap_err()));
    assert!(matches!(zfs.import_pool(guid, OTHER_KEY).await, Err(Error::Denied(_))));
    let mistyped = zfs.import_pool(guid, &KEY.replace("444444", "444445")).await.unwrap_err();
    assert!(matches!(&mistyped, Error::InvalidArgument(text) if text.contains("group 8")), "{mistyped}");
    assert!(matches!(zfs.import_pool(5, KEY).await, Err(Error::NotFound(_))));
    assert_eq!((world.read("imported"), world.on_foreign_pool()), (String::new(), before.clone()));
    assert!(matches!(zfs.recovery_key().await, Err(Error::NotFound(_))));
    // It cannot be imported for good: the key kept before is kept still, and the pool is released.
    zfs.keep_recovery_key(OTHER_KEY).await.unwrap();
    world.write("unimportable", "");
    assert!(matches!(zfs.import_pool(guid, KEY).await, Err(Error::NotReady(_))));
    assert_eq!((world.read("imported"), world.on_foreign_pool()), (String::new(), before));
    assert_eq!(zfs.recovery_key().await.unwrap(), (OTHER_KEY.to_owned(), false));
}

#[tokio::test]
async fn a_pool_that_is_not_that_of_a_box_is_refused() {
    for (file, text, words) in [
        ("name", "tank\n", "not that of a box"),
        ("datasets", "understudy\n", "not that of a box"),
        ("version", "-\n", "not that of a box"),
        ("version", "2\n", "newer version"),
    ] {
        let world = World::new();
        let guid = world.foreign_pool(None, true);
        world.write(&format!("pools/{guid}/{file}"), text);
        let before = world.on_foreign_pool();
        let manager = world.start().await;
        let error = manager.zfs.import_pool(guid, "").await.unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument(text) if text.contains(words)), "{error}");
        assert_eq!((world.read("imported"), world.on_foreign_pool()), (String::new(), before));
    }
}

#[tokio::test]
async fn a_box_that_lost_its_key_is_locked_until_the_key_is_entered() {
    let world = World::new();
    let guid = world.foreign_pool(Some(KEY), true);
    let manager = world.start().await;
    manager.zfs.import_pool(guid, KEY).await.unwrap();
    manager.kill();
    world.reboot();
    std::fs::remove_file(world.path("state/recovery-key")).unwrap();
    let manager = world.start().await;
    let zfs = &manager.zfs;
    assert!(is_locked(&zfs.pool().await.unwrap_err()) && is_locked(&zfs.volumes().await.unwrap_err()));
    assert!(matches!(zfs.keep_recovery_key(OTHER_KEY).await, Err(Error::Exists(_))));
    assert!(matches!(zfs.unlock(OTHER_KEY).await, Err(Error::Denied(_))));
    zfs.unlock(&KEY.replace('-', " ")).await.unwrap();
    assert_eq!(zfs.pool().await.unwrap().health, "ONLINE");
    assert_eq!(zfs.recovery_key().await.unwrap(), (KEY.to_owned(), true));
    manager.kill();
    world.reboot();
    assert_eq!(world.start().await.zfs.pool().await.unwrap().health, "ONLINE");
}

#[tokio::test]
async fn a_forgotten_pool_stays_on_its_disks_and_is_not_taken_again_by_itself() {
    let world = World::new();
    let manager = world.start().await;
    let zfs = &manager.zfs;
    zfs.create_pool("mirror", &[&disk("a"), &disk("b")], &[], true).await.unwrap();
    let (key, confirmed) = zfs.recovery_key().await.unwrap();
    assert!(!confirmed);
    zfs.confirm_recovery_key().await.unwrap();
    assert_eq!(zfs.recovery_key().await.unwrap(), (key.clone(), true));
    world.write("busy", "");
    assert!(matches!(zfs.forget_pool().await, Err(Error::Busy(_))));
    assert_eq!(zfs.pool().await.unwrap().health, "ONLINE");
    std::fs::remove_file(world.path("busy")).unwrap();
    zfs.forget_pool().await.unwrap();
    assert!(matches!(zfs.recovery_key().await, Err(Error::NotFound(_))));
    manager.kill();
    world.reboot();
    let manager = world.start().await;
    assert!(matches!(manager.zfs.pool().await, Err(Error::NotReady(_))));
    let guid = manager.zfs.importable().await.unwrap()[0].guid;
    manager.zfs.import_pool(guid, &key).await.unwrap();
    assert_eq!(manager.zfs.pool().await.unwrap().health, "ONLINE");
}

#[tokio::test]
async fn a_pool_that_an_older_version_made_is_known_by_the_boxs_host_id() {
    let world = World::new();
    let guid = world.foreign_pool(None, true);
    world.write(&format!("pools/{guid}/host"), "7\n");
    let manager = world.start().await;
    assert_eq!(manager.zfs.pool().await.unwrap().name, "understudy");
    assert!(world.read("state/pool").contains(&guid.to_string()));
}

#[tokio::test]
async fn a_look_that_was_cut_short_with_the_service_alone_leaves_nothing_behind() {
    let world = World::new();
    let guid = world.foreign_pool(None, false);
    world.write("imported", &format!("{guid}\n"));
    world.write("read-only", "");
    let before = world.on_foreign_pool();
    let manager = world.start().await;
    assert!(matches!(manager.zfs.pool().await, Err(Error::NotReady(_))));
    assert_eq!((world.read("imported"), world.on_foreign_pool()), (String::new(), before));
}

#[tokio::test]
async fn an_own_pool_whose_disks_are_gone_is_neither_replaced_nor_forgotten_by_itself() {
    let world = World::new();
    let manager = world.start().await;
    manager.zfs.create_pool("single", &[&disk("c")], &[], false).await.unwrap();
    manager.kill();
    world.reboot();
    std::fs::rename(world.path("pools/101"), world.path("gone")).unwrap();
    let guid = world.foreign_pool(None, true);
    let manager = world.start().await;
    let zfs = &manager.zfs;
    assert!(zfs.pool().await.unwrap_err().message().contains("number 101"));
    assert!(matches!(zfs.create_pool("single", &[&disk("d")], &[], false).await, Err(Error::Exists(_))));
    assert!(matches!(zfs.import_pool(guid, "").await, Err(Error::Exists(_))));
    zfs.forget_pool().await.unwrap();
    zfs.import_pool(guid, "").await.unwrap();
}
