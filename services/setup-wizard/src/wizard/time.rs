//! Time zone and time servers.

use understudy_answers::{TimeServer, TimeZone};

use crate::facts::{Facts, list, unknown};
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::network_form::words;
use crate::page::Page;
use crate::request::Answer;
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Region,
    City,
    Servers,
    Next,
    Back,
}

/// Zones without a region, as `UTC`.
const NO_REGION: &str = "UTC and others";

#[derive(Debug)]
pub(crate) struct Time {
    form: Form<Id>,
    /// Each region and its cities, as the zone's names have them.
    regions: Vec<(String, Vec<String>)>,
    /// The region whose cities are listed.
    listed: Option<usize>,
    message: String,
}

impl Time {
    pub fn new() -> Self {
        let form = Form::new()
            .rows(Id::Region, "Region", Rows::find(Vec::new()).height(4))
            .rows(Id::City, "City", Rows::find(Vec::new()).height(4))
            .field(Id::Servers, "Time servers", "")
            .button(Id::Next, "Go on")
            .button(Id::Back, "Back");
        Self { form, regions: Vec::new(), listed: None, message: String::new() }
    }

    fn take_list(&mut self, facts: &Facts) {
        if !self.regions.is_empty() {
            return;
        }
        for zone in list(&facts.time_zones) {
            let (region, city) = zone.split_once('/').unwrap_or((NO_REGION, zone));
            match self.regions.iter_mut().find(|(name, _)| name == region) {
                Some((_, cities)) => cities.push(city.to_owned()),
                None => self.regions.push((region.to_owned(), vec![city.to_owned()])),
            }
        }
        // The default stands first, and everything else is found by its name.
        self.regions.sort_by(|(a, _), (b, _)| (a != NO_REGION, a).cmp(&(b != NO_REGION, b)));
        for (region, cities) in &mut self.regions {
            cities.sort_by(|a, b| {
                (region == NO_REGION && a != "UTC", a).cmp(&(region == NO_REGION && b != "UTC", b))
            });
        }
        let rows = self.regions.iter().map(|(name, _)| Row::new(name)).collect();
        if let Some(list) = self.form.list_mut(Id::Region) {
            *list = Rows::find(rows).height(4);
        }
        self.list_cities();
    }

    fn region(&self) -> Option<usize> {
        self.form.list(Id::Region)?.chosen()
    }

    fn list_cities(&mut self) {
        let region = self.region();
        if region == self.listed {
            return;
        }
        self.listed = region;
        let cities = region
            .and_then(|at| self.regions.get(at))
            .map(|(_, cities)| cities.as_slice())
            .unwrap_or_default();
        let rows = Rows::find(cities.iter().map(|city| Row::new(city.replace('_', " "))).collect()).height(4);
        if let Some(list) = self.form.list_mut(Id::City) {
            *list = rows;
        }
    }

    fn zone(&self) -> Result<TimeZone, (Id, String)> {
        if self.regions.is_empty() {
            // The box has no list: it stays with its own time.
            return Ok(TimeZone::default());
        }
        let none = |id, what: &str| (id, format!("No {what} is called so. Type another name, or Backspace."));
        let (region, cities) =
            self.region().and_then(|at| self.regions.get(at)).ok_or_else(|| none(Id::Region, "region"))?;
        let city = self.form.list(Id::City).and_then(Rows::chosen).and_then(|at| cities.get(at));
        let city = city.ok_or_else(|| none(Id::City, "city"))?;
        let name = if region == NO_REGION { city.clone() } else { format!("{region}/{city}") };
        name.parse().map_err(|error: understudy_answers::Reason| (Id::City, error.to_string()))
    }

    fn servers(&self) -> Result<Vec<TimeServer>, (Id, String)> {
        let servers = words(self.form.text(Id::Servers)).map(str::parse);
        servers
            .collect::<Result<_, _>>()
            .map_err(|error: understudy_answers::Reason| (Id::Servers, error.to_string()))
    }
}

impl Step for Time {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        self.take_list(context.facts);
        Outcome::stay()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        let did = self.form.key(key);
        self.list_cities();
        match did {
            Did::Back | Did::Pressed(Id::Back) => return Go::Back.into(),
            Did::Pressed(_) => match self.zone().and_then(|zone| Ok((zone, self.servers()?))) {
                Ok((zone, servers)) => {
                    context.draft.time_zone = zone;
                    context.draft.time_servers = servers;
                    self.message.clear();
                    return Go::Next.into();
                }
                Err((id, message)) => {
                    self.form.focus(id);
                    self.message = message;
                }
            },
            Did::Changed => self.message.clear(),
            Did::Nothing => {}
        }
        Outcome::stay()
    }

    fn answer(&mut self, answer: &Answer, context: &mut Context) -> Outcome {
        if matches!(answer, Answer::TimeZones(_)) {
            self.take_list(context.facts);
        }
        Outcome::stay()
    }

    fn page(&self, facts: &Facts, _draft: &Draft) -> Page {
        Page::new("Time (4 of 7)")
            .above(unknown(&facts.time_zones))
            .form(&self.form)
            .below("Time servers may stay empty: the box then asks those it came with.")
            .message(&self.message)
    }
}
