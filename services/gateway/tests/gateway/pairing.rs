//! Pairing with right, wrong and used-up codes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{CertificateParams, KeyPair};
use understudy_agent::link::{Client, LinkError, Locator};
use understudy_agent::pair::pair;
use understudy_agent::state::StateDir;
use understudy_wire::PROTOCOL;
use understudy_wire::pairing::{Code, Exchange, Finish, Finished, Keys, PairingError, Start, Started};
use ureq::http::Method;

use crate::world::{World, blocking};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// A code for the same invitation with another secret.
fn mistyped(code: &Code) -> Code {
    let text = code.to_string();
    let last = if text.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &text[..text.len() - 1]).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_code_makes_a_machine_that_may_talk() {
    let world = World::new().await;
    let machine = world.machine().await;
    assert_eq!(world.scheduler.machines(), 1);
    let link = machine.link();
    assert_eq!(blocking(move || link.order(std::time::Duration::ZERO)).await.unwrap(), None);
    assert_eq!(world.scheduler.memory.lock().unwrap().addresses, ["127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_is_explained_counted_and_leaves_nothing_behind() {
    let world = World::new().await;
    let code = world.scheduler.invite();
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let error = world.pair(&state, &mistyped(&code), false).await.unwrap_err();
    assert_eq!(error.to_string(), PairingError::NotTheSameCode.to_string());
    assert_eq!(world.scheduler.attempts(&code), 1);
    assert_eq!(world.scheduler.machines(), 0);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    let error = world.pair(&state, &Code::new(), false).await.unwrap_err();
    assert_eq!(error.to_string(), PairingError::NotTheSameCode.to_string(), "an unknown one says the same");
    world.pair(&state, &code, false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once() {
    let world = World::new().await;
    let code = world.scheduler.invite();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    world.pair(&StateDir::open(first.path()).unwrap(), &code, false).await.unwrap();
    let error = world.pair(&StateDir::open(second.path()).unwrap(), &code, false).await.unwrap_err();
    assert_eq!(error.to_string(), PairingError::NotTheSameCode.to_string());
    assert_eq!(world.scheduler.machines(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paired_machine_is_paired_anew_only_when_told_so() {
    let world = World::new().await;
    let machine = world.machine().await;
    let code = world.scheduler.invite();
    let error = world.pair(&machine.state, &code, false).await.unwrap_err().to_string();
    assert!(error.contains("--again"), "{error}");
    assert_eq!(world.scheduler.attempts(&code), 0, "a refusal costs no try");
    assert_eq!(machine.state.pairing().unwrap().unwrap(), machine.pairing);
    let new = world.pair(&machine.state, &code, true).await.unwrap();
    assert_ne!(new, machine.id);
    assert_eq!(machine.state.pairing().unwrap().unwrap().machine, new);
}

/// The two requests by hand, to see what comes of them separately.
struct ByHand {
    client: Client,
    keys: Keys,
    finish: Finish,
}

impl ByHand {
    fn start(world: &World, code: &Code) -> Self {
        let client = Client::unverified(Locator::new(world.address.clone(), None));
        let (exchange, message) = Exchange::agent(code);
        let start =
            Start { protocol: PROTOCOL, selector: code.selector().into(), message: BASE64.encode(message) };
        let started: Started =
            client.send_json(Method::POST, "/agent/v1/pair/start", &start, SOON).unwrap().json().unwrap();
        let keys = exchange.finish(&BASE64.decode(started.message).unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let proof = BASE64.encode(keys.agent_proof("ledger", &request));
        let finish = Finish { session: started.session, host_name: "ledger".into(), request, proof };
        Self { client, keys, finish }
    }

    fn finish(&self) -> Result<Finished, LinkError> {
        self.client.send_json(Method::POST, "/agent/v1/pair/finish", &self.finish, SOON)?.json()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_given_again_and_means_the_same_machine() {
    let world = World::new().await;
    blocking(move || {
        let by_hand = ByHand::start(&world, &world.scheduler.invite());
        let (first, second) = (by_hand.finish().unwrap(), by_hand.finish().unwrap());
        assert_eq!(first.machine, second.machine);
        let proof = BASE64.decode(&second.proof).unwrap();
        by_hand.keys.check_box(second.machine, &second.certificate, &second.authority, &proof).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_exchanged_on_the_way_ends_the_session() {
    let world = World::new().await;
    blocking(move || {
        let mut by_hand = ByHand::start(&world, &world.scheduler.invite());
        let honest = by_hand.finish.request.clone();
        let key = KeyPair::generate().unwrap();
        by_hand.finish.request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        assert!(matches!(by_hand.finish(), Err(LinkError::Refused { status: 403, .. })));
        by_hand.finish.request = honest;
        assert!(matches!(by_hand.finish(), Err(LinkError::Refused { status: 410, .. })), "one guess a try");
        assert_eq!(world.scheduler.machines(), 0);
    })
    .await;
}

/// Pretends to be a box: goes along with the handshake, but does not know the code.
mod impostor {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;

    /// Answers `start`, then `finish`, each on whatever connection it comes.
    pub fn serve(listener: TcpListener, tls: rustls::ServerConfig) {
        let tls = Arc::new(tls);
        let (exchange, message) = Exchange::appliance(&Code::new());
        let mut exchange = Some(exchange);
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(tls.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            while let Some((path, body)) = request(&mut stream) {
                let answer = if path.ends_with("start") {
                    let start: Start = serde_json::from_slice(&body).unwrap();
                    let _ = exchange.take().unwrap().finish(&BASE64.decode(start.message).unwrap());
                    serde_json::to_string(&Started {
                        protocol: PROTOCOL,
                        session: "s".into(),
                        message: BASE64.encode(&message),
                    })
                } else {
                    serde_json::to_string(&Finished {
                        machine: understudy_wire::MachineId::new(),
                        certificate: "certificate".into(),
                        authority: "authority".into(),
                        proof: BASE64.encode([0; 32]),
                    })
                };
                let answer = answer.unwrap();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
                stream.write_all(format!("{head}{answer}").as_bytes()).unwrap();
                stream.flush().unwrap();
            }
        }
    }

    fn request(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length =
            head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap()];
        stream.read_exact(&mut body).ok()?;
        Some((head.split(' ').nth(1)?.to_owned(), body))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_that_does_not_know_the_code_is_found_out_and_nothing_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let tls = crate::world::authority(&dir.path().join("impostor")).tls().unwrap();
    std::thread::spawn(move || impostor::serve(listener, tls));
    let state = StateDir::open(&dir.path().join("agent")).unwrap();
    let (error, state) =
        blocking(move || (pair(&state, &address, &Code::new(), "ledger", false).unwrap_err(), state)).await;
    assert_eq!(error.to_string(), PairingError::NotTheSameCode.to_string());
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
}
