//! Host name.

use crate::facts::Facts;
use crate::form::{Did, Form};
use crate::keys::Key;
use crate::page::Page;
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Name,
    Next,
    Back,
}

#[derive(Debug)]
pub(crate) struct HostName {
    form: Form<Id>,
    message: String,
}

impl HostName {
    pub fn new() -> Self {
        let form = Form::new()
            .field(Id::Name, "Host name", "understudy")
            .button(Id::Next, "Go on")
            .button(Id::Back, "Back");
        Self { form, message: String::new() }
    }
}

impl Step for HostName {
    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        match self.form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => return Go::Back.into(),
            Did::Pressed(_) => match self.form.text(Id::Name).to_lowercase().parse() {
                Ok(name) => {
                    context.draft.host_name = Some(name);
                    self.message.clear();
                    return Go::Next.into();
                }
                Err(error) => {
                    self.form.focus(Id::Name);
                    self.message = error.to_string();
                }
            },
            Did::Changed => self.message.clear(),
            Did::Nothing => {}
        }
        Outcome::stay()
    }

    fn page(&self, _facts: &Facts, _draft: &Draft) -> Page {
        Page::new("Host name (2 of 7)")
            .above("What shall the box be called? Its machines and its web page show this name.")
            .form(&self.form)
            .below("Without a domain: backup-berlin, not backup-berlin.example.org.")
            .message(&self.message)
    }
}
