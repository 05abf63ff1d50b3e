//! The wizard of the first boot. Nothing on the box changes before the summary is agreed to, but for the keyboard and a network on
//! trial; nothing is written by the wizard at all, so that a power cut loses what was typed and nothing else.

mod applying;
mod disks;
mod done;
mod draft;
mod encryption;
mod erase;
mod host_name;
mod import;
mod keyboard;
mod layout;
mod network;
mod parts;
mod password;
mod recovery_key;
mod step;
mod storage;
mod summary;
mod time;
mod welcome;

pub(crate) use done::{addresses, code_on};
pub(crate) use import::typed_key;

use crate::appliance::Source;
use crate::facts::Facts;
use crate::keys::Key;
use crate::page::Page;
use crate::request::{Answer, Request};
use draft::Draft;
use step::{Context, Go, Outcome, Step, StepId};

/// All steps; each keeps what was typed.
#[derive(Debug)]
struct Steps {
    welcome: welcome::Welcome,
    keyboard: keyboard::Keyboard,
    host_name: host_name::HostName,
    network: network::Network,
    trial: network::Trial,
    time: time::Time,
    password: password::Password,
    storage: storage::Storage,
    disks: disks::Disks,
    erase: erase::Erase,
    layout: layout::Layout,
    encryption: encryption::Encryption,
    key_shown: recovery_key::KeyShown,
    key_asked: recovery_key::KeyAsked,
    import: import::Import,
    import_key: import::ImportKey,
    summary: summary::Summary,
    applying: applying::Applying,
    done: done::Done,
}

/// Finds a step by its id, by reference or by mutable reference.
macro_rules! step {
    ($steps:expr, $id:expr, $($reference:tt)+) => {
        match $id {
            StepId::Welcome => $($reference)+ $steps.welcome,
            StepId::Keyboard => $($reference)+ $steps.keyboard,
            StepId::HostName => $($reference)+ $steps.host_name,
            StepId::Network => $($reference)+ $steps.network,
            StepId::Trial => $($reference)+ $steps.trial,
            StepId::Time => $($reference)+ $steps.time,
            StepId::Password => $($reference)+ $steps.password,
            StepId::Storage => $($reference)+ $steps.storage,
            StepId::Disks => $($reference)+ $steps.disks,
            StepId::Erase => $($reference)+ $steps.erase,
            StepId::Layout => $($reference)+ $steps.layout,
            StepId::Encryption => $($reference)+ $steps.encryption,
            StepId::KeyShown => $($reference)+ $steps.key_shown,
            StepId::KeyAsked => $($reference)+ $steps.key_asked,
            StepId::Import => $($reference)+ $steps.import,
            StepId::ImportKey => $($reference)+ $steps.import_key,
            StepId::Summary => $($reference)+ $steps.summary,
            StepId::Applying => $($reference)+ $steps.applying,
            StepId::Done => $($reference)+ $steps.done,
        }
    };
}

impl Steps {
    fn new() -> Self {
        Self {
            welcome: welcome::Welcome::new(),
            keyboard: keyboard::Keyboard::new(),
            host_name: host_name::HostName::new(),
            network: network::Network::new(),
            trial: network::Trial::new(),
            time: time::Time::new(),
            password: password::Password::new(),
            storage: storage::Storage::new(),
            disks: disks::Disks::new(),
            erase: erase::Erase::new(),
            layout: layout::Layout::new(),
            encryption: encryption::Encryption::new(),
            key_shown: recovery_key::KeyShown::new(),
            key_asked: recovery_key::KeyAsked::new(),
            import: import::Import::new(),
            import_key: import::ImportKey::new(),
            summary: summary::Summary::new(),
            applying: applying::Applying::new(),
            done: done::Done::new(),
        }
    }

    fn get(&self, id: StepId) -> &dyn Step {
        step!(self, id, &)
    }

    fn get_mut(&mut self, id: StepId) -> &mut dyn Step {
        step!(self, id, &mut)
    }
}

/// The steps that are taken, in order, as far as it is known by now.
fn path(draft: &Draft, facts: &Facts) -> Vec<StepId> {
    use StepId::*;
    let mut path = vec![Welcome, Keyboard, HostName, Network];
    if draft.tries {
        path.push(Trial);
    }
    path.extend([Time, Password]);
    let any = !matches!(&facts.importable, Some(Ok(pools)) if pools.is_empty());
    if any {
        path.push(Storage);
    }
    match draft.storage {
        draft::Storage::Import if any => {
            path.extend([Import, ImportKey]);
        }
        _ => {
            path.push(Disks);
            if draft.disks.iter().any(|(_, disk)| !disk.contents.is_empty()) {
                path.push(Erase);
            }
            path.extend([Layout, Encryption]);
            if draft.encryption {
                path.extend([KeyShown, KeyAsked]);
            }
        }
    }
    path.extend([Summary, Applying, Done]);
    path
}

/// The wizard.
#[derive(Debug)]
pub(crate) struct Wizard {
    at: StepId,
    steps: Steps,
    draft: Draft,
    numbers: u64,
}

impl Wizard {
    /// At its first step, and what it wants to know.
    pub fn new() -> (Self, Vec<Request>) {
        let wizard = Self { at: StepId::Welcome, steps: Steps::new(), draft: Draft::default(), numbers: 0 };
        (wizard, Self::first_questions())
    }

    pub fn key(&mut self, key: Key, facts: &Facts) -> (Vec<Request>, bool) {
        let outcome = self.on_step(facts, |step, context| step.key(key, context));
        self.follow(outcome, facts)
    }

    pub fn answer(&mut self, answer: &Answer, facts: &Facts) -> (Vec<Request>, bool) {
        let outcome = self.on_step(facts, |step, context| step.answer(answer, context));
        self.follow(outcome, facts)
    }

    pub fn page(&self, facts: &Facts) -> Page {
        self.steps.get(self.at).page(facts, &self.draft)
    }

    /// What the step that is shown may want to ask again because of a change.
    pub fn ask_again(&self, source: Source) -> Vec<Request> {
        match (self.at, source) {
            (StepId::Network, Source::Settings | Source::All) => vec![Request::Ports],
            (StepId::Disks, Source::Pool | Source::All) => vec![Request::Disks],
            (StepId::Storage | StepId::Import, Source::Pool | Source::All) => vec![Request::Importable],
            // A service that was not there when this was first asked.
            (StepId::Welcome, Source::All) => Self::first_questions(),
            _ => Vec::new(),
        }
    }

    fn first_questions() -> Vec<Request> {
        vec![Request::Keyboards, Request::TimeZones, Request::Ports, Request::Importable, Request::Disks]
    }

    /// Whether answers are being carried out, or were: from then on the box says `ready` because of the wizard.
    pub fn is_past_the_summary(&self) -> bool {
        matches!(self.at, StepId::Applying | StepId::Done)
    }

    fn on_step(
        &mut self,
        facts: &Facts,
        act: impl FnOnce(&mut dyn Step, &mut Context) -> Outcome,
    ) -> Outcome {
        let mut context = Context { facts, draft: &mut self.draft, numbers: &mut self.numbers };
        act(self.steps.get_mut(self.at), &mut context)
    }

    /// Goes where a step wants to, through steps that want to go on themselves. Returns what is wanted, and whether the wizard is done.
    fn follow(&mut self, outcome: Outcome, facts: &Facts) -> (Vec<Request>, bool) {
        let Outcome { mut go, mut requests } = outcome;
        // Each round reaches another step; no path is longer.
        for _ in 0..40 {
            let path = path(&self.draft, facts);
            let here = path.iter().position(|step| *step == self.at);
            let to = match go {
                Go::Stay => break,
                Go::Leave => return (requests, true),
                Go::To(step) => Some(match step {
                    // Not asked where there is nothing to import.
                    StepId::Storage if !path.contains(&step) => StepId::Disks,
                    step => step,
                }),
                // A step that is no more on the way, because what led to it changed, was the one after the password.
                Go::Next => {
                    let here = here.or_else(|| path.iter().position(|step| *step == StepId::Password));
                    here.and_then(|at| path.get(at + 1).copied())
                }
                Go::Back => match here {
                    // Not into the trial, which would begin anew, but to what was tried.
                    Some(at) => path.iter().take(at).rfind(|step| **step != StepId::Trial).copied(),
                    None => Some(StepId::Password),
                },
            };
            let Some(to) = to else { break };
            self.hand_on(to);
            self.at = to;
            let entered = self.on_step(facts, |step, context| step.enter(context));
            requests.extend(entered.requests);
            // A step that is passed over on the way back is not entered forwards.
            go = match (go, entered.go) {
                (Go::Back, Go::Next) => Go::Back,
                (_, go) => go,
            };
        }
        (requests, false)
    }

    /// What one step has from another.
    fn hand_on(&mut self, to: StepId) {
        match to {
            StepId::KeyAsked => {
                if let Some(questions) = self.steps.key_shown.questions() {
                    self.steps.key_asked.ask(questions);
                }
            }
            StepId::Applying => self.steps.applying.set_answers(self.steps.summary.answers()),
            _ => {}
        }
    }
}
