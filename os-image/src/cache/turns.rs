//! What only one thread may do at a time, by names.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

use super::held;

/// The names that somebody has the turn at.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: Mutex<BTreeSet<String>>,
    given_back: Condvar,
}

/// Dropped when the turn is over.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    names: Vec<String>,
}

impl Turns {
    /// Waits until nobody has any of `names`, and takes them all at once: two that want the same two cannot end up with one each.
    pub fn take<const N: usize>(&self, names: [&str; N]) -> Turn<'_> {
        let taken = held(&self.taken);
        let is_taken = |taken: &mut BTreeSet<String>| names.iter().any(|name| taken.contains(*name));
        let mut taken = self.given_back.wait_while(taken, is_taken).unwrap_or_else(PoisonError::into_inner);
        let names = names.map(str::to_owned).to_vec();
        taken.extend(names.iter().cloned());
        Turn { turns: self, names }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = held(&self.turns.taken);
        taken.retain(|name| !self.names.contains(name));
        self.turns.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_wants_a_name_that_is_taken_waits_for_it() {
        let turns = Turns::default();
        let (sender, receiver) = mpsc::channel();
        let first = turns.take(["a", "b"]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _turn = turns.take(["b", "c"]);
                sender.send(()).unwrap();
            });
            drop(turns.take(["d"])); // of no interest to anybody
            assert!(receiver.recv_timeout(Duration::from_millis(100)).is_err(), "two have the same turn");
            drop(first);
            receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        });
    }
}
