//! The only door from the network: HTTPS for agents. It owns no data but its certificate authority and decides nothing but
//! who is calling; what is asked is passed to the scheduler.

pub mod authority;
mod caller;
pub mod listen;
mod pairing;
mod refusal;
mod routes;
pub mod scheduler;
pub mod server;

use std::sync::Arc;

use authority::Authority;
use pairing::Sessions;
use scheduler::Scheduler;

/// Everything a request may need.
#[derive(Clone)]
pub struct Gateway {
    authority: Arc<Authority>,
    scheduler: Arc<Scheduler>,
    sessions: Arc<Sessions>,
}

impl Gateway {
    /// A gateway that signs with this authority and passes on to this scheduler.
    pub fn new(authority: Authority, scheduler: Scheduler) -> Self {
        Self { authority: Arc::new(authority), scheduler: Arc::new(scheduler), sessions: Arc::default() }
    }
}
