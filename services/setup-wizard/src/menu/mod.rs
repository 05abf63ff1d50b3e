//! The console after set-up: an overview that keeps itself up to date, and a menu. No login: whoever stands at the box can pull its plug, and
//! gets no more than that; but for a shell in support mode, which no page and no terminal hides while it is on.

mod entries;
mod network;
mod overview;
mod pages;
mod sticks;
mod support_bundle;
mod support_mode;
mod update;

use crate::appliance::Source;
use crate::facts::{self, Facts};
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::page::Page;
use crate::request::{Answer, Request};
use entries::Entry;
use support_bundle::written;

/// Where it goes from a page of the menu.
#[derive(Debug)]
pub(crate) enum Turn {
    Stay(Vec<Request>),
    /// Back to the menu, with something to say.
    Menu(String, Vec<Request>),
}

impl Turn {
    pub fn stay() -> Self {
        Self::Stay(Vec::new())
    }

    pub fn ask(request: Request) -> Self {
        Self::Stay(vec![request])
    }

    pub fn menu() -> Self {
        Self::Menu(String::new(), Vec::new())
    }

    pub fn said(message: &str) -> Self {
        Self::Menu(message.to_owned(), Vec::new())
    }
}

/// A page that the menu opens.
pub(crate) trait Opened {
    fn key(&mut self, key: Key, facts: &Facts) -> Turn;

    fn answer(&mut self, answer: &Answer, facts: &Facts) -> Turn;

    fn page(&self, facts: &Facts) -> Page;

    /// A second went by.
    fn second(&mut self) -> Turn {
        Turn::stay()
    }

    /// Whether it wants to know of seconds.
    fn counts(&self) -> bool {
        false
    }

    /// What it wants to ask again because of a change.
    fn ask_again(&self, _source: Source) -> Vec<Request> {
        Vec::new()
    }

    /// Nobody is there any more: what has to be undone.
    fn abandon(&mut self) -> Vec<Request> {
        Vec::new()
    }
}

enum Screen {
    Overview,
    Menu,
    Opened(Box<dyn Opened + Send>),
}

/// The console of a box that is set up.
pub(crate) struct Menu {
    screen: Screen,
    form: Form<()>,
    entries: Vec<Entry>,
    message: String,
    /// How many pages were opened: an answer to one is not taken for an answer to the next.
    opened: u64,
    /// The wizard was chosen.
    pub wants_wizard: bool,
}

impl std::fmt::Debug for Menu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Menu").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl Menu {
    /// At the overview, and what it wants to know.
    pub fn new() -> (Self, Vec<Request>) {
        let menu = Self {
            screen: Screen::Overview,
            form: Form::new(),
            entries: Vec::new(),
            message: String::new(),
            opened: 0,
            wants_wizard: false,
        };
        (menu, facts::overview())
    }

    fn open_menu(&mut self, facts: &Facts, message: String) {
        let before = self.entries.get(self.form.chosen(())).copied();
        self.entries = Entry::all(facts);
        let rows = self.entries.iter().map(|entry| Row::new(entry.name())).collect();
        let mut rows = Rows::pick(rows).height(12);
        rows.choose(self.entries.iter().position(|entry| Some(*entry) == before).unwrap_or(0));
        self.form = Form::new().rows((), "", rows);
        self.message = message;
        self.screen = Screen::Menu;
    }

    fn follow(&mut self, turn: Turn, facts: &Facts) -> Vec<Request> {
        match turn {
            Turn::Stay(requests) => requests,
            Turn::Menu(message, requests) => {
                self.open_menu(facts, message);
                requests
            }
        }
    }

    pub fn key(&mut self, key: Key, facts: &Facts) -> Vec<Request> {
        let turn = match &mut self.screen {
            Screen::Overview => {
                if matches!(key, Key::Enter | Key::Char('m' | 'M')) {
                    self.open_menu(facts, String::new());
                }
                return Vec::new();
            }
            Screen::Menu => return self.menu_key(key, facts),
            Screen::Opened(opened) => opened.key(key, facts),
        };
        self.follow(turn, facts)
    }

    fn menu_key(&mut self, key: Key, facts: &Facts) -> Vec<Request> {
        if key == Key::Enter {
            let Some(entry) = self.entries.get(self.form.chosen(())) else { return Vec::new() };
            self.opened += 1;
            let Some((opened, requests)) = entry.open(facts, self.opened << 32) else {
                self.wants_wizard = true;
                return Vec::new();
            };
            self.screen = Screen::Opened(opened);
            return requests;
        }
        // For terminals without the key Esc.
        if matches!(key, Key::Char('q' | 'o')) || self.form.key(key) == Did::Back {
            self.screen = Screen::Overview;
        }
        Vec::new()
    }

    pub fn answer(&mut self, answer: &Answer, facts: &Facts) -> Vec<Request> {
        let opened = match &mut self.screen {
            Screen::Opened(opened) => opened,
            // Its page was left before it was written: the name is said all the same.
            Screen::Menu => {
                if let Answer::SupportBundle(_, result) = answer {
                    self.message = result.as_ref().map_or_else(Clone::clone, |name| written(name));
                }
                return Vec::new();
            }
            Screen::Overview => return Vec::new(),
        };
        let turn = opened.answer(answer, facts);
        self.follow(turn, facts)
    }

    pub fn second(&mut self, facts: &Facts) -> Vec<Request> {
        let Screen::Opened(opened) = &mut self.screen else { return Vec::new() };
        let turn = opened.second();
        self.follow(turn, facts)
    }

    /// What the page that is open may want to ask again because of a change.
    pub fn ask_again(&self, source: Source) -> Vec<Request> {
        match &self.screen {
            Screen::Opened(opened) => opened.ask_again(source),
            _ => Vec::new(),
        }
    }

    pub fn counts(&self) -> bool {
        matches!(&self.screen, Screen::Opened(opened) if opened.counts())
    }

    /// Nobody is there: back to the overview, which shows no secret and changes nothing.
    pub fn abandon(&mut self) -> Vec<Request> {
        match std::mem::replace(&mut self.screen, Screen::Overview) {
            Screen::Opened(mut opened) => opened.abandon(),
            _ => Vec::new(),
        }
    }

    pub fn page(&self, facts: &Facts) -> Page {
        match &self.screen {
            Screen::Overview => overview::page(facts),
            Screen::Menu => {
                let mut page = Page::new(format!("{}: menu", overview::name(facts)))
                    .form(&self.form)
                    .message(&self.message);
                page.help = "Arrows, n, p: move   Enter: open   Esc, q: overview   Ctrl-L: redraw".into();
                page
            }
            Screen::Opened(opened) => opened.page(facts),
        }
    }
}
