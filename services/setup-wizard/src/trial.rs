//! A network is tried before it is kept; for the wizard and for the menu.

use understudy_answers::Network;

use crate::appliance::{Check, Result, Trial};
use crate::page::Page;
use crate::request::{Answer, Request};

/// A trial that runs or has run.
#[derive(Debug, Clone)]
pub(crate) struct Trying {
    pub network: Network,
    number: u64,
    pub result: Option<Result<Trial>>,
}

impl Trying {
    /// Begins one; `number` tells it from all others.
    pub fn begin(number: u64, network: Network) -> (Self, Request) {
        let request = Request::TryNetwork(number, network.to_string());
        (Self { network, number, result: None }, request)
    }

    /// Whether this was the answer to this trial.
    pub fn answer(&mut self, answer: &Answer) -> bool {
        match answer {
            Answer::Trial(number, result) if *number == self.number && self.result.is_none() => {
                self.result = Some(result.clone());
                true
            }
            _ => false,
        }
    }

    pub fn is_good(&self) -> bool {
        matches!(&self.result, Some(Ok(trial)) if trial.checks.iter().all(|check| check.ok))
    }

    /// What came out.
    pub fn on(&self, page: Page) -> Page {
        match &self.result {
            None => page.above("Trying these settings. This may take a minute. Esc gives up and goes back."),
            Some(Err(error)) => page.message(error),
            Some(Ok(trial)) => {
                let addresses = match trial.addresses.as_slice() {
                    [] => "none".to_owned(),
                    addresses => addresses.join(", "),
                };
                let gateway = if trial.gateway.is_empty() { "none" } else { &trial.gateway };
                let page = page.above(format!("Address of the box: {addresses}   Router: {gateway}"));
                let check = |check: &Check| {
                    let mark = if check.ok { "[ok]" } else { "[FAILED]" };
                    format!("{mark} {}: {}", check.what, check.said)
                };
                page.listing(&trial.checks.iter().map(check).collect::<Vec<_>>())
            }
        }
    }
}
