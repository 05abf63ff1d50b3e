//! Everything that will happen. The text is made from the very answers that are applied.

use understudy_answers::{Answers, Pool};

use crate::appliance::Mistake;
use crate::facts::Facts;
use crate::form::{Did, Form, Rows};
use crate::keys::Key;
use crate::network_form;
use crate::page::{Page, bytes};
use crate::request::{Answer, Request};
use crate::wizard::draft::Draft;
use crate::wizard::layout::{sizes, survives};
use crate::wizard::parts::Part;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Text,
    Next,
    Back,
}

#[derive(Debug)]
pub(crate) struct Summary {
    form: Form<Id>,
    answers: Option<Answers>,
    /// Whether the box has said what it thinks of them.
    checked: bool,
    /// Somebody agreed before that.
    agreed: bool,
    /// What the box would refuse, and where that was asked.
    mistake: Option<(String, Part)>,
    message: String,
}

impl Summary {
    pub fn new() -> Self {
        let form = Form::careful()
            .rows(Id::Text, "", Rows::read(Vec::new()).height(10))
            .button(Id::Next, "Set the box up")
            .button(Id::Back, "Back");
        Self { form, answers: None, checked: false, agreed: false, mistake: None, message: String::new() }
    }

    /// What is applied.
    pub fn answers(&self) -> Option<&Answers> {
        self.answers.as_ref()
    }
}

/// The answers in words. What only the disks themselves say, their contents and sizes, comes from the draft.
pub(crate) fn told(answers: &Answers, draft: &Draft) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |what: &str, said: &str| {
        // A serial number may be longer than the line.
        for (number, said) in crate::picture::wrap(said, 57).iter().enumerate() {
            lines.push(format!("{:<15} {said}", if number == 0 { what } else { "" }));
        }
    };
    match &answers.pool {
        Pool::New(new) => {
            for name in &new.erase {
                let disk = draft.disks.iter().find(|(other, _)| other == name).map(|(_, disk)| disk);
                say(
                    "ERASED FOR EVER",
                    &disk.map_or(name.to_string(), |disk| {
                        format!("{name} ({} {}): {}", disk.model, bytes(disk.size), disk.contents)
                    }),
                );
            }
            let disks: Vec<_> = draft.disks.iter().map(|(_, disk)| disk.clone()).collect();
            let size = bytes(sizes(new.layout, &disks).0);
            say("New pool", &format!("{}, {size}: {}", new.layout, survives(new.layout, new.disks.len())));
            for name in &new.disks {
                say("  on disk", name.as_str());
            }
            let encryption = if new.encryption { "yes; the recovery key is on paper" } else { "no" };
            say("  encrypted", encryption);
        }
        Pool::Import(import) => {
            let pool = draft.import.as_ref();
            let number = match import {
                understudy_answers::Import::Only => "the only one".to_owned(),
                understudy_answers::Import::Guid(guid) => format!("number {guid}"),
            };
            say(
                "Existing pool",
                &format!("{} ({number}); what is on it stays", pool.map_or("", |pool| pool.name.as_str())),
            );
        }
    }
    say("Host name", answers.host_name.as_str());
    for (number, line) in network_form::told(&answers.network).iter().enumerate() {
        say(if number == 0 { "Network" } else { "" }, line);
    }
    say("", &draft.trial_said);
    say("Keyboard", answers.keyboard.as_str());
    say("Time zone", answers.time_zone.as_str());
    let servers: Vec<_> = answers.time_servers.iter().map(ToString::to_string).collect();
    say(
        "Time servers",
        if servers.is_empty() { "those the box came with".to_owned() } else { servers.join(", ") }.as_str(),
    );
    say("Password", if answers.password_hash.is_some() { "as you typed it" } else { "none" });
    lines
}

impl Step for Summary {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        *self = Self::new();
        let Some(answers) = context.draft.answers() else { return Go::Back.into() };
        if let Some(list) = self.form.list_mut(Id::Text) {
            *list = Rows::read(told(&answers, context.draft)).height(10);
        }
        let request = Request::Check(answers.to_string());
        self.answers = Some(answers);
        request.into()
    }

    fn key(&mut self, key: Key, _context: &mut Context) -> Outcome {
        match self.form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => Go::Back.into(),
            Did::Pressed(_) => match (&self.mistake, self.checked) {
                (Some((_, part)), _) => Go::To(part.step()).into(),
                (None, true) => Go::Next.into(),
                (None, false) => {
                    self.agreed = true;
                    self.message =
                        "One moment: the box is still looking whether all of this is possible.".into();
                    Outcome::stay()
                }
            },
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, _context: &mut Context) -> Outcome {
        let Answer::Check(result) = answer else { return Outcome::stay() };
        self.message.clear();
        match result {
            Ok(mistakes) => {
                self.checked = true;
                self.mistake = mistakes.first().map(|Mistake { line, reason }| {
                    let text = self.answers.as_ref().map(ToString::to_string).unwrap_or_default();
                    (reason.clone(), Part::of_line(&text, *line))
                });
            }
            // Applying says the same or better.
            Err(error) => {
                self.checked = true;
                self.message.clone_from(error);
            }
        }
        match &self.mistake {
            Some((_, part)) => {
                self.form.set_label(Id::Next, &format!("Change: {}", part.name()));
                Outcome::stay()
            }
            None if self.agreed => Go::Next.into(),
            None => Outcome::stay(),
        }
    }

    fn page(&self, _facts: &Facts, _draft: &Draft) -> Page {
        let page = Page::new("Summary (7 of 7)").form(&self.form);
        match &self.mistake {
            Some((reason, _)) => page.message(format!("This is not possible: {reason}")),
            None => page.message(&self.message),
        }
    }
}
