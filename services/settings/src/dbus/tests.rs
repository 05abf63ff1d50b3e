//! The edge on a private bus, over the proxy that callers use.

use understudy_bus::settings::{NAME, SettingsProxy};
use understudy_private_bus::PrivateBus;

use super::*;
use crate::status::State;

#[tokio::test]
async fn the_status_on_the_bus_is_the_one_that_setting_up_has_reached() {
    let bus = PrivateBus::start();
    let (service, status) = (bus.connect().await, Arc::new(Shared::default()));
    serve(&service, Arc::clone(&status)).await.unwrap();
    service.request_name(NAME).await.unwrap();
    let settings = SettingsProxy::new(&bus.connect().await).await.unwrap();
    assert_eq!(settings.status().await.unwrap().state, "applying");
    status.set_host_name("box");
    status.set_addresses(vec!["10.0.0.2/24".to_owned()]);
    status.set(State::Failed, "why");
    let now = settings.status().await.unwrap();
    assert_eq!((now.state.as_str(), now.message.as_str(), now.host_name.as_str()), ("failed", "why", "box"));
    assert_eq!(now.addresses, ["10.0.0.2/24"]);
}
