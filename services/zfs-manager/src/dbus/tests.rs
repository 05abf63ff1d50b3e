//! The edge on a private bus, over the proxy that callers use.

use std::io::{Read, Seek};

use understudy_bus::wire::{DiskId, MachineId, RecoveryPointId, VmId};
use understudy_bus::zfs::{NAME, ZfsProxy};
use understudy_private_bus::PrivateBus;

use super::*;
use crate::simulated::Simulated;

const DISKS: [&str; 2] = ["/dev/disk/by-id/virtio-a", "/dev/disk/by-id/virtio-b"];

async fn manager(bus: &PrivateBus) -> (zbus::Connection, ZfsProxy<'static>) {
    let service = bus.connect().await;
    serve(&service, Arc::new(Simulated::default())).await.unwrap();
    service.request_name(NAME).await.unwrap();
    let proxy = ZfsProxy::new(&bus.connect().await).await.unwrap();
    (service, proxy)
}

async fn with_pool(bus: &PrivateBus) -> (zbus::Connection, ZfsProxy<'static>) {
    let (service, zfs) = manager(bus).await;
    zfs.create_pool("mirror", &DISKS).await.unwrap();
    (service, zfs)
}

fn ids() -> (String, String, String) {
    (MachineId::new().to_string(), DiskId::new().to_string(), RecoveryPointId::new().to_string())
}

fn contents(fd: OwnedFd) -> String {
    let mut file = std::fs::File::from(std::os::fd::OwnedFd::from(fd));
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn without_a_pool_everything_is_not_ready() {
    let bus = PrivateBus::start();
    let (_service, zfs) = manager(&bus).await;
    assert!(matches!(zfs.pool().await, Err(Error::NotReady(_))));
    assert!(matches!(zfs.volumes().await, Err(Error::NotReady(_))));
}

#[tokio::test]
async fn a_pool_is_made_of_stable_disk_names_only_and_only_once() {
    let bus = PrivateBus::start();
    let (_service, zfs) = manager(&bus).await;
    for bad in ["/dev/vdb", "/dev/disk/by-id/../../vda", "/dev/disk/by-id", "virtio-a"] {
        let error = zfs.create_pool("single", &[bad]).await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{bad}: {error}");
    }
    assert!(matches!(zfs.create_pool("mirror", &DISKS[..1]).await, Err(Error::InvalidArgument(_))));
    zfs.create_pool("mirror", &DISKS).await.unwrap();
    zfs.create_pool("mirror", &DISKS).await.unwrap();
    assert!(matches!(zfs.create_pool("single", &DISKS[..1]).await, Err(Error::Exists(_))));
    assert_eq!(zfs.pool().await.unwrap().health, "ONLINE");
}

#[tokio::test]
async fn a_volume_is_found_again_and_its_size_does_not_change() {
    let bus = PrivateBus::start();
    let (_service, zfs) = with_pool(&bus).await;
    let (machine, disk, _) = ids();
    let volume = zfs.create_volume(&machine, &disk, 35_840_000, 512).await.unwrap();
    assert_eq!(volume.device, format!("/dev/zvol/understudy/understudy/machines/{machine}/{disk}"));
    assert_eq!(zfs.create_volume(&machine, &disk, 35_840_000, 512).await.unwrap(), volume);
    assert!(matches!(zfs.create_volume(&machine, &disk, 512, 512).await, Err(Error::Exists(_))));
    assert_eq!(zfs.volumes().await.unwrap(), [volume]);
}

#[tokio::test]
async fn text_that_is_no_id_never_reaches_the_engine() {
    let bus = PrivateBus::start();
    let (_service, zfs) = with_pool(&bus).await;
    let (machine, disk, point) = ids();
    let bad = "../../../etc";
    assert!(matches!(zfs.create_volume(bad, &disk, 512, 512).await, Err(Error::InvalidArgument(_))));
    assert!(matches!(zfs.rollback(&machine, bad, &point).await, Err(Error::InvalidArgument(_))));
    assert!(matches!(zfs.snapshot(&machine, &point, &[bad], "").await, Err(Error::InvalidArgument(_))));
    assert!(matches!(zfs.snapshot(&machine, &point, &[], "").await, Err(Error::InvalidArgument(_))));
    assert!(matches!(zfs.open_point(&machine, &disk, bad).await, Err(Error::InvalidArgument(_))));
    assert!(matches!(zfs.clone_point(bad, &machine, &point).await, Err(Error::InvalidArgument(_))));
    assert!(matches!(zfs.destroy_clones(bad).await, Err(Error::InvalidArgument(_))));
}

#[tokio::test]
async fn a_point_is_taken_once_cloned_opened_and_let_go() {
    let bus = PrivateBus::start();
    let (_service, zfs) = with_pool(&bus).await;
    let (machine, disk, point) = ids();
    let vm = VmId::new().to_string();
    zfs.create_volume(&machine, &disk, 1024, 512).await.unwrap();
    zfs.rollback(&machine, &disk, "").await.unwrap();
    let taken = zfs.snapshot(&machine, &point, &[&disk], "{\"version\":1}").await.unwrap();
    assert_eq!(zfs.snapshot(&machine, &point, &[&disk], "").await.unwrap(), taken);
    assert_eq!(zfs.points("").await.unwrap(), std::slice::from_ref(&taken));
    assert_eq!(zfs.points(&MachineId::new().to_string()).await.unwrap(), []);
    assert!(matches!(zfs.rollback(&machine, &disk, "").await, Err(Error::Exists(_))));
    zfs.rollback(&machine, &disk, &point).await.unwrap();
    let opened = zfs.open_point(&machine, &disk, &point).await.unwrap();
    assert!(contents(opened).ends_with(&format!("{machine}/{disk}@rp-{point}")));
    let clones = zfs.clone_point(&vm, &machine, &point).await.unwrap();
    assert_eq!((clones.len(), clones[0].size), (1, 1024));
    assert!(contents(zfs.open_clone(&vm, &disk).await.unwrap()).ends_with(&format!("vms/{vm}/{disk}")));
    assert_eq!(zfs.clones().await.unwrap(), std::slice::from_ref(&vm));
    zfs.destroy_clones(&vm).await.unwrap();
    zfs.destroy_clones(&vm).await.unwrap();
    assert!(zfs.clones().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_machine_has_the_record_it_was_given_last_volumes_or_not() {
    let bus = PrivateBus::start();
    let (_service, zfs) = with_pool(&bus).await;
    let (machine, disk, _) = ids();
    let (other, long) = (MachineId::new().to_string(), "x".repeat(90_000));
    assert_eq!(zfs.machine_records().await.unwrap(), []);
    zfs.create_volume(&machine, &disk, 1024, 512).await.unwrap();
    zfs.set_machine_record(&machine, &long).await.unwrap();
    zfs.set_machine_record(&machine, "{}").await.unwrap();
    zfs.set_machine_record(&other, &long).await.unwrap();
    let mut records = zfs.machine_records().await.unwrap();
    records.sort_by_key(|record| record.machine == other);
    let records: Vec<_> = records.into_iter().map(|record| (record.machine, record.record)).collect();
    assert!(records == [(machine.clone(), "{}".to_owned()), (other, long)]);
    assert!(matches!(zfs.set_machine_record("../x", "{}").await, Err(Error::InvalidArgument(_))));
    let too_long = zfs.set_machine_record(&machine, &"x".repeat(100_000)).await;
    assert!(matches!(too_long, Err(Error::InvalidArgument(_))));
}
