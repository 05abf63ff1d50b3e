//! A network on trial: it stands for a while, and goes by itself.
//!
//! Each trial is a task of its own, which undoes it whatever ends it: another trial, its caller, or time. Only one has its turn at a time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot, watch};
use understudy_answers::Network;
use understudy_bus::error::{Error, Result};
use understudy_bus::settings::Trial;

use super::{Setup, failed};
use crate::engine::Engine;

/// How long a trial stands once its result is known.
const STANDS: Duration = Duration::from_secs(180);

/// Whose turn it is.
pub struct Trials {
    /// The number of the last trial, or of what ended it: another number ends a trial.
    last: watch::Sender<u64>,
    turn: Mutex<()>,
}

impl Default for Trials {
    fn default() -> Self {
        Self { last: watch::Sender::new(0), turn: Mutex::default() }
    }
}

impl Trials {
    /// Ends the trial there is; gives the number of what comes now.
    fn next(&self) -> u64 {
        let mut number = 0;
        self.last.send_modify(|last| {
            *last += 1;
            number = *last;
        });
        number
    }
}

impl<E: Engine> Setup<E> {
    /// Tries a network. It goes as soon as `caller_is_gone`.
    pub async fn try_network(
        self: &Arc<Self>,
        text: &str,
        caller_is_gone: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Trial> {
        let network = self.network(text)?;
        let (number, (tell, told)) = (self.trials.next(), oneshot::channel());
        let setup = Arc::clone(self);
        tokio::spawn(async move { setup.trial(number, &network, caller_is_gone, tell).await });
        told.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Ends a trial, and waits until the network is as before.
    pub async fn end_trial(&self) {
        self.trials.next();
        drop(self.trials.turn.lock().await);
    }

    async fn trial(
        &self,
        number: u64,
        network: &Network,
        caller_is_gone: impl Future<Output = ()>,
        tell: oneshot::Sender<Result<Trial>>,
    ) {
        let mut last = self.trials.last.subscribe();
        let _turn = self.trials.turn.lock().await;
        if *last.borrow() != number {
            return;
        }
        let over = async {
            tokio::select! {
                () = caller_is_gone => {}
                _ = last.wait_for(|last| *last != number) => {}
            }
        };
        tokio::pin!(over);
        tokio::select! {
            biased;
            () = &mut over => {}
            result = self.engine.try_network(network) => {
                let stands = result.is_ok();
                let heard = tell.send(result.map_err(failed)).is_ok();
                if stands && heard {
                    let _ = tokio::time::timeout(STANDS, over).await;
                }
            }
        }
        self.restore_network().await;
    }

    /// Back to what is kept, or to none: also where what is kept cannot be read, for then none was applied.
    async fn restore_network(&self) {
        let kept = self.store.read().unwrap_or_else(|error| {
            tracing::warn!("{error:#}");
            None
        });
        if let Err(error) = self.engine.network(kept.as_ref().map(|answers| &answers.network)).await {
            tracing::error!("the network is not as it was before the trial: {error:#}");
        }
    }
}

fn ended() -> Error {
    Error::Busy("the trial was ended before its result was known; try again".to_owned())
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
