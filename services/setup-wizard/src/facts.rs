//! What the box has said so far.

use crate::appliance::{About, Disk, ForeignPool, Keyboard, Machine, Pool, Port, Result, Source, Status};
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
    pub importable: Asked<Vec<ForeignPool>>,
    pub pool: Asked<Option<Pool>>,
    pub machines: Asked<Vec<Machine>>,
}

impl Facts {
    pub fn learn(&mut self, answer: &Answer) {
        match answer {
            Answer::Status(status) => self.status = Some(status.clone()),
            Answer::About(about) => self.about = Some(about.clone()),
            Answer::Ports(ports) => self.ports = Some(ports.clone()),
            Answer::Keyboards(keyboards) => self.keyboards = Some(keyboards.clone()),
            Answer::TimeZones(zones) => self.time_zones = Some(zones.clone()),
            Answer::Disks(disks) => self.disks = Some(disks.clone()),
            Answer::Importable(pools) => self.importable = Some(pools.clone()),
            Answer::Pool(pool) => self.pool = Some(pool.clone()),
            Answer::Machines(machines) => self.machines = Some(machines.clone()),
            _ => {}
        }
    }

    /// What to ask when something has changed.
    pub fn ask_again(source: Source) -> Vec<Request> {
        match source {
            Source::Settings => vec![Request::Status],
            Source::Pool => vec![Request::Pool],
            Source::Machines => vec![Request::Machines],
            Source::All => vec![Request::Status, Request::About, Request::Pool, Request::Machines],
        }
    }

    pub fn status(&self) -> Status {
        self.status.clone().and_then(Result::ok).unwrap_or_default()
    }

    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()?.as_ref().ok()?.as_ref()
    }

    pub fn importable(&self) -> &[ForeignPool] {
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
