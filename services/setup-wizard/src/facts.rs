//! What the box has said so far.

use crate::appliance::{
    About, Disk, ImportablePool, Keyboard, Machine, Pool, Port, Result, Source, Status, Stick, Update,
};
use crate::request::{Answer, Request};

/// `None` until the first answer.
pub(crate) type Asked<T> = Option<Result<T>>;

#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub status: Asked<Status>,
    pub about: Asked<About>,
    pub ports: Asked<Vec<Port>>,
    pub keyboards: Asked<Vec<Keyboard>>,
    pub time_zones: Asked<Vec<String>>,
    pub disks: Asked<Vec<Disk>>,
    pub importable: Asked<Vec<ImportablePool>>,
    pub pool: Asked<Option<Pool>>,
    pub machines: Asked<Vec<Machine>>,
    pub sticks: Asked<Vec<Stick>>,
    pub update: Asked<Update>,
    pub support_mode: Asked<Option<String>>,
    /// When support mode ends, as it was last said: a service that does not answer does not end it.
    pub support_until: Option<String>,
    /// The kernel's name of the terminal at which the last key was pressed.
    pub terminal: String,
    /// What was asked because of a change, and whether there was another change since.
    asking: Vec<(Request, bool)>,
}

impl Facts {
    /// Takes an answer; returns what is to be asked once more because it changed meanwhile.
    pub fn learn(&mut self, answer: &Answer) -> Vec<Request> {
        let asked = match answer {
            Answer::Status(status) => {
                self.status = Some(status.clone());
                Request::Status
            }
            Answer::About(about) => {
                self.about = Some(about.clone());
                Request::About
            }
            Answer::Pool(pool) => {
                self.pool = Some(pool.clone());
                Request::Pool
            }
            Answer::Machines(machines) => {
                self.machines = Some(machines.clone());
                Request::Machines
            }
            Answer::Ports(ports) => {
                self.ports = Some(ports.clone());
                Request::Ports
            }
            Answer::Keyboards(keyboards) => {
                self.keyboards = Some(keyboards.clone());
                Request::Keyboards
            }
            Answer::TimeZones(zones) => {
                self.time_zones = Some(zones.clone());
                Request::TimeZones
            }
            Answer::Disks(disks) => {
                self.disks = Some(disks.clone());
                Request::Disks
            }
            Answer::Importable(pools) => {
                self.importable = Some(pools.clone());
                Request::Importable
            }
            Answer::Sticks(sticks) => {
                self.sticks = Some(sticks.clone());
                Request::Sticks
            }
            Answer::Update(update) => {
                self.update = Some(update.clone());
                Request::Update
            }
            Answer::SupportMode(until) => {
                self.support_mode = Some(until.clone());
                if let Ok(until) = until {
                    self.support_until.clone_from(until);
                }
                Request::SupportMode
            }
            _ => return Vec::new(),
        };
        match self.asking.iter_mut().find(|(request, _)| *request == asked) {
            Some((_, again @ true)) => {
                *again = false;
                vec![asked]
            }
            _ => {
                self.asking.retain(|(request, _)| *request != asked);
                Vec::new()
            }
        }
    }

    /// What to ask when something has changed. What is being asked is asked once more after its answer and not beside it: a backup
    /// changes many times a second.
    pub fn ask_again(&mut self, source: Source, also: Vec<Request>) -> Vec<Request> {
        let changed = match source {
            Source::Settings => vec![Request::Status],
            Source::Pool => vec![Request::Pool],
            Source::Machines => vec![Request::Machines],
            Source::Maintenance => vec![Request::Update, Request::SupportMode],
            Source::All => overview(),
        };
        let mut ask = Vec::new();
        for request in changed.into_iter().chain(also) {
            match self.asking.iter_mut().find(|(asking, _)| *asking == request) {
                Some((_, again)) => *again = true,
                None => {
                    self.asking.push((request.clone(), false));
                    ask.push(request);
                }
            }
        }
        ask
    }

    pub fn status(&self) -> Status {
        self.status.clone().and_then(Result::ok).unwrap_or_default()
    }

    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()?.as_ref().ok()?.as_ref()
    }

    pub fn importable(&self) -> &[ImportablePool] {
        list(&self.importable)
    }

    pub fn ports(&self) -> &[Port] {
        list(&self.ports)
    }

    pub fn disks(&self) -> &[Disk] {
        list(&self.disks)
    }

    pub fn machines(&self) -> &[Machine] {
        list(&self.machines)
    }

    pub fn sticks(&self) -> &[Stick] {
        list(&self.sticks)
    }

    /// The update; one that never was while nothing is known.
    pub fn update(&self) -> Update {
        self.update.clone().and_then(Result::ok).unwrap_or_default()
    }
}

/// What is asked to know how the box is.
pub(crate) fn overview() -> Vec<Request> {
    vec![
        Request::Status,
        Request::About,
        Request::Pool,
        Request::Machines,
        Request::Update,
        Request::SupportMode,
    ]
}

/// What is known of a list; nothing is an empty one.
pub(crate) fn list<T>(asked: &Asked<Vec<T>>) -> &[T] {
    match asked {
        Some(Ok(list)) => list,
        _ => &[],
    }
}

/// What to say of something that was asked: why it is not known, if it is not.
pub(crate) fn unknown<T>(asked: &Asked<T>) -> &str {
    match asked {
        None => "The box is still looking ...",
        Some(Err(error)) => error,
        Some(Ok(_)) => "",
    }
}
