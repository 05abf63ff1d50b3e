//! Done: where the box is reached, a code for the first machine, and the next step.

use crate::facts::Facts;
use crate::form::{Did, Form};
use crate::keys::Key;
use crate::page::Page;
use crate::request::{Answer, Request};
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug)]
pub(crate) struct Done {
    form: Form<()>,
    code: Option<Result<(String, u64), String>>,
}

impl Done {
    pub fn new() -> Self {
        Self { form: Form::new().button((), "To the overview"), code: None }
    }
}

/// Where the web page of the box is.
pub(crate) fn addresses(facts: &Facts) -> String {
    let status = facts.status();
    let addresses = status.addresses.iter().filter_map(|address| address.split('/').next());
    let urls: Vec<_> = addresses
        .map(|address| {
            if address.contains(':') {
                format!("https://[{address}]/")
            } else {
                format!("https://{address}/")
            }
        })
        .collect();
    if urls.is_empty() {
        "none yet: check the cable, or see Network in the menu".into()
    } else {
        urls.join("  ")
    }
}

/// A pairing code on a page.
pub(crate) fn code_on(page: Page, code: &Option<Result<(String, u64), String>>) -> Page {
    match code {
        None => page.above("A pairing code is being made ..."),
        Some(Ok((code, minutes))) => {
            let word = if *minutes == 1 { "minute" } else { "minutes" };
            page.above(format!("Pairing code: {code}   (for one machine, good for {minutes} {word})"))
        }
        Some(Err(error)) => page.message(error),
    }
}

impl Step for Done {
    fn enter(&mut self, _context: &mut Context) -> Outcome {
        Outcome { go: Go::Stay, requests: vec![Request::PairingCode, Request::Status, Request::Pool] }
    }

    fn key(&mut self, key: Key, _context: &mut Context) -> Outcome {
        match self.form.key(key) {
            Did::Pressed(()) | Did::Back => Go::Leave.into(),
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, _context: &mut Context) -> Outcome {
        if let Answer::PairingCode(code) = answer {
            self.code = Some(code.clone());
        }
        Outcome::stay()
    }

    fn page(&self, facts: &Facts, _draft: &Draft) -> Page {
        let page = Page::new("The box is set up").above(format!("Address of the box: {}", addresses(facts)));
        code_on(page, &self.code)
            .above("Next: install the agent on the first machine and give it this address and this code.")
            .form(&self.form)
            .below(facts.status().message)
    }
}
