//! Network: what it is to be, and the trial of it.

use understudy_answers::{Address, Network as Wanted};

use crate::facts::{Facts, unknown};
use crate::form::{Did, Form};
use crate::keys::Key;
use crate::network_form::{Id, NetworkForm};
use crate::page::Page;
use crate::request::{Answer, Deed, Request};
use crate::trial::Trying;
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug)]
pub(crate) struct Network {
    filled: NetworkForm,
}

impl Network {
    pub fn new() -> Self {
        Self { filled: NetworkForm::new(true) }
    }
}

impl Step for Network {
    fn enter(&mut self, _context: &mut Context) -> Outcome {
        Request::Ports.into()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        match self.filled.key(key) {
            Did::Back | Did::Pressed(Id::Back) => Go::Back.into(),
            Did::Pressed(Id::Look) => Request::Ports.into(),
            Did::Pressed(Id::Without) => {
                // As soon as somebody plugs a cable in, the box asks for an address; the menu can change that at any time.
                context.draft.network =
                    Some(Wanted { mac: None, vlan: None, address: Address::Dhcp, dns: Vec::new() });
                context.draft.tries = false;
                context.draft.trial_said = "not tried: set up without network".into();
                Go::Next.into()
            }
            Did::Pressed(_) => {
                let Some(network) = self.filled.checked() else { return Outcome::stay() };
                context.draft.network = Some(network);
                context.draft.tries = true;
                Go::Next.into()
            }
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, context: &mut Context) -> Outcome {
        if matches!(answer, Answer::Ports(Ok(_))) {
            self.filled.set_ports(context.facts.ports());
        }
        Outcome::stay()
    }

    fn page(&self, facts: &Facts, _draft: &Draft) -> Page {
        Page::new("Network (3 of 7)")
            .above("How is the box reached? The settings are tried before you go on.")
            .above(unknown(&facts.ports))
            .form(&self.filled.form)
            .message(&self.filled.message)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum TrialId {
    Next,
    Back,
    Anyway,
}

/// The trial of what is filled in.
#[derive(Debug)]
pub(crate) struct Trial {
    trying: Option<Trying>,
    form: Form<TrialId>,
    message: String,
}

impl Trial {
    pub fn new() -> Self {
        let form = Form::new()
            .button(TrialId::Next, "Go on")
            .button(TrialId::Back, "Change the settings")
            .button(TrialId::Anyway, "Go on although it does not work");
        Self { trying: None, form, message: String::new() }
    }

    fn show_buttons(&mut self) {
        let answered = self.trying.as_ref().is_some_and(|trying| trying.result.is_some());
        let good = self.trying.as_ref().is_some_and(Trying::is_good);
        self.form.show(TrialId::Next, answered && good);
        self.form.show(TrialId::Anyway, answered && !good);
        // The least that can go wrong has the focus.
        self.form.focus_first();
    }

    fn leave(&mut self, go: Go) -> Outcome {
        self.trying = None;
        Outcome { go, requests: vec![Request::EndTrial] }
    }
}

impl Step for Trial {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        self.message.clear();
        let Some(network) = context.draft.network.clone() else { return Go::Back.into() };
        let (trying, request) = Trying::begin(context.number(), network);
        self.trying = Some(trying);
        self.show_buttons();
        request.into()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        match self.form.key(key) {
            Did::Back | Did::Pressed(TrialId::Back) => self.leave(Go::Back),
            Did::Pressed(TrialId::Next) => {
                context.draft.trial_said = "tried: it works".into();
                self.leave(Go::Next)
            }
            Did::Pressed(TrialId::Anyway) => {
                context.draft.trial_said = "TRIED, AND IT DID NOT WORK".into();
                self.leave(Go::Next)
            }
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, _context: &mut Context) -> Outcome {
        if self.trying.as_mut().is_some_and(|trying| trying.answer(answer)) {
            self.show_buttons();
        }
        if let Answer::Did(Deed::EndTrial, Err(error)) = answer {
            self.message.clone_from(error);
        }
        Outcome::stay()
    }

    fn page(&self, _facts: &Facts, _draft: &Draft) -> Page {
        let page = Page::new("Network: trial (3 of 7)").message(&self.message);
        let Some(trying) = &self.trying else { return page };
        let page = trying.on(page);
        let page = match &trying.result {
            None => page,
            Some(_) if trying.is_good() => page.above("The network works with these settings."),
            Some(_) => page.above(
                "The network does not work with these settings. You can change them, or go on and put it right later \
                 in the menu of this console.",
            ),
        };
        page.form(&self.form)
    }
}
