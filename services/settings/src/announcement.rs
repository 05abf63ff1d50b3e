//! A line when the box becomes ready, and one when it does not, for the journal: the console shows the status itself.

use understudy_bus::settings::Status;

use crate::status::{Shared, State};

/// Says each of the two whenever it becomes true, without end.
pub async fn announce(status: &Shared, mut say: impl FnMut(&str)) {
    let mut watch = status.watch();
    let mut said = (String::new(), String::new());
    loop {
        let status = watch.borrow_and_update().clone();
        // Not again for every address that comes and goes.
        let now = (status.state.clone(), status.message.clone());
        if now != said
            && let Some(line) = line(&status)
        {
            say(&line);
            said = now;
        }
        if watch.changed().await.is_err() {
            return;
        }
    }
}

fn line(status: &Status) -> Option<String> {
    let bare: Vec<_> =
        status.addresses.iter().map(|address| address.split('/').next().unwrap_or(address)).collect();
    let state = status.state.as_str();
    if state == State::Ready.name() {
        let place = if bare.is_empty() { format!("no address: {}", status.message) } else { bare.join(",") };
        return Some(format!("Understudy {} is ready at {place}", status.host_name));
    }
    let reason = if state == State::Failed.name() || !status.message.is_empty() {
        status.message.as_str()
    } else {
        "there are no settings; connect a disk labelled UNDERSTUDY with a file understudy.toml"
    };
    (state != State::Applying.name()).then(|| format!("Understudy is not set up: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_one_line_or_none() {
        let shared = Shared::default();
        assert_eq!(line(&shared.get()), None);
        shared.set(State::Unconfigured, "");
        assert!(line(&shared.get()).unwrap().starts_with("Understudy is not set up: there are no settings"));
        shared.set(State::Failed, "why\nnot");
        assert_eq!(line(&shared.get()).unwrap(), "Understudy is not set up: why not");
        shared.set_host_name("box");
        shared.set_addresses(vec!["10.0.0.2/24".into(), "fd00::2/64".into()]);
        shared.set(State::Ready, "");
        assert_eq!(line(&shared.get()).unwrap(), "Understudy box is ready at 10.0.0.2,fd00::2");
    }
}
