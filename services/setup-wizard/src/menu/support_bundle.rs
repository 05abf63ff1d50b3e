//! A support bundle is written to a stick.

use crate::appliance::{Source, Stick};
use crate::facts::Facts;
use crate::form::{Did, Form, Rows};
use crate::keys::Key;
use crate::menu::{Opened, Turn, sticks};
use crate::page::Page;
use crate::request::{Answer, Request};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Stick,
    Write,
    Back,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Choice,
    /// The request of this number.
    Writing(u64),
    Written(String),
}

#[derive(Debug)]
pub(crate) struct SupportBundle {
    at: At,
    form: Form<Id>,
    /// Of the pages that only say something.
    leave: Form<Id>,
    offered: Vec<Stick>,
    asked: bool,
    numbers: u64,
    message: String,
}

/// What came of writing one, for a person.
pub(crate) fn written(name: &str) -> String {
    format!("The support bundle is written as {name}; take the stick out.")
}

impl SupportBundle {
    pub fn new(numbers: u64) -> Self {
        let mut form = Form::careful()
            .rows(Id::Stick, "", Rows::pick(Vec::new()))
            .button(Id::Write, "Write it")
            .button(Id::Back, "Back");
        form.show(Id::Stick, false);
        form.show(Id::Write, false);
        Self {
            at: At::Choice,
            form,
            leave: Form::new().button(Id::Back, "Back to the menu"),
            offered: Vec::new(),
            asked: false,
            numbers,
            message: String::new(),
        }
    }

    fn look(&mut self, facts: &Facts) {
        let now = facts.sticks().iter().filter(|stick| stick.unreadable.is_empty()).cloned().collect();
        sticks::offer(&mut self.form, (Id::Stick, Id::Write), &mut self.offered, now, sticks::words);
        self.asked = true;
    }
}

impl Opened for SupportBundle {
    fn key(&mut self, key: Key, _facts: &Facts) -> Turn {
        let form = if self.at == At::Choice { &mut self.form } else { &mut self.leave };
        match form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => return Turn::menu(),
            Did::Pressed(_) => {
                if let Some(stick) = self.offered.get(self.form.chosen(Id::Stick)) {
                    self.numbers += 1;
                    self.message.clear();
                    self.at = At::Writing(self.numbers);
                    return Turn::ask(Request::WriteSupportBundle(self.numbers, stick.device.clone()));
                }
            }
            Did::Changed => self.message.clear(),
            Did::Nothing => {}
        }
        Turn::stay()
    }

    fn answer(&mut self, answer: &Answer, facts: &Facts) -> Turn {
        match answer {
            Answer::Sticks(_) => self.look(facts),
            Answer::SupportBundle(number, result) if self.at == At::Writing(*number) => match result {
                Ok(name) => self.at = At::Written(name.clone()),
                Err(why) => {
                    self.at = At::Choice;
                    self.message.clone_from(why);
                }
            },
            _ => {}
        }
        Turn::stay()
    }

    fn ask_again(&self, source: Source) -> Vec<Request> {
        match source {
            Source::Maintenance | Source::All => vec![Request::Sticks],
            _ => Vec::new(),
        }
    }

    fn page(&self, facts: &Facts) -> Page {
        let page = Page::new("Support bundle");
        match &self.at {
            At::Writing(_) => page
                .above("Writing the support bundle, and reading it back ...")
                .above("The stick must stay in. If you leave this page, the writing goes on.")
                .form(&self.leave),
            At::Written(name) => page.above(written(name)).form(&self.leave),
            At::Choice => {
                let page = page.above(
                    "A support bundle is one file that says what happened on this box and how it is: its journal, its \
                     versions, and the state of its disks, its pool and its services. Names of machines and addresses stand \
                     in it. It holds no passwords, no keys, and nothing out of the backups.",
                );
                let what_to_do = if self.offered.is_empty() {
                    "Put a stick in; FAT32. This page shows it by itself."
                } else {
                    "Which stick shall it be written to? What is on it stays."
                };
                let useless =
                    |stick: &Stick| (!stick.unreadable.is_empty()).then(|| stick.unreadable.clone());
                let page = sticks::on(page, facts, self.asked, what_to_do, useless).form(&self.form);
                if self.message.is_empty() { page } else { page.message(&self.message) }
            }
        }
    }
}
