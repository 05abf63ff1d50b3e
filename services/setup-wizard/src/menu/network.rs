//! Changing the network: tried, then kept within a minute, or it goes back by itself, so that a mistake never cuts the box off.

use crate::appliance::Source;
use crate::facts::{Facts, unknown};
use crate::form::{Did, Form};
use crate::keys::Key;
use crate::menu::{Opened, Turn};
use crate::network_form::{Id, NetworkForm};
use crate::page::Page;
use crate::request::{Answer, Deed, Request};
use crate::trial::Trying;

/// Seconds to say that it works.
const SECONDS: u32 = 60;

#[derive(Debug, Clone, Copy, PartialEq)]
enum TrialId {
    Back,
    Keep,
}

#[derive(Debug)]
enum At {
    Filling,
    /// With the seconds left once there is a result.
    Trying(Box<Trying>, Form<TrialId>, u32),
    Keeping,
}

#[derive(Debug)]
pub(crate) struct ChangeNetwork {
    filled: NetworkForm,
    /// Somebody has begun to fill it in.
    touched: bool,
    at: At,
    numbers: u64,
}

impl ChangeNetwork {
    pub fn new(facts: &Facts, numbers: u64) -> Self {
        let mut filled = NetworkForm::new(false);
        filled.set_ports(facts.ports());
        Self { filled, touched: false, at: At::Filling, numbers }
    }

    fn end(&mut self, message: &str) -> Turn {
        self.at = At::Filling;
        message.clone_into(&mut self.filled.message);
        Turn::ask(Request::EndTrial)
    }
}

impl Opened for ChangeNetwork {
    fn key(&mut self, key: Key, _facts: &Facts) -> Turn {
        match &mut self.at {
            At::Filling => match self.filled.key(key) {
                Did::Back | Did::Pressed(Id::Back) => Turn::menu(),
                Did::Pressed(Id::Look) => Turn::ask(Request::Ports),
                Did::Pressed(_) => {
                    let Some(network) = self.filled.checked() else { return Turn::stay() };
                    self.numbers += 1;
                    let (trying, request) = Trying::begin(self.numbers, network);
                    let mut form = Form::new()
                        .button(TrialId::Back, "Go back to the network as it was")
                        .button(TrialId::Keep, "Keep it");
                    form.show(TrialId::Keep, false);
                    self.at = At::Trying(Box::new(trying), form, SECONDS);
                    Turn::ask(request)
                }
                Did::Changed => {
                    self.touched = true;
                    Turn::stay()
                }
                Did::Nothing => Turn::stay(),
            },
            At::Trying(trying, form, _) => match form.key(key) {
                Did::Back | Did::Pressed(TrialId::Back) => self.end("The network is as it was."),
                Did::Pressed(TrialId::Keep) => {
                    let request = Request::ChangeNetwork(trying.network.to_string());
                    self.at = At::Keeping;
                    Turn::ask(request)
                }
                Did::Nothing | Did::Changed => Turn::stay(),
            },
            At::Keeping => Turn::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, facts: &Facts) -> Turn {
        if let At::Trying(trying, form, _) = &mut self.at
            && trying.answer(answer)
        {
            // Without any result there is nothing to keep.
            form.show(TrialId::Keep, matches!(&trying.result, Some(Ok(_))));
            if trying.is_good() {
                form.focus(TrialId::Keep);
            }
            return Turn::stay();
        }
        match (&self.at, answer) {
            (At::Filling, Answer::Network(Ok(network))) if !self.touched => self.filled.fill(network),
            (At::Filling, Answer::Network(Err(error))) => self.filled.message.clone_from(error),
            (_, Answer::Ports(Ok(_))) => self.filled.set_ports(facts.ports()),
            (At::Keeping, Answer::Did(Deed::ChangeNetwork, Ok(()))) => {
                return Turn::said("The network is changed.");
            }
            (At::Keeping, Answer::Did(Deed::ChangeNetwork, Err(error))) => return self.end(&error.clone()),
            (_, Answer::Did(Deed::EndTrial, Err(error))) => self.filled.message.clone_from(error),
            _ => {}
        }
        Turn::stay()
    }

    fn second(&mut self) -> Turn {
        if let At::Trying(trying, _, left) = &mut self.at
            && trying.result.is_some()
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return self.end("Nobody said that the new network works: it is as it was.");
            }
        }
        Turn::stay()
    }

    fn counts(&self) -> bool {
        matches!(&self.at, At::Trying(trying, ..) if trying.result.is_some())
    }

    fn ask_again(&self, source: Source) -> Vec<Request> {
        match (&self.at, source) {
            (At::Filling, Source::Settings | Source::All) => vec![Request::Ports],
            _ => Vec::new(),
        }
    }

    fn abandon(&mut self) -> Vec<Request> {
        if matches!(self.at, At::Trying(..)) { vec![Request::EndTrial] } else { Vec::new() }
    }

    fn page(&self, facts: &Facts) -> Page {
        match &self.at {
            At::Filling => Page::new("Network")
                .above("What you fill in is tried first, and kept when you say so.")
                .above(unknown(&facts.ports))
                .form(&self.filled.form)
                .message(&self.filled.message),
            At::Trying(trying, form, left) => {
                let page = trying.on(Page::new("Network: trial"));
                let page = match &trying.result {
                    None => page,
                    Some(_) if trying.is_good() => page.above("The network works with these settings."),
                    Some(_) => page.above("The network does not work with these settings."),
                };
                let page = page.form(form);
                if trying.result.is_some() {
                    page.below(format!("In {left} seconds it goes back by itself to what it was."))
                } else {
                    page
                }
            }
            At::Keeping => Page::new("Network").above("Keeping the new network ...").waiting(),
        }
    }
}
