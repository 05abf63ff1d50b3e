//! Keyboard: its layout is set at once, so that it can be tried.

use crate::facts::{Facts, list, unknown};
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::page::{Page, column};
use crate::request::{Answer, Deed, Request};
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Layout,
    Try,
    Next,
    Back,
}

#[derive(Debug)]
pub(crate) struct Keyboard {
    form: Form<Id>,
    names: Vec<String>,
    /// What was last set.
    set: String,
    message: String,
}

impl Keyboard {
    pub fn new() -> Self {
        let form = Form::new()
            .rows(Id::Layout, "Layout", Rows::find(Vec::new()).height(7))
            .field(Id::Try, "Try it here", "")
            .button(Id::Next, "Go on")
            .button(Id::Back, "Back");
        let set = understudy_answers::Keyboard::default().to_string();
        Self { form, names: Vec::new(), set, message: String::new() }
    }

    fn chosen(&self) -> Option<&String> {
        self.names.get(self.form.list(Id::Layout)?.chosen()?)
    }

    /// The layout that was chosen is set as soon as the focus leaves the list.
    fn set(&mut self) -> Vec<Request> {
        match self.chosen().cloned() {
            Some(name) if name != self.set => {
                self.set.clone_from(&name);
                vec![Request::SetKeyboard(name)]
            }
            _ => Vec::new(),
        }
    }

    fn take_list(&mut self, facts: &Facts) {
        let keyboards = list(&facts.keyboards);
        if keyboards.is_empty() || !self.names.is_empty() {
            return;
        }
        self.names = keyboards.iter().map(|keyboard| keyboard.name.clone()).collect();
        let row = |keyboard: &crate::appliance::Keyboard| Row {
            key: format!("{} {}", keyboard.name, keyboard.description),
            ..Row::new(format!("{} {}", column(&keyboard.name, 20), keyboard.description))
        };
        if let Some(rows) = self.form.list_mut(Id::Layout) {
            *rows = Rows::find(keyboards.iter().map(row).collect()).height(7);
            rows.choose(self.names.iter().position(|name| *name == self.set).unwrap_or(0));
        }
    }
}

impl Step for Keyboard {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        self.take_list(context.facts);
        Outcome::stay()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        let did = self.form.key(key);
        let mut outcome = match did {
            Did::Back | Did::Pressed(Id::Back) => Go::Back.into(),
            Did::Pressed(_) => {
                // Where the box has no list, its own layout stays.
                let name = self.chosen().cloned().unwrap_or_else(|| self.set.clone());
                match name.parse() {
                    Ok(keyboard) if self.names.is_empty() || self.chosen().is_some() => {
                        context.draft.keyboard = keyboard;
                        Go::Next.into()
                    }
                    Ok(_) => {
                        self.message = "No layout is called so. Type another name, or Backspace.".into();
                        Outcome::stay()
                    }
                    Err(error) => {
                        self.message = error.to_string();
                        Outcome::stay()
                    }
                }
            }
            Did::Nothing | Did::Changed => {
                if did == Did::Changed {
                    self.message.clear();
                }
                Outcome::stay()
            }
        };
        if self.form.focused() != Some(Id::Layout) || matches!(outcome.go, Go::Next) {
            outcome.requests = self.set();
        }
        outcome
    }

    fn answer(&mut self, answer: &Answer, context: &mut Context) -> Outcome {
        match answer {
            Answer::Keyboards(_) => self.take_list(context.facts),
            Answer::Did(Deed::SetKeyboard, Err(error)) => self.message.clone_from(error),
            _ => {}
        }
        Outcome::stay()
    }

    fn page(&self, facts: &Facts, _draft: &Draft) -> Page {
        let page = Page::new("Keyboard (1 of 7)")
            .above(
                "Which layout does a keyboard have that is plugged into the box? (On a serial line your own computer \
                 decides.) Try what differs: y z @ # / - .",
            )
            .above(unknown(&facts.keyboards));
        page.form(&self.form).message(&self.message)
    }
}
