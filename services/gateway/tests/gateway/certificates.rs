//! Who is let in, and whom an agent believes.

use std::time::Duration;

use understudy_agent::link::{Client, HttpsLink, LinkError, Locator};
use ureq::http::Method;

use crate::world::{World, blocking};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_nothing_but_pairing_is_answered() {
    let world = World::new().await;
    blocking(move || {
        let client = Client::unverified(Locator::new(world.address.clone(), None));
        let job = "000102030405060708090a0b0c0d0e0f";
        for (method, path) in [
            (Method::PUT, "/agent/v1/inventory".to_owned()),
            (Method::GET, "/agent/v1/orders".to_owned()),
            (Method::POST, format!("/agent/v1/jobs/{job}/progress")),
            (Method::POST, format!("/agent/v1/jobs/{job}/disks/{job}/blocks")),
            (Method::GET, format!("/agent/v1/jobs/{job}/disks/{job}/hashes?from=0&count=1")),
            (Method::POST, format!("/agent/v1/jobs/{job}/report")),
            (Method::GET, format!("/agent/v1/jobs/{job}/outcome")),
        ] {
            let body: &[u8] = if method == Method::GET { &[] } else { b"{}" };
            let answer = client.send(method, &path, body, SOON).err();
            let Some(LinkError::Refused { status: 401, refusal }) = answer else {
                panic!("{path}: {answer:?}")
            };
            assert!(refusal.error.contains("pair"), "{}", refusal.error);
        }
        assert_eq!(world.scheduler.asked(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_box_is_refused_and_says_so() {
    let world = World::new().await;
    let other = World::new().await;
    let (here, there) = (world.machine().await, other.machine().await);
    // It believes this box, but shows the certificate of the other.
    let mut forged = here.pairing;
    (forged.key, forged.certificate) = (there.pairing.key, there.pairing.certificate);
    let link = HttpsLink::open(&forged).unwrap();
    let error = blocking(move || link.order(Duration::ZERO)).await.unwrap_err();
    assert!(matches!(error, LinkError::Protocol(_)), "{error:?}");
    assert!(error.to_string().contains("does not accept this machine's certificate"), "{error}");
    assert_eq!(world.scheduler.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_speaks_to_no_box_but_its_own() {
    let world = World::new().await;
    let other = World::new().await;
    let mut misled = other.machine().await.pairing;
    misled.address = world.address.clone();
    let link = HttpsLink::open(&misled).unwrap();
    let error = blocking(move || link.order(Duration::ZERO)).await.unwrap_err().to_string();
    assert!(error.contains("is not the box this machine is paired with"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_does_not_make_a_box() {
    let world = World::new().await;
    let mut pairing = world.machine().await.pairing;
    // Somebody who holds a machine's key serves with it.
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    use rustls_pki_types::pem::PemObject;
    let certificate =
        rustls_pki_types::CertificateDer::from_pem_slice(pairing.certificate.as_bytes()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(pairing.key.as_bytes()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    pairing.address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = rustls::ServerConnection::new(std::sync::Arc::new(tls)).unwrap();
        let _ = connection.complete_io(&mut stream);
    });
    let link = HttpsLink::open(&pairing).unwrap();
    let error = blocking(move || link.order(Duration::ZERO)).await.unwrap_err();
    assert!(matches!(error, LinkError::Protocol(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_the_box_has_forgotten_is_told_to_pair_again() {
    let world = World::new().await;
    let machine = world.machine().await;
    world.scheduler.forget(machine.id);
    let link = machine.link();
    let error = blocking(move || link.order(Duration::ZERO)).await.unwrap_err();
    let LinkError::Refused { status: 403, refusal } = error else { panic!("{error}") };
    assert!(refusal.error.contains("pair it again"), "{}", refusal.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn pairings_outlive_a_restart_of_the_gateway() {
    let mut world = World::new().await;
    let mut pairing = world.machine().await.pairing;
    world.restart_gateway().await;
    pairing.address = world.address.clone();
    let link = HttpsLink::open(&pairing).unwrap();
    assert_eq!(blocking(move || link.order(Duration::ZERO)).await.unwrap(), None);
}
