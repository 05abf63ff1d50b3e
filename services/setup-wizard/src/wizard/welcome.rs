//! Welcome: what will be asked, and what happened to an answer file.

use crate::appliance::Stage;
use crate::facts::Facts;
use crate::form::{Did, Form};
use crate::keys::Key;
use crate::page::Page;
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug)]
pub(crate) struct Welcome {
    form: Form<()>,
}

impl Welcome {
    pub fn new() -> Self {
        Self { form: Form::new().button((), "Begin") }
    }
}

impl Step for Welcome {
    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        match self.form.key(key) {
            Did::Pressed(()) => Go::Next.into(),
            // It was opened from the menu.
            Did::Back if context.facts.status().stage == Stage::Failed => Go::Leave.into(),
            _ => Outcome::stay(),
        }
    }

    fn page(&self, facts: &Facts, _draft: &Draft) -> Page {
        let page = Page::new("Understudy set-up")
            .above("Welcome. This box backs your machines up, and stands in for one that dies.")
            .above(
                "Some questions follow: keyboard, name, network, time, password and storage. You can go back at any \
                 time, and what you typed stays. Nothing is changed on the disks, and nothing is kept, before you have \
                 seen a summary and agreed to it.",
            )
            .above("If the power fails before that, simply begin anew.")
            .form(&self.form);
        let status = facts.status();
        if status.message.is_empty() {
            return page;
        }
        if status.stage == Stage::Failed {
            return page.message(format!("{} Esc leads to the menu.", sentence(&status.message)));
        }
        page.message(format!(
            "{} Nothing of that file was used. Correct it and restart, or go on here.",
            sentence(&status.message)
        ))
    }
}

/// With a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}
