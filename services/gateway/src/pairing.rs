//! The box's side of pairing, see [`understudy_wire::pairing`]: two requests, and a session between them in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, body::Body};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use understudy_wire::PROTOCOL;
use understudy_wire::pairing::{Code, Exchange, Finish, Finished, Keys, PairingError, Start, Started};

use crate::Gateway;
use crate::authority::Request;
use crate::refusal::Refused;
use crate::routes::{json, read};

/// More than a certificate request and a host name need.
const BODY: usize = 16 * 1024;
/// Long enough for a slow machine to make a key.
const LIFE: Duration = Duration::from_secs(60);
/// Sessions at once. Each has cost its caller a try of a code that exists.
const MOST: usize = 64;

/// Pairings under way.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<String, Session>>);

struct Session {
    selector: String,
    keys: Arc<Keys>,
    begun: Instant,
}

impl Sessions {
    /// Keeps a new session and names it; `None` when there are too many.
    fn open(&self, selector: String, keys: Keys, now: Instant) -> Option<String> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| now.duration_since(session.begun) < LIFE);
        if sessions.len() >= MOST {
            return None;
        }
        let mut name = [0; 16];
        getrandom::fill(&mut name).expect("the kernel's random source answers once the system has booted");
        let name = BASE64.encode(name);
        sessions.insert(name.clone(), Session { selector, keys: Arc::new(keys), begun: now });
        Some(name)
    }

    /// Takes a session out: a wrong proof ends it.
    fn take(&self, name: &str, now: Instant) -> Option<Session> {
        let session = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name)?;
        (now.duration_since(session.begun) < LIFE).then_some(session)
    }

    /// Puts a session back after a right proof, so that a lost answer can be asked for once more.
    fn keep(&self, name: String, session: Session) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, session);
    }
}

/// `POST /agent/v1/pair/start`
pub async fn start(State(gateway): State<Gateway>, body: Body) -> Result<Json<Started>, Refused> {
    let start: Start = json(&read(body, BODY).await?)?;
    let message = BASE64
        .decode(&start.message)
        .map_err(|error| Refused::bad(format!("the pairing message is not base64: {error}")))?;
    // Counted before anything else, so that no try is free.
    let code = gateway.scheduler.call(|agents| agents.pairing_attempt(&start.selector)).await?;
    let code: Code = code.parse().map_err(|_| {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "the box's scheduler keeps a malformed pairing code")
    })?;
    let (exchange, answer) = Exchange::appliance(&code);
    let keys = exchange.finish(&message).map_err(wrong_code)?;
    let session = gateway.sessions.open(start.selector, keys, Instant::now()).ok_or_else(|| {
        Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many machines are pairing at this moment; try again in a minute",
        )
    })?;
    Ok(Json(Started { protocol: PROTOCOL, session, message: BASE64.encode(answer) }))
}

/// `POST /agent/v1/pair/finish`
pub async fn finish(State(gateway): State<Gateway>, body: Body) -> Result<Json<Finished>, Refused> {
    let finish: Finish = json(&read(body, BODY).await?)?;
    let session = gateway.sessions.take(&finish.session, Instant::now()).ok_or_else(|| {
        Refused::new(StatusCode::GONE, "this pairing has taken too long or has failed; start it again")
    })?;
    let proof = BASE64.decode(&finish.proof).unwrap_or_default();
    session.keys.check_agent(&finish.host_name, &finish.request, &proof).map_err(|error| {
        tracing::warn!("a pairing failed: the agent did not know the code {}-…", session.selector);
        wrong_code(error)
    })?;
    let request = Request::parse(&finish.request).map_err(Refused::bad)?;
    let key = request.key_id();
    let machine = gateway
        .scheduler
        .call(|agents| agents.register(&session.selector, &finish.host_name, &key))
        .await?
        .parse()
        .map_err(|error| {
            Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the scheduler erred: {error}"))
        })?;
    let certificate = gateway.authority.sign(&request, machine).map_err(|error| {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no certificate could be made: {error:#}"))
    })?;
    let authority = gateway.authority.pem().to_owned();
    let proof = BASE64.encode(session.keys.box_proof(machine, &certificate, &authority));
    tracing::info!(machine = %machine, "paired with {:?}", finish.host_name);
    gateway.sessions.keep(finish.session, session);
    Ok(Json(Finished { machine, certificate, authority, proof }))
}

fn wrong_code(error: PairingError) -> Refused {
    Refused::new(StatusCode::FORBIDDEN, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let code = Code::new();
        let (_, message) = Exchange::agent(&code);
        Exchange::appliance(&code).0.finish(&message).unwrap()
    }

    #[test]
    fn a_session_is_taken_once_and_not_after_its_time() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let name = sessions.open("7K4P".into(), keys(), now).unwrap();
        let session = sessions.take(&name, now).unwrap();
        assert!(sessions.take(&name, now).is_none());
        sessions.keep(name.clone(), session);
        assert!(sessions.take(&name, now + LIFE).is_none());
    }

    #[test]
    fn old_sessions_make_room_and_new_ones_do_not_grow_without_bound() {
        let sessions = Sessions::default();
        let now = Instant::now();
        for _ in 0..MOST {
            sessions.open("7K4P".into(), keys(), now).unwrap();
        }
        assert!(sessions.open("7K4P".into(), keys(), now).is_none());
        assert!(sessions.open("7K4P".into(), keys(), now + LIFE).is_some());
    }
}
