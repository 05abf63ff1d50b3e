//! The edge on a private bus, over the proxy that callers use.

use understudy_bus::iscsi::{IscsiProxy, NAME};
use understudy_bus::wire::{DiskId, JobId};
use understudy_private_bus::PrivateBus;

use super::*;
use crate::simulated::Simulated;

async fn manager(bus: &PrivateBus) -> (zbus::Connection, IscsiProxy<'static>, Arc<Simulated>) {
    let (service, engine) = (bus.connect().await, Arc::new(Simulated::default()));
    serve(&service, Arc::clone(&engine)).await.unwrap();
    service.request_name(NAME).await.unwrap();
    let proxy = IscsiProxy::new(&bus.connect().await).await.unwrap();
    (service, proxy, engine)
}

fn request() -> Request {
    let disk = DiskId::new().to_string();
    Request {
        job: JobId::new().to_string(),
        device: format!("/dev/zvol/understudy/understudy/machines/{}/{disk}", "0".repeat(32)),
        disk,
        initiator: "iqn.2026-11.org.understudy:machine".to_owned(),
        address: "::ffff:10.0.0.2".to_owned(),
    }
}

#[tokio::test]
async fn a_job_is_published_until_it_is_withdrawn() {
    let bus = PrivateBus::start();
    let (_service, iscsi, engine) = manager(&bus).await;
    let request = request();
    let first = iscsi.publish(&request).await.unwrap();
    let second = iscsi.publish(&request).await.unwrap();
    assert!(first.iqn.contains(&request.job) && first.iqn == second.iqn);
    assert_ne!(first.secret, second.secret);
    assert_eq!(iscsi.published().await.unwrap(), std::slice::from_ref(&request.job));
    let address = engine.published.lock().unwrap().values().next().unwrap().address;
    assert_eq!(address.to_string(), "10.0.0.2", "the firewall knows the plain form only");
    iscsi.withdraw(&request.job).await.unwrap();
    iscsi.withdraw(&request.job).await.unwrap();
    assert!(iscsi.published().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_request_that_names_anything_else_than_a_machines_volume_is_refused() {
    let bus = PrivateBus::start();
    let (_service, iscsi, engine) = manager(&bus).await;
    let spoil: [fn(&mut Request); 5] = [
        |request| request.job = "1".to_owned(),
        |request| request.disk = "../x".to_owned(),
        |request| request.device = "/dev/vda".to_owned(),
        |request| request.initiator = "a/../b".to_owned(),
        |request| request.address = "everybody".to_owned(),
    ];
    for spoil in spoil {
        let mut request = request();
        spoil(&mut request);
        let error = iscsi.publish(&request).await.map(drop).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{request:?}: {error}");
    }
    assert!(engine.published.lock().unwrap().is_empty());
}
