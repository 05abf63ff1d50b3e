//! A console played key by key, without a terminal and without waiting: every request is carried out on a box in memory at once.

use std::collections::VecDeque;
use std::sync::Arc;

use understudy_setup_wizard::appliance::Secret;
use understudy_setup_wizard::hall::{DoorId, Hall, Place};
use understudy_setup_wizard::keys::Key;
use understudy_setup_wizard::recovery_key::Questions;
use understudy_setup_wizard::request::{Answer, Request, carry_out};
use understudy_setup_wizard::simulated::{OPENING_KEY, Simulated, World};

pub const PASSWORD: &str = "tubular giraffe mending slate";
const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
const DOOR: DoorId = DoorId(1);

pub struct Play {
    pub hall: Hall,
    pub simulated: Arc<Simulated>,
    /// All that was asked for, and the title of the page where it was.
    pub asked: Vec<(String, Request)>,
    /// Requests whose answers are kept back.
    pub held: Vec<Request>,
    hold: fn(&Request) -> bool,
    pub presses: usize,
    runtime: tokio::runtime::Runtime,
}

impl Play {
    pub fn new(world: World) -> Self {
        Self::holding(world, |_| false)
    }

    /// Answers to some requests are kept back.
    pub fn holding(world: World, hold: fn(&Request) -> bool) -> Self {
        let (mut hall, requests) = Hall::new();
        hall.open(DOOR, Place::at("tty1"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let simulated = Arc::new(Simulated::new(world));
        let mut play =
            Self { hall, simulated, asked: Vec::new(), held: Vec::new(), hold, presses: 0, runtime };
        play.carry_out(requests);
        play
    }

    pub fn carry_out(&mut self, requests: Vec<Request>) {
        let mut waiting = VecDeque::from(requests);
        while let Some(request) = waiting.pop_front() {
            self.asked.push((self.title(), request.clone()));
            if (self.hold)(&request) {
                self.held.push(request);
                continue;
            }
            let answer = self.answer(request);
            waiting.extend(self.hall.answer(answer));
        }
    }

    /// What is made of chance is always the same here.
    pub fn answer(&self, request: Request) -> Answer {
        let questions = Questions::of(2, 3);
        match request {
            Request::MakeRecoveryKey => Answer::MadeRecoveryKey(Ok((Secret(OPENING_KEY.into()), questions))),
            Request::HashPassword(number, _) => Answer::Hashed(number, Ok(HASH.parse().unwrap())),
            request => match self.runtime.block_on(carry_out(&*self.simulated, request)) {
                Answer::RecoveryKey(key) => Answer::RecoveryKey(key.map(|(key, _)| (key, questions))),
                answer => answer,
            },
        }
    }

    /// Answers what was kept back, in the order it was asked.
    pub fn release(&mut self) {
        for request in std::mem::take(&mut self.held) {
            let answer = self.answer(request);
            let requests = self.hall.answer(answer);
            self.carry_out(requests);
        }
    }

    pub fn press(&mut self, key: Key) {
        self.presses += 1;
        let requests = self.hall.key(DOOR, key);
        self.carry_out(requests);
    }

    pub fn keys(&mut self, keys: &[Key]) -> &mut Self {
        keys.iter().for_each(|key| self.press(*key));
        self
    }

    pub fn type_text(&mut self, text: &str) -> &mut Self {
        text.chars().for_each(|character| self.press(Key::Char(character)));
        self
    }

    pub fn text(&self) -> String {
        self.hall.frame(DOOR).unwrap().picture.to_string()
    }

    pub fn title(&self) -> String {
        self.text().lines().next().unwrap_or_default().trim().to_owned()
    }

    fn has_focus(&self, label: &str) -> bool {
        self.text().contains(&format!("> {label}"))
    }

    /// Opens an entry of the menu, from the overview.
    pub fn open(&mut self, entry: &str) -> &mut Self {
        self.keys(&[Key::Enter, Key::Home]);
        for _ in 0..20 {
            if self.has_focus(&format!("(*) {entry}")) {
                return self.keys(&[Key::Enter]);
            }
            self.press(Key::Char('n'));
        }
        panic!("{entry:?} is not in the menu:\n{}", self.text());
    }

    /// Moves to what begins with `label`.
    pub fn focus(&mut self, label: &str) -> &mut Self {
        for _ in 0..20 {
            if self.has_focus(label) {
                return self;
            }
            self.press(Key::Tab);
        }
        panic!("{label:?} cannot be reached on\n{}", self.text());
    }

    /// Presses a button.
    pub fn button(&mut self, label: &str) -> &mut Self {
        self.focus(&format!("[ {label} ]")).press(Key::Enter);
        self
    }

    /// Fills a field with something else.
    pub fn fill(&mut self, label: &str, text: &str) -> &mut Self {
        self.focus(label).press(Key::End);
        for _ in 0..90 {
            self.press(Key::Backspace);
        }
        self.type_text(text)
    }

    /// Goes on from whatever page of the wizard is shown, by filling in what is needed; false where that is not known.
    pub fn go_on(&mut self) -> bool {
        let title = self.title();
        let begins = |start: &str| title.starts_with(start);
        match () {
            () if begins("Understudy set-up") => self.button("Begin"),
            () if begins("Network: trial") && self.text().contains("[ Go on ]") => self.button("Go on"),
            () if begins("Network: trial") => self.button("Go on although it does not work"),
            () if begins("Network") => self.button("Try it"),
            () if begins("Host name") => self.fill("Host name:", "backup-berlin").button("Go on"),
            () if begins("Password") => {
                self.fill("Password:", PASSWORD).fill("Once more:", PASSWORD).button("Go on")
            }
            () if begins("Storage: disks that hold") => {
                let text = self.text();
                let name =
                    text.split("may be lost, type ").nth(1).unwrap().lines().next().unwrap().to_owned();
                let label = if text.contains("Serial number:") { "Serial number:" } else { "Name:" };
                self.fill(label, &name).button("Erase it")
            }
            () if begins("Storage: existing") => {
                if self.text().contains("[ ] That computer") {
                    self.focus("[ ] That computer").press(Key::Char('x'));
                }
                self.button("Go on")
            }
            () if begins("Storage: layout") => {
                if self.text().contains("[ ] I know") {
                    self.focus("[ ] I know").press(Key::Char('x'));
                }
                self.button("Go on")
            }
            () if begins("Storage: recovery key") && self.text().contains("[ It is on paper ]") => {
                self.button("It is on paper")
            }
            () if begins("Storage: recovery key") && self.text().contains("Recovery key:") => {
                self.fill("Recovery key:", &OPENING_KEY.replace('-', " ")).button("Go on")
            }
            () if begins("Storage: recovery key") => self.answer_questions(),
            () if begins("Summary") && self.text().contains("[ Set the box up ]") => {
                self.button("Set the box up")
            }
            () if ["Keyboard", "Time", "Storage"].iter().any(|start| begins(start)) => self.button("Go on"),
            () => return false,
        };
        true
    }

    /// Types the groups that are asked for.
    pub fn answer_questions(&mut self) -> &mut Self {
        let text = self.text();
        let asked: Vec<usize> = text
            .lines()
            .filter_map(|line| {
                line.trim_start_matches([' ', '>']).strip_prefix("Group ")?.split(':').next()?.parse().ok()
            })
            .collect();
        assert_eq!(asked.len(), 2, "{text}");
        for group in asked {
            self.fill(&format!("Group {group}:"), OPENING_KEY.split('-').nth(group - 1).unwrap());
        }
        self.button("Go on")
    }

    /// Goes on until a page whose title begins so.
    pub fn until(&mut self, title: &str) -> &mut Self {
        for _ in 0..40 {
            if self.title().starts_with(title) {
                return self;
            }
            let before = self.text();
            assert!(self.go_on(), "no way on from\n{before}");
            assert_ne!(self.text(), before, "stuck on the way to {title}");
        }
        panic!("{title} was not reached; this is\n{}", self.text());
    }
}
