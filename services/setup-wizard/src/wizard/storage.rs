//! Storage: a new pool, or one that is there. Only asked where there is one.

use crate::facts::{Facts, unknown};
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::page::Page;
use crate::request::{Answer, Request};
use crate::wizard::draft::{self, Draft};
use crate::wizard::import::why_not;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Kind,
    Next,
    Back,
}

#[derive(Debug)]
pub(crate) struct Storage {
    form: Form<Id>,
    /// Whether something was suggested: after that, what is chosen stays.
    suggested: bool,
}

impl Storage {
    pub fn new() -> Self {
        let rows = ["Use a pool that is on the disks of this box", "Make a new pool on other disks"];
        let form = Form::new()
            .rows(Id::Kind, "", Rows::pick(rows.map(Row::new).to_vec()))
            .button(Id::Next, "Go on")
            .button(Id::Back, "Back");
        Self { form, suggested: false }
    }

    /// A pool that can be used is more likely wanted than a new one; one that cannot be, is not.
    fn suggest(&mut self, facts: &Facts) {
        if self.suggested || facts.importable().is_empty() {
            return;
        }
        self.suggested = true;
        let usable = facts.importable().iter().any(|pool| why_not(pool).is_none());
        if let Some(list) = self.form.list_mut(Id::Kind) {
            list.choose(usize::from(!usable));
        }
    }
}

impl Step for Storage {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        self.suggest(context.facts);
        Request::Importable.into()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        match self.form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => Go::Back.into(),
            // Which way it goes is only known with the answer.
            Did::Pressed(_) if context.facts.importable.is_some() => {
                context.draft.storage = match self.form.chosen(Id::Kind) {
                    0 if !context.facts.importable().is_empty() => draft::Storage::Import,
                    _ => draft::Storage::New,
                };
                Go::Next.into()
            }
            _ => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, context: &mut Context) -> Outcome {
        // Asked while this step was on its way, and there is none after all.
        if matches!(answer, Answer::Importable(Ok(pools)) if pools.is_empty()) {
            context.draft.storage = draft::Storage::New;
            return Go::Next.into();
        }
        self.suggest(context.facts);
        Outcome::stay()
    }

    fn page(&self, facts: &Facts, _draft: &Draft) -> Page {
        let names: Vec<_> = facts.importable().iter().map(|pool| pool.name.as_str()).collect();
        let page = Page::new("Storage (6 of 7)").above(unknown(&facts.importable));
        let page = if names.is_empty() {
            page
        } else {
            page.above(format!(
                "The disks of this box hold a pool already: {}. If it was made by an Understudy, its backups can go on \
                 here. Nothing on it is lost by using it.",
                names.join(", ")
            ))
        };
        page.form(&self.form)
    }
}
