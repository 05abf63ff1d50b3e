//! What every step of the wizard is.

use crate::facts::Facts;
use crate::keys::Key;
use crate::page::Page;
use crate::request::{Answer, Request};
use crate::wizard::draft::Draft;

/// The steps; which of them are taken, and in which order, says [`super::path`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepId {
    Welcome,
    Keyboard,
    HostName,
    Network,
    Trial,
    Time,
    Password,
    Storage,
    Disks,
    Erase,
    Layout,
    Encryption,
    KeyShown,
    KeyAsked,
    Import,
    ImportKey,
    Summary,
    Applying,
    Done,
}

/// Where it goes from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Go {
    #[default]
    Stay,
    Next,
    Back,
    /// To a step before this one.
    To(StepId),
    /// The wizard is done.
    Leave,
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub go: Go,
    pub requests: Vec<Request>,
}

impl From<Go> for Outcome {
    fn from(go: Go) -> Self {
        Self { go, requests: Vec::new() }
    }
}

impl From<Request> for Outcome {
    fn from(request: Request) -> Self {
        Self { go: Go::Stay, requests: vec![request] }
    }
}

impl Outcome {
    pub fn stay() -> Self {
        Self::default()
    }
}

/// What a step knows besides itself.
pub(crate) struct Context<'a> {
    pub facts: &'a Facts,
    /// What all steps together say the box shall be.
    pub draft: &'a mut Draft,
    /// Numbers that tell one request from another of its kind.
    pub numbers: &'a mut u64,
}

impl Context<'_> {
    pub fn number(&mut self) -> u64 {
        *self.numbers += 1;
        *self.numbers
    }
}

/// A step keeps what was typed while others are shown.
pub(crate) trait Step {
    /// It is shown now, from either side.
    fn enter(&mut self, _context: &mut Context) -> Outcome {
        Outcome::stay()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome;

    /// Something was answered; the facts know it already.
    fn answer(&mut self, _answer: &Answer, _context: &mut Context) -> Outcome {
        Outcome::stay()
    }

    fn page(&self, facts: &Facts, draft: &Draft) -> Page;
}
