//! The box is set up: one call after the other, then what settings says of its progress.

use understudy_answers::Answers;

use crate::appliance::Stage;
use crate::facts::Facts;
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::page::Page;
use crate::request::{Answer, Deed, Request};
use crate::wizard::draft::{Draft, Storage};
use crate::wizard::parts::Part;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Where,
    Next,
}

/// What is being done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Doing {
    /// A key is handed over.
    Key,
    /// The answers are handed over.
    Handing,
    /// Settings carries them out.
    Applying,
    /// Somebody has shown that the key is written down; that is noted.
    Confirming,
    Failed(String),
}

#[derive(Debug)]
pub(crate) struct Applying {
    doing: Doing,
    answers: String,
    /// What was done, in words.
    done: Vec<&'static str>,
    form: Form<Id>,
}

impl Applying {
    pub fn new() -> Self {
        let ways = ["Try again".to_owned()].into_iter();
        let ways = ways.chain(Part::ALL.iter().map(|part| format!("Go back and change: {}", part.name())));
        let form = Form::careful()
            .rows(Id::Where, "", Rows::pick(ways.map(Row::new).collect()).height(7))
            .button(Id::Next, "Go on");
        Self { doing: Doing::Handing, answers: String::new(), done: Vec::new(), form }
    }

    /// What is applied.
    pub fn set_answers(&mut self, answers: Option<&Answers>) {
        self.answers = answers.map(ToString::to_string).unwrap_or_default();
    }

    fn fail(&mut self, message: &str) -> Outcome {
        self.doing = Doing::Failed(message.to_owned());
        let guess = guess(message).and_then(|part| Part::ALL.iter().position(|other| *other == part));
        if let Some(list) = self.form.list_mut(Id::Where) {
            list.choose(guess.map_or(0, |at| at + 1));
        }
        self.form.focus_first();
        Outcome::stay()
    }

    fn begin(&mut self, draft: &Draft) -> Outcome {
        self.done.clear();
        // The key first: a pool whose key nobody kept must never come to be.
        let key = match (draft.storage, &draft.import) {
            (Storage::New, _) if draft.encryption => draft.recovery_key.clone().map(Request::KeepRecoveryKey),
            (Storage::Import, Some(_)) => draft.import_key.clone().map(Request::GiveImportKey),
            _ => None,
        };
        match key {
            Some(request) => {
                self.doing = Doing::Key;
                request.into()
            }
            None => self.hand_over(),
        }
    }

    fn hand_over(&mut self) -> Outcome {
        self.doing = Doing::Handing;
        Request::Apply(self.answers.clone()).into()
    }

    /// Looks at what settings says.
    fn look(&mut self, facts: &Facts, draft: &Draft) -> Outcome {
        let status = facts.status();
        match status.stage {
            Stage::Ready if draft.storage == Storage::New && draft.encryption => {
                self.done.push("The box is set up");
                self.doing = Doing::Confirming;
                Request::ConfirmRecoveryKey.into()
            }
            Stage::Ready => Go::Next.into(),
            Stage::Failed => self.fail(&status.message),
            Stage::Applying | Stage::Unconfigured => Outcome::stay(),
        }
    }
}

/// Which part a failure is about, by its words, so that the likeliest way stands first. A wrong guess costs a key.
fn guess(message: &str) -> Option<Part> {
    let message = message.to_lowercase();
    let words: [(Part, &[&str]); 4] = [
        (Part::Storage, &["pool", "disk", "recovery key", "zpool"]),
        (Part::Network, &["network", "interface", "address", "gateway"]),
        (Part::Time, &["time zone", "time server"]),
        (Part::Keyboard, &["keyboard", "keymap"]),
    ];
    words.into_iter().find(|(_, words)| words.iter().any(|word| message.contains(word))).map(|(part, _)| part)
}

impl Step for Applying {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        self.begin(context.draft)
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        // What is begun is ended: there is no way back out of the middle of it.
        if !matches!(self.doing, Doing::Failed(_)) {
            return Outcome::stay();
        }
        match self.form.key(key) {
            Did::Back => Go::Back.into(),
            Did::Pressed(_) => match self.form.chosen(Id::Where) {
                0 => self.begin(context.draft),
                at => Part::ALL.get(at - 1).map_or(Go::Back, |part| Go::To(part.step())).into(),
            },
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, context: &mut Context) -> Outcome {
        match (&self.doing, answer) {
            (Doing::Key, Answer::Did(Deed::KeepRecoveryKey | Deed::GiveImportKey, result)) => match result {
                Ok(()) => {
                    self.done.push("The recovery key is handed over");
                    self.hand_over()
                }
                Err(error) => self.fail(error),
            },
            (Doing::Handing, Answer::Did(Deed::Apply, result)) => match result {
                Ok(()) => {
                    self.done.push("The box has your answers");
                    self.doing = Doing::Applying;
                    // What is known of it may be older than the answers.
                    Request::Status.into()
                }
                Err(error) => self.fail(error),
            },
            (Doing::Applying, Answer::Status(Ok(_))) => self.look(context.facts, context.draft),
            // The pool is there and works. If this failed, the menu says that the key is to be confirmed.
            (Doing::Confirming, Answer::Did(Deed::ConfirmRecoveryKey, _)) => Go::Next.into(),
            _ => Outcome::stay(),
        }
    }

    fn page(&self, facts: &Facts, _draft: &Draft) -> Page {
        if let Doing::Failed(message) = &self.doing {
            return Page::new("The box could not be set up")
                .above(message)
                .above("What do you want to do? What you typed is still there.")
                .form(&self.form);
        }
        let page = Page::new("The box is being set up")
            .above("This takes a minute or two. Please leave the power on; if it fails all the same, the box goes on by itself when it is back.");
        let page = self.done.iter().fold(page, |page, done| page.above(format!("[done] {done}")));
        let doing = match self.doing {
            Doing::Key => "Handing the recovery key over".to_owned(),
            Doing::Handing => "Handing your answers over".to_owned(),
            Doing::Confirming => "Noting that the recovery key is on paper".to_owned(),
            _ => {
                let said = facts.status().message;
                if said.is_empty() { "Carrying your answers out".to_owned() } else { said }
            }
        };
        page.above(format!("[....] {doing}")).waiting()
    }
}
