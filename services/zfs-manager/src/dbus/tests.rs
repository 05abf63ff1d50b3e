//! The edge on a private bus, over the proxy that callers use.

use std::io::{Read, Seek};

use futures_util::StreamExt;
use understudy_bus::wire::{DiskId, MachineId, RecoveryPointId, VmId};
use understudy_bus::zfs::{HEALTH_LOCKED, NAME, ZfsProxy, is_locked};
use understudy_private_bus::PrivateBus;

use super::*;
use crate::simulated::Simulated;

const DISKS: [&str; 2] = ["/dev/disk/by-id/virtio-a", "/dev/disk/by-id/virtio-b"];

async fn manager(bus: &PrivateBus) -> (zbus::Connection, ZfsProxy<'static>) {
    manager_of(bus, Arc::new(Simulated::default())).await
}

async fn manager_of(bus: &PrivateBus, engine: Arc<Simulated>) -> (zbus::Connection, ZfsProxy<'static>) {
    let service = bus.connect().await;
    serve(&service, engine).await.unwrap();
    service.request_name(NAME).await.unwrap();
    let proxy = ZfsProxy::new(&bus.connect().await).await.unwrap();
    (service, proxy)
}

async fn with_pool(bus: &PrivateBus) -> (zbus::Connection, ZfsProxy<'static>) {
    let (service, zfs) = manager(bus).await;
    zfs.create_pool("mirror", &DISKS, &[], false).await.unwrap();
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
        let error = zfs.create_pool("single", &[bad], &[], false).await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{bad}: {error}");
    }
    assert!(matches!(
        zfs.create_pool("mirror", &DISKS[..1], &[], false).await,
        Err(Error::InvalidArgument(_))
    ));
    zfs.create_pool("mirror", &DISKS, &[], false).await.unwrap();
    zfs.create_pool("mirror", &DISKS, &[], false).await.unwrap();
    assert!(matches!(zfs.create_pool("single", &DISKS[..1], &[], false).await, Err(Error::Exists(_))));
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
async fn a_disk_is_erased_only_if_its_owner_has_named_it() {
    let bus = PrivateBus::start();
    let (_service, zfs) = manager(&bus).await;
    let disks = zfs.disks().await.unwrap();
    assert!(disks.is_sorted_by_key(|disk| disk.name.clone()) && disks.len() == 4);
    let (a, c) = (disks[0].name.as_str(), disks[2].name.as_str());
    let refused = zfs.create_pool("mirror", &[a, c], &[], false).await.unwrap_err();
    assert!(matches!(&refused, Error::Exists(text) if text.contains(&disks[2].contents)), "{refused}");
    for erase in [&["c", "b"][..], &["DATA"], &[""]] {
        let error = zfs.create_pool("mirror", &[a, c], erase, false).await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    }
    let system = disks[3].name.as_str();
    assert!(matches!(
        zfs.create_pool("mirror", &[a, system], &["system"], false).await,
        Err(Error::InvalidArgument(_))
    ));
    zfs.create_pool("mirror", &[a, c], &["c"], false).await.unwrap();
    assert_eq!(zfs.disks().await.unwrap()[2].usable, "part of this box's pool");
}

#[tokio::test]
async fn a_recovery_key_is_made_shown_confirmed_and_never_replaced() {
    let bus = PrivateBus::start();
    let (_service, zfs) = manager(&bus).await;
    assert!(matches!(zfs.recovery_key().await, Err(Error::NotFound(_))));
    assert!(matches!(zfs.confirm_recovery_key().await, Err(Error::NotFound(_))));
    zfs.create_pool("mirror", &DISKS, &[], true).await.unwrap();
    let (key, confirmed) = zfs.recovery_key().await.unwrap();
    assert!(!confirmed && key.parse::<RecoveryKey>().is_ok());
    zfs.confirm_recovery_key().await.unwrap();
    assert_eq!(zfs.recovery_key().await.unwrap(), (key.clone(), true));
    let other = RecoveryKey::generate().unwrap().to_string();
    assert!(matches!(zfs.keep_recovery_key(&other).await, Err(Error::Exists(_))));
    zfs.keep_recovery_key(&key).await.unwrap();
}

#[tokio::test]
async fn a_mistyped_key_is_refused_with_the_group_and_without_the_key() {
    let bus = PrivateBus::start();
    let (_service, zfs) = manager(&bus).await;
    let typed = "720885-000000-000011-123454-111111-222222-333333-444444";
    for error in [
        zfs.keep_recovery_key(typed).await.unwrap_err(),
        zfs.unlock(typed).await.unwrap_err(),
        zfs.import_pool(1, typed).await.unwrap_err(),
    ] {
        assert!(matches!(&error, Error::InvalidArgument(text) if text.contains("group 4")), "{error}");
        assert!(!error.message().contains("123454"));
    }
    let kept = typed.replace("123454", "123453");
    zfs.keep_recovery_key(&kept.replace('-', " ")).await.unwrap();
    zfs.create_pool("mirror", &DISKS, &[], true).await.unwrap();
    assert_eq!(zfs.recovery_key().await.unwrap(), (kept, false));
}

#[tokio::test]
async fn whoever_listens_is_told_when_the_pool_changes() {
    let bus = PrivateBus::start();
    let engine = Arc::new(Simulated::default());
    let (_service, zfs) = manager_of(&bus, Arc::clone(&engine)).await;
    let mut changes = zfs.receive_pool_changed().await.unwrap();
    let mut told = async || {
        let signal = changes.next().await.unwrap();
        let pool = signal.args().unwrap().pool().clone();
        (pool.name, pool.health)
    };
    let pool = |health: &str| ("understudy".to_owned(), health.to_owned());
    zfs.create_pool("mirror", &DISKS, &[], true).await.unwrap();
    assert_eq!(told().await, pool("ONLINE"));
    engine.set_health("DEGRADED");
    assert_eq!(told().await, pool("DEGRADED"));
    let (key, _) = zfs.recovery_key().await.unwrap();
    engine.lose_key();
    assert_eq!(told().await, pool(HEALTH_LOCKED));
    assert!(is_locked(&zfs.pool().await.unwrap_err()));
    assert!(matches!(zfs.unlock(&RecoveryKey::generate().unwrap().to_string()).await, Err(Error::Denied(_))));
    zfs.unlock(&key).await.unwrap();
    assert_eq!(told().await, pool("DEGRADED"));
    assert_eq!(zfs.recovery_key().await.unwrap(), (key, true));
    engine.set_busy(true);
    assert!(matches!(zfs.forget_pool().await, Err(Error::Busy(_))));
    engine.set_busy(false);
    zfs.forget_pool().await.unwrap();
    assert_eq!(told().await, (String::new(), String::new()));
}

#[tokio::test]
async fn a_forgotten_pool_can_be_taken_again_with_all_that_is_on_it() {
    let bus = PrivateBus::start();
    let (_service, zfs) = manager(&bus).await;
    let (machine, disk, _) = ids();
    zfs.create_pool("mirror", &DISKS, &[], true).await.unwrap();
    let volume = zfs.create_volume(&machine, &disk, 1024, 512).await.unwrap();
    let (key, _) = zfs.recovery_key().await.unwrap();
    zfs.forget_pool().await.unwrap();
    assert!(matches!(zfs.pool().await, Err(Error::NotReady(_))));
    let found = zfs.importable().await.unwrap().remove(0);
    assert!(found.ours && found.missing == 0 && found.disks.len() == 2);
    assert!(is_locked(&zfs.import_pool(found.guid, "").await.unwrap_err()));
    assert!(matches!(zfs.import_pool(found.guid + 1, &key).await, Err(Error::NotFound(_))));
    zfs.import_pool(found.guid, &key).await.unwrap();
    assert_eq!(zfs.volumes().await.unwrap(), [volume]);
    assert!(zfs.importable().await.unwrap().is_empty());
}

/// The policy with this test in the place of `user`, and nobody as root.
async fn as_user(user: &str) -> (PrivateBus, zbus::Connection, ZfsProxy<'static>, Arc<Simulated>) {
    let policy = include_str!("../../org.understudy.Zfs1.dbus.conf");
    let me = nix::unistd::geteuid();
    let owner = format!("<policy user=\"{me}\"><allow own=\"{NAME}\"/></policy></busconfig>");
    let policy = policy
        .replace("user=\"root\"", "user=\"nobody\"")
        .replace(&format!("user=\"{user}\""), &format!("user=\"{me}\""))
        .replace("</busconfig>", &owner);
    let bus = PrivateBus::with_policy(&policy);
    let engine = Arc::new(Simulated::default());
    let (service, zfs) = manager_of(&bus, Arc::clone(&engine)).await;
    (bus, service, zfs, engine)
}

/// Whether the bus itself refused a call.
fn is_denied<T>(result: Result<T>) -> bool {
    let name = match result {
        Err(Error::ZBus(zbus::Error::MethodError(name, ..))) => name.to_string(),
        Err(Error::ZBus(zbus::Error::FDO(error))) => {
            return matches!(*error, zbus::fdo::Error::AccessDenied(_));
        }
        _ => return false,
    };
    name == "org.freedesktop.DBus.Error.AccessDenied"
}

#[tokio::test]
async fn the_console_may_look_and_hold_the_key_and_nothing_else() {
    let (_bus, _service, zfs, engine) = as_user("understudy-console").await;
    let mut changes = zfs.receive_pool_changed().await.unwrap();
    let key = RecoveryKey::generate().unwrap();
    assert_eq!(zfs.disks().await.unwrap().len(), 4);
    assert!(zfs.importable().await.unwrap().is_empty());
    assert!(matches!(zfs.pool().await, Err(Error::NotReady(_))));
    zfs.keep_recovery_key(&key.to_string()).await.unwrap();
    zfs.confirm_recovery_key().await.unwrap();
    assert_eq!(zfs.recovery_key().await.unwrap(), (key.to_string(), true));
    assert!(matches!(zfs.unlock(&key.to_string()).await, Err(Error::NotReady(_))));
    let (machine, disk, point) = ids();
    assert!(is_denied(zfs.create_pool("mirror", &DISKS, &[], false).await));
    assert!(is_denied(zfs.import_pool(1, "").await));
    assert!(is_denied(zfs.forget_pool().await));
    assert!(is_denied(zfs.volumes().await));
    assert!(is_denied(zfs.rollback(&machine, &disk, "").await));
    assert!(is_denied(zfs.open_point(&machine, &disk, &point).await));
    assert!(is_denied(zfs.destroy_clones(&machine).await));
    let redundancy = Redundancy::Mirror;
    let disks = DISKS.map(PathBuf::from).to_vec();
    engine.create_pool(NewPool { redundancy, disks, erase: vec![], encrypted: true }).await.unwrap();
    assert_eq!(changes.next().await.unwrap().args().unwrap().pool().health, "ONLINE");
}

#[tokio::test]
async fn the_scheduler_never_sees_the_key_nor_changes_which_pool_it_is() {
    let (_bus, _service, zfs, _engine) = as_user("understudy-scheduler").await;
    let key = RecoveryKey::generate().unwrap().to_string();
    zfs.create_pool("mirror", &DISKS, &[], true).await.unwrap();
    assert!(zfs.volumes().await.unwrap().is_empty() && zfs.pool().await.is_ok());
    assert!(is_denied(zfs.recovery_key().await));
    assert!(is_denied(zfs.keep_recovery_key(&key).await));
    assert!(is_denied(zfs.confirm_recovery_key().await));
    assert!(is_denied(zfs.unlock(&key).await));
    assert!(is_denied(zfs.forget_pool().await));
    assert!(is_denied(zfs.import_pool(1, &key).await));
}

#[tokio::test]
async fn others_may_do_nothing() {
    let (_bus, _service, zfs, _engine) = as_user("somebody-else").await;
    assert!(is_denied(zfs.pool().await));
    assert!(is_denied(zfs.disks().await));
    assert!(is_denied(zfs.recovery_key().await));
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
