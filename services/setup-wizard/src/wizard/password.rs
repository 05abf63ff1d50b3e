//! The administrator's password, twice; a weak one is warned of, an empty one refused.

use crate::facts::Facts;
use crate::keys::Key;
use crate::page::Page;
use crate::password_form::{Filled, PasswordForm};
use crate::request::Answer;
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug)]
pub(crate) struct Password {
    filled: PasswordForm,
}

impl Password {
    pub fn new() -> Self {
        Self { filled: PasswordForm::new() }
    }
}

impl Step for Password {
    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        let name = context.draft.host_name.as_ref().map_or("", |name| name.as_str());
        *context.numbers += 1;
        match self.filled.key(key, name, *context.numbers) {
            Filled::Back => Go::Back.into(),
            Filled::Hash(request) => request.into(),
            Filled::Stay => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, context: &mut Context) -> Outcome {
        match self.filled.answer(answer) {
            Some(hash) => {
                context.draft.password = Some(hash);
                Go::Next.into()
            }
            None => Outcome::stay(),
        }
    }

    fn page(&self, _facts: &Facts, _draft: &Draft) -> Page {
        let page = Page::new("Password (5 of 7)").above(
            "The administrator's password. It opens the web page of the box, and with it every backup.",
        );
        self.filled.on(page)
    }
}
