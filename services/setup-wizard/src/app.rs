//! The whole console as a value: the wizard until the box is set up, then the menu.

use crate::appliance::Stage;
use crate::facts::Facts;
use crate::keys::Key;
use crate::menu::Menu;
use crate::page::Page;
use crate::request::{Answer, Event, Request};
use crate::wizard::Wizard;

#[derive(Debug)]
enum Shown {
    /// Settings has not yet said how far the box is.
    Starting,
    Wizard(Box<Wizard>),
    Menu(Menu),
}

#[derive(Debug)]
pub(crate) struct App {
    facts: Facts,
    shown: Shown,
}

impl App {
    /// What is shown before anything is known, and what is asked first.
    pub fn new() -> (Self, Vec<Request>) {
        (Self { facts: Facts::default(), shown: Shown::Starting }, vec![Request::Status])
    }

    pub fn handle(&mut self, event: &Event) -> Vec<Request> {
        match event {
            Event::Key(key, terminal) => {
                self.facts.terminal.clone_from(terminal);
                self.key(*key)
            }
            Event::Answer(answer) => self.answer(answer),
            Event::Changed(source) => {
                // A port may have got its link, a disk may have been put in.
                let also = match &self.shown {
                    Shown::Wizard(wizard) => wizard.ask_again(*source),
                    Shown::Menu(menu) => menu.ask_again(*source),
                    Shown::Starting => Vec::new(),
                };
                self.facts.ask_again(*source, also)
            }
            Event::Second => match &mut self.shown {
                Shown::Menu(menu) => menu.second(&self.facts),
                _ => Vec::new(),
            },
            Event::Idle => match &mut self.shown {
                Shown::Menu(menu) => menu.abandon(),
                // Half a set-up is not thrown away because somebody is looking for a cable.
                _ => Vec::new(),
            },
        }
    }

    fn key(&mut self, key: Key) -> Vec<Request> {
        match &mut self.shown {
            Shown::Starting => Vec::new(),
            Shown::Menu(menu) => {
                let requests = menu.key(key, &self.facts);
                if menu.wants_wizard { self.open_wizard() } else { requests }
            }
            Shown::Wizard(wizard) => {
                let went = wizard.key(key, &self.facts);
                self.follow(went)
            }
        }
    }

    fn answer(&mut self, answer: &Answer) -> Vec<Request> {
        let mut requests = self.facts.learn(answer);
        if let Answer::Status(Ok(_)) = answer
            && let Some(turned) = self.turn()
        {
            requests.extend(turned);
            return requests;
        }
        requests.extend(self.pass_on(answer));
        requests
    }

    fn pass_on(&mut self, answer: &Answer) -> Vec<Request> {
        match &mut self.shown {
            Shown::Starting => Vec::new(),
            Shown::Menu(menu) => menu.answer(answer, &self.facts),
            Shown::Wizard(wizard) => {
                let went = wizard.answer(answer, &self.facts);
                self.follow(went)
            }
        }
    }

    /// From one thing to another, if the box's state asks for it.
    fn turn(&mut self) -> Option<Vec<Request>> {
        let stage = self.facts.status().stage;
        let to_wizard = stage == Stage::Unconfigured;
        match &self.shown {
            Shown::Starting if to_wizard => Some(self.open_wizard()),
            Shown::Starting if stage != Stage::Applying => Some(self.open_menu()),
            // Somebody else has set it up meanwhile: over the network, or with a disk that holds the answers.
            Shown::Wizard(wizard) if !wizard.is_past_the_summary() && stage == Stage::Ready => {
                Some(self.open_menu())
            }
            _ => None,
        }
    }

    fn open_wizard(&mut self) -> Vec<Request> {
        let (wizard, requests) = Wizard::new();
        self.shown = Shown::Wizard(Box::new(wizard));
        requests
    }

    fn open_menu(&mut self) -> Vec<Request> {
        let (menu, requests) = Menu::new();
        self.shown = Shown::Menu(menu);
        requests
    }

    fn follow(&mut self, (mut requests, done): (Vec<Request>, bool)) -> Vec<Request> {
        if done {
            requests.extend(self.open_menu());
        }
        requests
    }

    /// Whether it wants to know of seconds.
    pub fn counts(&self) -> bool {
        matches!(&self.shown, Shown::Menu(menu) if menu.counts())
    }

    /// Whether an idle console is left to whoever comes next.
    pub fn can_be_idle(&self) -> bool {
        matches!(self.shown, Shown::Menu(_))
    }

    /// What stands on every page at every terminal; empty if nothing.
    pub fn banner(&self) -> String {
        let until = self.facts.support_until.as_ref();
        until.map_or(String::new(), |until| format!("SUPPORT MODE until {until}"))
    }

    pub fn page(&self) -> Page {
        match &self.shown {
            Shown::Wizard(wizard) => wizard.page(&self.facts),
            Shown::Menu(menu) => menu.page(&self.facts),
            Shown::Starting => {
                let said = match &self.facts.status {
                    Some(Ok(status)) => status.message.clone(),
                    Some(Err(error)) => error.clone(),
                    None => String::new(),
                };
                Page::new("Understudy").above("The box is starting ...").above(said).waiting()
            }
        }
    }
}
