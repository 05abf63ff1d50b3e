//! `understudy-agent pair`: the agent's side of [`understudy_wire::pairing`].

use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use understudy_wire::pairing::{Code, Exchange, Finish, Finished, PairingError, Start, Started};
use understudy_wire::{MachineId, PROTOCOL};
use ureq::http::Method;

use crate::link::{Address, Client, LinkError, Locator, patiently};
use crate::state::{Pairing, StateDir};

/// A lost answer is asked for again for this long; the box remembers the pairing for a minute.
const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(30);

/// Pairs this machine with the box at `address` and stores what came of it. Nothing is stored before the box has proved that
/// it knows the code, too. With `again` an earlier pairing is replaced.
pub fn pair(
    state: &StateDir,
    address: &Address,
    code: &Code,
    host_name: &str,
    again: bool,
) -> anyhow::Result<MachineId> {
    if !again && let Some(pairing) = state.pairing()? {
        bail!(
            "this machine is paired with the box at {} already, as machine {}; use --again to pair it anew",
            pairing.address,
            pairing.machine
        );
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("cannot make a key")?;
    let request = CertificateParams::default().serialize_request(&key)?.pem()?;

    let client = Client::unverified(Locator::new(address.clone(), None));
    let (exchange, message) = Exchange::agent(code);
    let start =
        Start { protocol: PROTOCOL, selector: code.selector().to_owned(), message: BASE64.encode(message) };
    let started: Started = client
        .send_json(Method::POST, "/agent/v1/pair/start", &start, ANSWER)
        .and_then(|answer| answer.json())
        .map_err(explain)?;
    let message = BASE64.decode(&started.message).context("the box's pairing message is not base64")?;
    let keys = exchange.finish(&message)?;
    let finish = Finish {
        session: started.session,
        host_name: host_name.to_owned(),
        proof: BASE64.encode(keys.agent_proof(host_name, &request)),
        request,
    };
    let finished: Finished = patiently(
        PATIENCE,
        |error| matches!(error, LinkError::Unreachable { .. }),
        || client.send_json(Method::POST, "/agent/v1/pair/finish", &finish, ANSWER)?.json(),
    )
    .map_err(explain)?;
    let proof = BASE64.decode(&finished.proof).unwrap_or_default();
    keys.check_box(finished.machine, &finished.certificate, &finished.authority, &proof)?;

    let ip = client.locator().current().context("the box answered from no address")?;
    let pairing = Pairing::new(
        finished.machine,
        address.clone(),
        ip,
        key.serialize_pem(),
        finished.certificate,
        finished.authority,
    );
    // What cannot be used later must not replace what can.
    Client::paired(&pairing)?;
    state.store_pairing(&pairing)?;
    Ok(finished.machine)
}

/// An unknown code (404) and a wrong one (403) are the same to the person who typed it.
fn explain(error: LinkError) -> anyhow::Error {
    match error {
        LinkError::Refused { status: 403 | 404, refusal } => {
            tracing::debug!("the box said: {}", refusal.error);
            PairingError::NotTheSameCode.into()
        }
        error => error.into(),
    }
}
