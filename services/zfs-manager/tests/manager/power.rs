//! Power fails at every step of what changes disks. Whatever was done before, the next start is clean and the same call again
//! ends well.

use understudy_bus::error::Error;

use crate::world::{KEY, World};

const DISKS: [&str; 2] = ["/dev/disk/by-id/virtio-a", "/dev/disk/by-id/virtio-b"];

/// Lets power fail before and after each step of `call` in turn, and amid making a pool, in a box that `prepare` has got ready;
/// then starts the box again and judges with `after`.
macro_rules! at_every_step {
    ($prepare:expr, $call:expr, $after:expr) => {{
        let world = World::new();
        $prepare(&world).await;
        let manager = world.start().await;
        let begin = world.steps().len();
        $call(&manager.zfs).await.unwrap();
        let steps = world.steps().split_off(begin);
        assert!(steps.len() > 2, "{steps:?}");
        drop(manager);
        for (index, step) in steps.iter().enumerate() {
            let amid = step.starts_with("zpool create").then_some("amid");
            for when in ["before", "after"].into_iter().chain(amid) {
                let world = World::new();
                $prepare(&world).await;
                let manager = world.start().await;
                world.cut(when, index + 1);
                assert!($call(&manager.zfs).await.is_err(), "no power cut {when} {step}");
                manager.ended();
                world.reboot();
                let manager = world.start().await;
                $after(&world, &manager.zfs, &format!("{when} {step}")).await;
            }
        }
    }};
}

#[tokio::test]
async fn making_a_pool_over_what_was_there_carries_on_after_a_power_cut_at_any_step() {
    at_every_step!(
        async |world: &World| {
            world.sign("a", "ntfs DATA\n");
            world.sign("c", "ext4 photos\n");
        },
        async |zfs: &understudy_bus::zfs::ZfsProxy<'static>| {
            zfs.create_pool("mirror", &DISKS, &["a"], true).await
        },
        async |world: &World, zfs: &understudy_bus::zfs::ZfsProxy<'static>, cut: &str| {
            let key = zfs.recovery_key().await.ok();
            zfs.create_pool("mirror", &DISKS, &["a"], true).await.unwrap_or_else(|e| panic!("{cut}: {e}"));
            assert_eq!(zfs.pool().await.unwrap().health, "ONLINE", "{cut}");
            let kept = zfs.recovery_key().await.unwrap();
            assert!(key.is_none_or(|key| key == kept), "{cut}: the key has changed");
            let guid = world.read("imported");
            assert_eq!(world.read(&format!("pools/{guid}/key")), kept.0, "{cut}");
            assert_eq!(world.read(&format!("pools/{guid}/keylocation")), "prompt", "{cut}");
            assert_eq!(world.read(&format!("pools/{guid}/datasets")).lines().count(), 5, "{cut}");
            assert_eq!(world.read("signs/vdc"), "ext4 photos", "{cut}");
            assert_eq!(world.read("state/making-pool-of"), "", "{cut}");
        }
    );
}

#[tokio::test]
async fn a_disk_that_was_not_named_is_never_erased_whatever_was_interrupted_before() {
    let world = World::new();
    let manager = world.start().await;
    world.sign("b", "ext4 photos\n");
    let refused = manager.zfs.create_pool("mirror", &DISKS, &[], false).await.unwrap_err();
    assert!(matches!(&refused, Error::Exists(text) if text.contains("photos")), "{refused}");
    world.sign("a", "ntfs DATA\n");
    // One is named and the other is not: nothing is erased at all.
    let refused = manager.zfs.create_pool("mirror", &DISKS, &["a"], false).await.unwrap_err();
    assert!(!refused.message().contains("DATA"), "{refused}");
    assert!(matches!(
        manager.zfs.create_pool("mirror", &DISKS, &["a", "b", "c"], false).await,
        Err(Error::InvalidArgument(_))
    ));
    assert_eq!(
        (world.read("signs/vda"), world.read("signs/vdb")),
        ("ntfs DATA".into(), "ext4 photos".into())
    );
    // Half a pool was made of them once; since then somebody has put another one there.
    world.write("state/making-pool-of", &DISKS.join("\n"));
    world.sign("a", "zfs_member tank\n");
    let refused = manager.zfs.create_pool("mirror", &DISKS, &["b"], false).await.unwrap_err();
    assert!(matches!(&refused, Error::Exists(text) if text.contains("tank")), "{refused}");
    assert_eq!(world.read("signs/vda"), "zfs_member tank");
    // Or the pool of another box like this one.
    world.foreign_pool(None, true);
    let before = world.on_foreign_pool();
    assert!(matches!(manager.zfs.create_pool("mirror", &DISKS, &["b"], false).await, Err(Error::Exists(_))));
    assert_eq!(world.on_foreign_pool(), before);
    world.sign("a", "zfs_member tank\n");
    let listed = manager.zfs.disks().await.unwrap();
    assert_eq!(listed[0].contents, "ZFS pool \"tank\"");
    manager.zfs.create_pool("mirror", &DISKS, &["a", "B"], false).await.unwrap();
    assert_eq!(manager.zfs.pool().await.unwrap().health, "ONLINE");
    // Once made, the same call changes nothing, and another is refused.
    manager.zfs.create_pool("mirror", &DISKS, &[], false).await.unwrap();
    assert!(matches!(manager.zfs.create_pool("mirror", &DISKS, &[], true).await, Err(Error::Exists(_))));
    assert!(matches!(
        manager.zfs.create_pool("single", &DISKS[..1], &["a"], false).await,
        Err(Error::Exists(_))
    ));
}

#[tokio::test]
async fn taking_over_a_pool_carries_on_after_a_power_cut_at_any_step() {
    at_every_step!(
        async |world: &World| {
            world.foreign_pool(Some(KEY), false);
        },
        async |zfs: &understudy_bus::zfs::ZfsProxy<'static>| zfs.import_pool(u64::MAX, KEY).await,
        async |world: &World, zfs: &understudy_bus::zfs::ZfsProxy<'static>, cut: &str| {
            let taken = world.read(&format!("pools/{}/host", u64::MAX)) == "7";
            match zfs.pool().await {
                Ok(pool) => assert!(taken && pool.health == "ONLINE", "{cut}"),
                Err(Error::NotReady(text)) => {
                    assert_eq!(world.read("imported"), "", "{cut}: {text}");
                    zfs.import_pool(u64::MAX, KEY).await.unwrap_or_else(|e| panic!("{cut}: {e}"));
                }
                Err(error) => panic!("{cut}: {error}"),
            }
            assert_eq!(zfs.pool().await.unwrap().health, "ONLINE", "{cut}");
            assert_eq!(zfs.recovery_key().await.unwrap().0, KEY, "{cut}");
        }
    );
}

#[tokio::test]
async fn forgetting_a_pool_carries_on_after_a_power_cut_at_any_step() {
    at_every_step!(
        async |world: &World| {
            world.foreign_pool(Some(KEY), true);
            let manager = world.start().await;
            manager.zfs.import_pool(u64::MAX, KEY).await.unwrap();
            manager.kill();
        },
        async |zfs: &understudy_bus::zfs::ZfsProxy<'static>| zfs.forget_pool().await,
        async |world: &World, zfs: &understudy_bus::zfs::ZfsProxy<'static>, cut: &str| {
            // It is not forgotten yet, and works; or it is, and is left alone.
            match zfs.pool().await {
                Ok(pool) => assert_eq!(pool.health, "ONLINE", "{cut}"),
                Err(Error::NotReady(_)) => assert_eq!(world.read("imported"), "", "{cut}"),
                Err(error) => panic!("{cut}: {error}"),
            }
            zfs.forget_pool().await.unwrap_or_else(|e| panic!("{cut}: {e}"));
            assert!(matches!(zfs.pool().await, Err(Error::NotReady(_))), "{cut}");
            assert!(matches!(zfs.recovery_key().await, Err(Error::NotFound(_))), "{cut}");
            assert_eq!(world.read("imported"), "", "{cut}");
            zfs.import_pool(u64::MAX, KEY).await.unwrap_or_else(|e| panic!("{cut}: {e}"));
        }
    );
}
