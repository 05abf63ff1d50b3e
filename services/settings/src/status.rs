//! How far the box is, shared between setting up and the bus: whoever watches it sees each change.

use tokio::sync::watch;
use understudy_bus::settings::Status;

/// What a box that serves says while nobody can reach it.
const NO_ADDRESS: &str =
    "the box has no address; check the cable, and that the network gives one if it is set to dhcp";

/// The state of the box; see [`Status::state`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There are no settings.
    Unconfigured,
    /// Settings are being carried out, or services still start.
    Applying,
    /// The box serves.
    Ready,
    /// It cannot serve; the message says why.
    Failed,
}

impl State {
    /// As it goes over the bus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unconfigured => "unconfigured",
            Self::Applying => "applying",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// State, message, name and addresses.
pub struct Shared(watch::Sender<Status>);

impl Default for Shared {
    fn default() -> Self {
        let begun = Status { state: State::Applying.name().to_owned(), ..Status::default() };
        Self(watch::Sender::new(begun))
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Status)) {
        self.0.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            if status.state == State::Ready.name() {
                status.message = if status.addresses.is_empty() { NO_ADDRESS } else { "" }.to_owned();
            }
            *status != before
        });
    }

    /// Sets state and message; the latter on one line, whatever it looks like. The message of a box that serves is its own.
    pub fn set(&self, state: State, message: &str) {
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        self.change(|status| (status.state, status.message) = (state.name().to_owned(), message));
    }

    /// Sets the name.
    pub fn set_host_name(&self, host_name: &str) {
        self.change(|status| status.host_name = host_name.to_owned());
    }

    /// Sets the addresses.
    pub fn set_addresses(&self, addresses: Vec<String>) {
        self.change(|status| status.addresses = addresses);
    }

    /// As it is now.
    pub fn get(&self) -> Status {
        self.0.borrow().clone()
    }

    /// Whether it is this state.
    pub fn is(&self, state: State) -> bool {
        self.0.borrow().state == state.name()
    }

    /// To wait for changes.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_serves_says_so_while_it_has_no_address() {
        let shared = Shared::default();
        shared.set(State::Ready, "");
        assert!(shared.get().message.contains("no address"));
        shared.set_addresses(vec!["10.0.0.2/24".to_owned()]);
        assert_eq!(shared.get().message, "");
        shared.set_addresses(vec![]);
        assert!(shared.is(State::Ready) && shared.get().message.contains("no address"));
    }

    #[test]
    fn only_a_change_wakes_whoever_watches() {
        let shared = Shared::default();
        shared.set(State::Failed, "a\n  b");
        let watch = shared.watch();
        shared.set(State::Failed, "a b");
        assert!(!watch.has_changed().unwrap());
        shared.set(State::Failed, "c");
        assert!(watch.has_changed().unwrap());
    }
}
