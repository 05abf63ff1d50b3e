//! The recovery key of a new pool: shown, then asked back.

use crate::appliance::Secret;
use crate::facts::Facts;
use crate::form::{Did, Form};
use crate::key_page::{self, AskedBack};
use crate::keys::Key;
use crate::page::Page;
use crate::recovery_key::Questions;
use crate::request::{Answer, Request};
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Next,
    Back,
}

/// Shows it.
#[derive(Debug)]
pub(crate) struct KeyShown {
    form: Form<Id>,
    made: Option<(Secret, Questions)>,
    message: String,
}

impl KeyShown {
    pub fn new() -> Self {
        let form = Form::new().button(Id::Next, "It is on paper").button(Id::Back, "Back");
        Self { form, made: None, message: String::new() }
    }

    /// The groups to be asked for.
    pub fn questions(&self) -> Option<Questions> {
        self.made.as_ref().map(|(_, questions)| *questions)
    }
}

impl Step for KeyShown {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        self.form.focus_first();
        match &mut self.made {
            // The same key once more: it may be on paper already.
            Some((key, questions)) => {
                context.draft.recovery_key = Some(key.clone());
                *questions = questions.others();
                Outcome::stay()
            }
            None => Request::MakeRecoveryKey.into(),
        }
    }

    fn key(&mut self, key: Key, _context: &mut Context) -> Outcome {
        match self.form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => Go::Back.into(),
            Did::Pressed(_) if self.made.is_some() => Go::Next.into(),
            Did::Pressed(_) => Request::MakeRecoveryKey.into(),
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, context: &mut Context) -> Outcome {
        match answer {
            // A second answer would change a key that is being written down.
            Answer::MadeRecoveryKey(Ok((key, questions))) if self.made.is_none() => {
                self.made = Some((key.clone(), *questions));
                context.draft.recovery_key = Some(key.clone());
                self.message.clear();
            }
            Answer::MadeRecoveryKey(Err(error)) => self.message.clone_from(error),
            _ => {}
        }
        Outcome::stay()
    }

    fn page(&self, _facts: &Facts, _draft: &Draft) -> Page {
        let page = Page::new("Storage: recovery key (6 of 7)").message(&self.message);
        let page = match &self.made {
            Some((key, _)) => key_page::shown(page, key),
            None => page.above("A recovery key is being made ..."),
        };
        page.form(&self.form)
    }
}

/// Asks it back.
#[derive(Debug)]
pub(crate) struct KeyAsked {
    asked: AskedBack,
}

impl KeyAsked {
    pub fn new() -> Self {
        Self { asked: AskedBack::new(Questions::of(0, 0)) }
    }

    /// Asks for these groups; what was typed for the same ones stays.
    pub fn ask(&mut self, questions: Questions) {
        if self.asked.questions() != questions {
            self.asked = AskedBack::new(questions);
        }
    }
}

impl Step for KeyAsked {
    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        let Some(secret) = &context.draft.recovery_key else { return Go::Back.into() };
        match self.asked.key(key, secret) {
            key_page::Asked::Stay => Outcome::stay(),
            key_page::Asked::Back => Go::Back.into(),
            key_page::Asked::Right => Go::Next.into(),
        }
    }

    fn page(&self, _facts: &Facts, _draft: &Draft) -> Page {
        self.asked.on(Page::new("Storage: recovery key (6 of 7)"))
    }
}
