//! Support mode: a shell for a person of support, at this terminal, for a while.

use crate::facts::{Facts, unknown};
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::menu::{Opened, Turn};
use crate::page::Page;
use crate::request::{Answer, Deed, Request};

/// How long it may last: in words, and in minutes.
const LENGTHS: [(&str, u32); 3] = [("15 minutes", 15), ("1 hour", 60), ("8 hours", 480)];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Length,
    On,
    Shell,
    Off,
    Back,
}

#[derive(Debug)]
pub(crate) struct SupportMode {
    form: Form<Id>,
    /// What is being done, in words; empty if nothing is.
    doing: &'static str,
    message: String,
}

impl SupportMode {
    pub fn new(facts: &Facts) -> Self {
        let lengths = LENGTHS.map(|(words, _)| Row::new(words)).to_vec();
        let form = Form::careful()
            .rows(Id::Length, "For how long?", Rows::pick(lengths))
            .button(Id::On, "Switch it on")
            .button(Id::Shell, "Open a shell here")
            .button(Id::Off, "Switch it off")
            .button(Id::Back, "Back");
        let mut page = Self { form, doing: "", message: String::new() };
        page.look(facts);
        page
    }

    /// Offers what makes sense now.
    fn look(&mut self, facts: &Facts) {
        let off = matches!(&facts.support_mode, Some(Ok(None)));
        let on = matches!(&facts.support_mode, Some(Ok(Some(_))));
        let before = self.form.focused();
        let (length, shell) = (self.form.shows(Id::Length), self.form.shows(Id::Shell));
        for (id, shown) in [(Id::Length, off), (Id::On, off), (Id::Shell, on), (Id::Off, on)] {
            self.form.show(id, shown);
        }
        // Where other things can be done than before, the focus is not left on the last of them.
        if (length, shell) != (off, on) {
            self.form.focus_first();
        } else if let Some(before) = before {
            self.form.focus(before);
        }
    }

    fn begin(&mut self, doing: &'static str, request: Request) -> Turn {
        self.doing = doing;
        self.message.clear();
        Turn::ask(request)
    }

    /// It was done, or not; `then` is asked next.
    fn did(&mut self, result: &Result<(), String>, then: Request) -> Turn {
        self.doing = "";
        match result {
            Ok(()) => Turn::ask(then),
            Err(why) => {
                self.message.clone_from(why);
                Turn::stay()
            }
        }
    }
}

impl Opened for SupportMode {
    fn key(&mut self, key: Key, facts: &Facts) -> Turn {
        match self.form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => Turn::menu(),
            Did::Pressed(_) if !self.doing.is_empty() => Turn::stay(),
            Did::Pressed(Id::On) => {
                let (_, minutes) = LENGTHS[self.form.chosen(Id::Length).min(LENGTHS.len() - 1)];
                self.begin("Switching support mode on ...", Request::StartSupportMode(minutes))
            }
            Did::Pressed(Id::Shell) => {
                self.begin("Opening a shell at this terminal ...", Request::OpenShell(facts.terminal.clone()))
            }
            Did::Pressed(_) => self.begin("Switching support mode off ...", Request::EndSupportMode),
            Did::Changed => {
                self.message.clear();
                Turn::stay()
            }
            Did::Nothing => Turn::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, facts: &Facts) -> Turn {
        match answer {
            Answer::SupportMode(_) => {
                self.look(facts);
                Turn::stay()
            }
            Answer::Did(Deed::StartSupportMode | Deed::EndSupportMode, result) => {
                self.did(result, Request::SupportMode)
            }
            Answer::Shell(_, result) => self.did(result, Request::SupportMode),
            _ => Turn::stay(),
        }
    }

    fn page(&self, facts: &Facts) -> Page {
        let page = Page::new("Support mode").above(
            "Support mode gives whoever stands at this box, or sits at its serial line, a shell of root's, for a person of support. It \
             ends by itself.",
        );
        let page = match &facts.support_mode {
            Some(Ok(Some(until))) => page
                .above(format!("It is on until {until}."))
                .above("A shell takes this terminal until you type exit; then this console is here again."),
            Some(Ok(None)) => page.above("It is off."),
            None => page.above(unknown(&facts.support_mode)),
            Some(Err(_)) => page,
        };
        let message = match &facts.support_mode {
            Some(Err(error)) => error,
            _ => &self.message,
        };
        page.form(&self.form).below(self.doing).message(message)
    }
}
