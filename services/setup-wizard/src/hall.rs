//! Several doors, one seat: whoever presses a key first sits there, and the console is operated from that door. The others show that
//! it goes on there, and offer to take over. What was typed is carried along, because there is only one console.

use std::collections::BTreeMap;

use crate::app::App;
use crate::appliance::Source;
use crate::keys::Key;
use crate::page::Page;
use crate::picture::Picture;
use crate::request::{Answer, Event, Request};

/// Tells one connected terminal from all others, for as long as the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DoorId(pub u64);

/// Where a door stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The kernel's name of the terminal: `tty1`, `ttyS0`.
    pub terminal: String,
    /// What a person calls it: `screen of the box`, `serial line ttyS0`.
    pub name: String,
}

impl Place {
    /// At the terminal of this name.
    pub fn at(terminal: &str) -> Self {
        let name = match terminal {
            // The virtual console that a screen and a keyboard at the box itself belong to.
            "tty1" => "screen of the box".to_owned(),
            serial if serial.starts_with("ttyS") => format!("serial line {serial}"),
            other => format!("terminal {other}"),
        };
        Self { terminal: terminal.to_owned(), name }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Seat {
    /// Nobody has pressed a key yet: each door shows the console.
    Free,
    Taken(DoorId),
    /// The terminal there went away in the middle of something. Its screen is not shown elsewhere without being asked for: it
    /// may hold a secret.
    Left(Place),
}

/// What a door shows, and how often it was asked to draw everything anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The picture.
    pub picture: Picture,
    /// Rises when the terminal may show something else than it was told.
    pub drawn_anew: u64,
}

#[derive(Debug)]
struct Door {
    place: Place,
    drawn_anew: u64,
}

/// The console behind all its doors.
#[derive(Debug)]
pub struct Hall {
    app: App,
    doors: BTreeMap<DoorId, Door>,
    seat: Seat,
}

impl Hall {
    /// Without any door, and what it wants to know first.
    pub fn new() -> (Self, Vec<Request>) {
        let (app, requests) = App::new();
        (Self { app, doors: BTreeMap::new(), seat: Seat::Free }, requests)
    }

    /// A terminal is there.
    pub fn open(&mut self, id: DoorId, place: Place) {
        self.doors.insert(id, Door { place, drawn_anew: 0 });
    }

    /// It is gone.
    pub fn close(&mut self, id: DoorId) {
        let door = self.doors.remove(&id);
        if let Some(door) = door
            && self.seat == Seat::Taken(id)
        {
            self.seat = Seat::Left(door.place);
        }
    }

    /// A key was pressed at a door.
    pub fn key(&mut self, id: DoorId, key: Key) -> Vec<Request> {
        if key == Key::Redraw {
            if let Some(door) = self.doors.get_mut(&id) {
                door.drawn_anew += 1;
            }
            return Vec::new();
        }
        match &self.seat {
            Seat::Free => self.seat = Seat::Taken(id),
            Seat::Taken(holder) if *holder == id => {}
            Seat::Taken(_) | Seat::Left(_) => {
                // Line noise and a cat on the keyboard do not take over.
                if matches!(key, Key::F10 | Key::Char('t' | 'T')) {
                    self.seat = Seat::Taken(id);
                }
                return Vec::new();
            }
        }
        let terminal = self.doors.get(&id).map(|door| door.place.terminal.clone()).unwrap_or_default();
        self.app.handle(&Event::Key(key, terminal))
    }

    /// Something that was wanted was done.
    pub fn answer(&mut self, answer: Answer) -> Vec<Request> {
        let shell = match &answer {
            Answer::Shell(terminal, Ok(())) => Some(terminal.clone()),
            _ => None,
        };
        let mut requests = self.app.handle(&Event::Answer(answer));
        // Whoever is given a shell leaves the seat: after the shell, the first key has it again, without being asked to take over.
        if shell.is_some_and(|terminal| self.is_used_at(&terminal)) {
            requests.extend(self.idle());
        }
        requests
    }

    fn is_used_at(&self, terminal: &str) -> bool {
        match &self.seat {
            Seat::Free => false,
            Seat::Taken(id) => self.doors.get(id).is_some_and(|door| door.place.terminal == terminal),
            Seat::Left(place) => place.terminal == terminal,
        }
    }

    /// Something changed on the box.
    pub fn changed(&mut self, source: Source) -> Vec<Request> {
        self.app.handle(&Event::Changed(source))
    }

    /// A second went by.
    pub fn second(&mut self) -> Vec<Request> {
        self.app.handle(&Event::Second)
    }

    /// Nobody has pressed a key for long: the seat is free again, unless somebody is in the middle of set-up.
    pub fn idle(&mut self) -> Vec<Request> {
        if self.app.can_be_idle() {
            self.seat = Seat::Free;
        }
        self.app.handle(&Event::Idle)
    }

    /// Whether it wants to know of seconds.
    pub fn counts(&self) -> bool {
        self.app.counts()
    }

    /// What a door shows; `None` if it is gone.
    pub fn frame(&self, id: DoorId) -> Option<Frame> {
        let door = self.doors.get(&id)?;
        let mut page = match &self.seat {
            Seat::Free => self.app.page(),
            Seat::Taken(holder) if *holder == id => self.app.page(),
            Seat::Taken(holder) => {
                let name = self.doors.get(holder).map_or("another terminal", |door| &door.place.name);
                elsewhere(format!("This console is used at the {name} now."))
            }
            Seat::Left(place) => elsewhere(format!(
                "This console was used at the {}, which is not connected any more.",
                place.name
            )),
        };
        page.banner = self.app.banner();
        Some(Frame { picture: page.draw(), drawn_anew: door.drawn_anew })
    }
}

fn elsewhere(said: String) -> Page {
    let mut page = Page::new("Understudy")
        .above(said)
        .above("> Press F10 or t to take over and go on here. What was typed there is kept.");
    page.help = "F10, t: take over   Ctrl-L: redraw".into();
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appliance::{Stage, Status};

    fn hall() -> Hall {
        let (mut hall, _) = Hall::new();
        hall.open(DoorId(1), Place::at("tty1"));
        hall.open(DoorId(2), Place::at("ttyS0"));
        hall.answer(Answer::Status(Ok(Status { stage: Stage::Unconfigured, ..Status::default() })));
        hall
    }

    fn text(hall: &Hall, id: u64) -> String {
        hall.frame(DoorId(id)).unwrap().picture.to_string()
    }

    #[test]
    fn who_presses_a_key_first_has_the_seat_and_the_other_can_take_over() {
        let mut hall = hall();
        assert_eq!(text(&hall, 1), text(&hall, 2), "before the first key both show the same");
        hall.key(DoorId(2), Key::Enter);
        assert!(text(&hall, 2).contains("Keyboard (1 of 7)"));
        assert!(
            text(&hall, 1).contains("used at the serial line ttyS0 now")
                && !text(&hall, 1).contains("1 of 7")
        );
        hall.key(DoorId(1), Key::Enter);
        assert!(text(&hall, 2).contains("Keyboard (1 of 7)"), "a key at the other door does nothing");
        hall.key(DoorId(1), Key::F10);
        assert!(text(&hall, 1).contains("Keyboard (1 of 7)"), "where it was");
        assert!(text(&hall, 2).contains("used at the screen of the box now"));
        hall.key(DoorId(2), Key::Char('t'));
        assert!(text(&hall, 2).contains("Keyboard (1 of 7)"));
    }

    #[test]
    fn a_screen_that_lost_its_terminal_is_only_shown_to_who_asks() {
        let mut hall = hall();
        hall.key(DoorId(2), Key::Enter);
        hall.close(DoorId(2));
        assert!(text(&hall, 1).contains("was used at the serial line"));
        hall.open(DoorId(3), Place::at("ttyS0"));
        hall.key(DoorId(3), Key::Enter);
        assert!(!text(&hall, 3).contains("1 of 7"));
        hall.key(DoorId(3), Key::Char('t'));
        assert!(text(&hall, 3).contains("Keyboard (1 of 7)"));
    }

    #[test]
    fn a_person_who_left_loses_the_seat_in_the_menu_and_not_in_the_wizard() {
        let mut hall = hall();
        hall.key(DoorId(1), Key::Enter);
        hall.idle();
        assert!(text(&hall, 2).contains("used at the screen of the box"));
        hall.answer(Answer::Status(Ok(Status {
            stage: Stage::Ready,
            host_name: "box".into(),
            ..Status::default()
        })));
        hall.key(DoorId(1), Key::Enter);
        assert!(text(&hall, 1).contains("box: menu"));
        hall.idle();
        assert_eq!(text(&hall, 1), text(&hall, 2));
        assert!(text(&hall, 2).contains("Enter or m: menu"));
    }

    #[test]
    fn drawing_anew_concerns_one_door() {
        let mut hall = hall();
        hall.key(DoorId(1), Key::Redraw);
        let drawn = |id| hall.frame(DoorId(id)).unwrap().drawn_anew;
        assert_eq!((drawn(1), drawn(2)), (1, 0));
    }
}
