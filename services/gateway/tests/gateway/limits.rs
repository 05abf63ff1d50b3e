//! What strangers can do to the gateway: not much.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use understudy_agent::link::{Client, LinkError};
use understudy_gateway::server::Limits;
use understudy_wire::{BOX_NAME, DiskId, JobId};
use ureq::http::Method;

use crate::world::{World, blocking};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Reads until the other side closes; panics if it does not within [`LONG`].
fn until_closed(stream: &mut impl Read) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert!(
            !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
            "the gateway keeps the connection open"
        ),
    }
}

/// A TLS connection of a stranger who believes the box's authority.
fn stranger(world: &World, authority: &str) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls_pki_types::CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(BOX_NAME).unwrap();
    let mut stream = rustls::StreamOwned::new(
        rustls::ClientConnection::new(Arc::new(config), name).unwrap(),
        connect(world.port),
    );
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_refused() {
    let world = World::new().await;
    let machine = world.machine().await;
    let client = Client::paired(&machine.pairing).unwrap();
    blocking(move || {
        let (job, disk) = (JobId::new(), DiskId::new());
        let path = format!("/agent/v1/jobs/{job}/disks/{disk}/blocks");
        let answer = client.send(Method::POST, &path, &vec![0; 4097 * 40], LONG).err();
        let Some(LinkError::Refused { status: 413, refusal }) = answer else { panic!("{answer:?}") };
        assert!(refusal.error.contains("163840"), "{}", refusal.error);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_even_shake_hands_is_cut_off() {
    let world = World::with(Limits { handshake: SHORT, ..Limits::default() }).await;
    let port = world.port;
    blocking(move || until_closed(&mut connect(port))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_sends_a_request_letter_by_letter_is_cut_off() {
    let world = World::with(Limits { stranger: SHORT, ..Limits::default() }).await;
    let authority = world.machine().await.pairing.authority;
    blocking(move || {
        let mut stream = stranger(&world, &authority);
        stream.write_all(b"GET /agent/v1/orders HTTP/1.1\r\nX: ").unwrap();
        until_closed(&mut stream);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_between_requests_is_cut_off() {
    let world = World::with(Limits { head: SHORT, ..Limits::default() }).await;
    let authority = world.machine().await.pairing.authority;
    blocking(move || until_closed(&mut stranger(&world, &authority))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_from_one_address_do_not_keep_a_connected_agent_out() {
    let world = World::with(Limits { strangers_per_address: 2, per_machine: 1, ..Limits::default() }).await;
    let machine = world.machine().await;
    let link = machine.link();
    let asking = move || {
        let answer = link.order(Duration::ZERO);
        (link, answer)
    };
    // Its connection stays open, and counts no longer as a stranger's.
    let (link, answer) = blocking(asking).await;
    assert_eq!(answer.unwrap(), None);
    let port = world.port;
    let strangers = blocking(move || {
        let held = [connect(port), connect(port)];
        until_closed(&mut connect(port));
        held
    })
    .await;
    assert_eq!(blocking(move || link.order(Duration::ZERO)).await.unwrap(), None);
    drop(strangers);
}
