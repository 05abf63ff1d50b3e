//! Updates: where a new version comes from, how its installation goes, and the restart that starts it. The page may be left at any time:
//! what is installed goes on without it.

mod source;
mod words;

pub(crate) use words::line;

use crate::appliance::{self, Source, UpdateState};
use crate::facts::{Facts, unknown};
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::menu::pages::Confirm;
use crate::menu::{Opened, Turn};
use crate::page::{INNER, Page};
use crate::picture::wrap;
use crate::request::{Answer, Deed, Request};
use source::{Bundle, Chose, FromAddress, FromStick};

const PULLED: &str = "The stick is not there any more. Put it in again, or choose another.";
const UNSAID: &str = "The box does not say why. A support bundle shows what happened.";
const LOST: &str =
    "The service that installs was started anew, and the update ended with it. Begin it again.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// It is not known yet whether one runs.
    Looking,
    Choice,
    Stick,
    Address,
    Summary,
    /// It was asked for.
    Beginning,
    Progress,
    Failed,
    Installed,
    /// Asked once more before the box goes down.
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Press {
    List,
    Next,
    Other,
    Back,
}

#[derive(Debug)]
pub(crate) struct Update {
    at: At,
    /// What is pressed on the page that is shown, if that is none with a form of its own.
    form: Form<Press>,
    stick: FromStick,
    address: FromAddress,
    bundle: Option<Bundle>,
    /// It was seen at work: if nothing is known of it any more, it is lost.
    seen: bool,
    /// What failed, and why.
    failure: (&'static str, String),
    restart: Confirm,
}

impl Update {
    pub fn new(facts: &Facts) -> Self {
        let mut page = Self {
            at: At::Looking,
            form: Form::new(),
            stick: FromStick::new(),
            address: FromAddress::new(),
            bundle: None,
            seen: false,
            failure: ("", String::new()),
            restart: Confirm::restart(),
        };
        page.go(At::Looking);
        if let Some(Ok(update)) = &facts.update {
            page.follow(update);
        }
        page
    }

    fn go(&mut self, at: At) {
        self.at = at;
        self.form = match at {
            At::Choice => {
                let rows = ["From a USB stick", "From an address in the network"].map(Row::new).to_vec();
                Form::new()
                    .rows(Press::List, "", Rows::pick(rows))
                    .button(Press::Next, "Go on")
                    .button(Press::Back, "Back")
            }
            At::Summary => Form::new().button(Press::Next, "Install").button(Press::Back, "Back"),
            At::Looking | At::Beginning | At::Progress => Form::new().button(Press::Back, "Back to the menu"),
            At::Failed => {
                // Whole, however long: it says what to do next at its end.
                let said = Rows::read(wrap(&self.failure.1, INNER - 2)).height(10);
                Form::new()
                    .rows(Press::List, "", said)
                    .button(Press::Next, "Try again")
                    .button(Press::Back, "Back")
            }
            At::Installed => Form::new()
                .button(Press::Next, "Restart now")
                .button(Press::Back, "Later")
                .button(Press::Other, "Install another"),
            // These have forms of their own.
            At::Stick | At::Address | At::Restart => Form::new(),
        };
    }

    fn fail(&mut self, what: &'static str, why: &str) {
        let why = if why.trim().is_empty() { UNSAID } else { why };
        self.failure = (what, why.to_owned());
        self.go(At::Failed);
    }

    /// To the page that fits how the update is, wherever it was begun.
    fn follow(&mut self, update: &appliance::Update) {
        match (update.state, self.at) {
            // What is said may be older than what was asked for.
            (_, At::Beginning | At::Restart) => {}
            (state, at) if state.runs() => {
                self.seen = true;
                if at != At::Progress {
                    self.go(At::Progress);
                }
            }
            (UpdateState::Installed, At::Looking | At::Progress) => self.go(At::Installed),
            (UpdateState::Failed, At::Looking | At::Progress) => {
                self.fail("The update failed. The version that runs is untouched.", &update.message);
            }
            (UpdateState::None, At::Looking) => self.go(At::Choice),
            (UpdateState::None, At::Progress) if self.seen => {
                self.fail("The update was broken off. The version that runs is untouched.", LOST);
            }
            _ => {}
        }
    }

    /// From whichever page something was chosen on, or not.
    fn chose(&mut self, chose: Chose) -> Turn {
        match chose {
            Chose::Nothing => {}
            Chose::Back => self.go(At::Choice),
            Chose::Bundle(bundle) => {
                self.bundle = Some(bundle);
                self.go(At::Summary);
            }
        }
        Turn::stay()
    }

    /// The first button of a page.
    fn next(&mut self) -> Turn {
        match self.at {
            At::Choice if self.form.chosen(Press::List) == 0 => {
                self.stick = FromStick::new();
                self.go(At::Stick);
                return Turn::ask(Request::Sticks);
            }
            At::Choice => self.go(At::Address),
            At::Summary => {
                if let Some(bundle) = &self.bundle {
                    let request = bundle.request();
                    self.seen = false;
                    self.go(At::Beginning);
                    return Turn::ask(request);
                }
            }
            At::Failed => self.go(At::Choice),
            At::Installed => {
                self.restart = Confirm::restart();
                self.go(At::Restart);
            }
            At::Looking | At::Stick | At::Address | At::Beginning | At::Progress | At::Restart => {}
        }
        Turn::stay()
    }

    fn back(&mut self) -> Turn {
        match (self.at, &self.bundle) {
            (At::Summary, Some(Bundle::At(_))) => self.go(At::Address),
            (At::Summary, _) => self.go(At::Stick),
            _ => return Turn::menu(),
        }
        Turn::stay()
    }
}

impl Opened for Update {
    fn key(&mut self, key: Key, facts: &Facts) -> Turn {
        match self.at {
            At::Stick => {
                let chose = self.stick.key(key);
                return self.chose(chose);
            }
            At::Address => {
                let chose = self.address.key(key);
                return self.chose(chose);
            }
            At::Restart => {
                let turn = self.restart.key(key, facts);
                if !matches!(turn, Turn::Menu(..)) {
                    return turn;
                }
                self.go(At::Installed);
                return Turn::stay();
            }
            _ => {}
        }
        match self.form.key(key) {
            Did::Back | Did::Pressed(Press::Back) => self.back(),
            Did::Pressed(Press::Other) => {
                self.go(At::Choice);
                Turn::stay()
            }
            Did::Pressed(_) => self.next(),
            Did::Nothing | Did::Changed => Turn::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, facts: &Facts) -> Turn {
        match answer {
            Answer::Update(Ok(update)) => self.follow(update),
            Answer::Sticks(sticks) => {
                self.stick.look(facts);
                let gone =
                    sticks.is_ok() && self.bundle.as_ref().is_some_and(|bundle| !bundle.is_there(facts));
                if self.at == At::Summary && gone {
                    PULLED.clone_into(&mut self.stick.message);
                    self.go(At::Stick);
                }
            }
            Answer::Did(Deed::Install, result) if self.at == At::Beginning => match result {
                Ok(()) => {
                    self.go(At::Progress);
                    return Turn::ask(Request::Update);
                }
                Err(why) => self.fail("The update did not begin.", why),
            },
            answer if self.at == At::Restart => return self.restart.answer(answer, facts),
            _ => {}
        }
        Turn::stay()
    }

    fn ask_again(&self, source: Source) -> Vec<Request> {
        match (self.at, source) {
            (At::Stick | At::Summary, Source::Maintenance | Source::All) => vec![Request::Sticks],
            _ => Vec::new(),
        }
    }

    fn page(&self, facts: &Facts) -> Page {
        let page = Page::new("Update");
        let update = facts.update();
        let page = match self.at {
            At::Stick => return self.stick.page(facts),
            At::Address => return self.address.page(),
            At::Restart => return self.restart.page(facts),
            At::Looking => match &facts.update {
                None => page.above(unknown(&facts.update)),
                Some(_) => page,
            },
            At::Choice => page.above("Where does the new version come from?"),
            At::Summary => {
                let bundle = self.bundle.as_ref().map(Bundle::words).unwrap_or_default();
                page.above(format!("{bundle}\nRuns now      {}", runs_now(facts)))
                    .above("The new version is written beside the one that runs. Nothing stops before the restart, and that comes only when you say so.")
            }
            At::Beginning => page.above("The update begins ..."),
            At::Progress => page
                .above(words::now(&update))
                .above(words::bar(&update))
                .above("Nothing stops meanwhile. You can leave this page and come back: the update goes on."),
            At::Failed => page.above(self.failure.0),
            At::Installed => page
                .above(words::installed(&update))
                .above(format!("Until then the box runs {}.", runs_now(facts))),
        };
        page.form(&self.form).message(match &facts.update {
            Some(Err(error)) => error,
            _ => "",
        })
    }
}

/// `version 0.1.0, slot A`.
fn runs_now(facts: &Facts) -> String {
    match &facts.about {
        Some(Ok(about)) if about.slot.is_empty() => format!("version {}", about.version),
        Some(Ok(about)) => format!("version {}, slot {}", about.version, about.slot),
        other => unknown(other).to_owned(),
    }
}
