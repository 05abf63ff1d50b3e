//! How far the box is, shared between setting up and the bus.

use std::sync::{Mutex, PoisonError};

use understudy_bus::settings::Status;

/// The state of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// There are no settings, and no configuration disk to take them from.
    Unconfigured,
    /// Settings are being carried out, or services still start.
    #[default]
    Applying,
    /// The box serves.
    Ready,
    /// It cannot serve; the message says why.
    Failed,
}

/// State, message and name, for the bus.
#[derive(Default)]
pub struct Shared(Mutex<Inner>);

#[derive(Default, Clone)]
struct Inner {
    state: State,
    message: String,
    host_name: String,
    addresses: Vec<String>,
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets state and message.
    pub fn set(&self, state: State, message: &str) {
        self.with(|inner| (inner.state, inner.message) = (state, message.to_owned()));
    }

    /// Sets the name.
    pub fn set_host_name(&self, host_name: &str) {
        self.with(|inner| inner.host_name = host_name.to_owned());
    }

    /// Sets the addresses.
    pub fn set_addresses(&self, addresses: Vec<String>) {
        self.with(|inner| inner.addresses = addresses);
    }

    /// As it goes over the bus.
    pub fn get(&self) -> Status {
        let inner = self.with(|inner| inner.clone());
        let state = match inner.state {
            State::Unconfigured => "unconfigured",
            State::Applying => "applying",
            State::Ready => "ready",
            State::Failed => "failed",
        };
        Status {
            state: state.to_owned(),
            message: inner.message,
            host_name: inner.host_name,
            addresses: inner.addresses,
        }
    }
}
