//! How the disks of a new pool stand for each other.

use understudy_answers::Layout as Kind;

use crate::appliance::Disk;
use crate::facts::Facts;
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::page::{Page, bytes};
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Layout,
    Accept,
    Next,
    Back,
}

#[derive(Debug)]
pub(crate) struct Layout {
    form: Form<Id>,
    /// As they are listed.
    kinds: Vec<Kind>,
    /// The disks that the list was made for.
    disks: Vec<Disk>,
    message: String,
}

/// What is suggested for so many disks: one may fail, from four disks on two, because reading a large disk anew takes days.
pub(crate) fn suggested(disks: usize) -> Kind {
    match disks {
        0 | 1 => Kind::Single,
        2 => Kind::Mirror,
        3 => Kind::Raidz1,
        _ => Kind::Raidz2,
    }
}

/// Usable size, and how much of the disks is not used because they are of different size; in bytes. What ZFS itself takes is not
/// counted.
pub(crate) fn sizes(kind: Kind, disks: &[Disk]) -> (u64, u64) {
    let least = disks.iter().map(|disk| disk.size).min().unwrap_or(0);
    let count = disks.len() as u64;
    let holding = match kind {
        Kind::Single | Kind::Mirror => 1,
        Kind::Raidz1 => count.saturating_sub(1),
        Kind::Raidz2 => count.saturating_sub(2),
    };
    let all: u64 = disks.iter().map(|disk| disk.size).sum();
    (least * holding, all - least * count)
}

/// What a layout survives, in plain words.
pub(crate) fn survives(kind: Kind, disks: usize) -> String {
    match (kind, disks) {
        (Kind::Single, _) => "if this disk fails, EVERYTHING IS LOST".to_owned(),
        (Kind::Mirror, 2) => "both disks hold everything; either may fail".to_owned(),
        (Kind::Mirror, count) => format!("all {count} disks hold everything; all but one may fail"),
        (Kind::Raidz1, _) => "any one disk may fail".to_owned(),
        (Kind::Raidz2, _) => "any two disks may fail".to_owned(),
    }
}

impl Layout {
    pub fn new() -> Self {
        let accept = Row::new("I know that the backups are lost when this one disk fails");
        let form = Form::new()
            .rows(Id::Layout, "", Rows::pick(Vec::new()))
            .rows(Id::Accept, "", Rows::mark(vec![accept]))
            .button(Id::Next, "Go on")
            .button(Id::Back, "Back");
        Self { form, kinds: Vec::new(), disks: Vec::new(), message: String::new() }
    }

    fn kind(&self) -> Option<Kind> {
        self.kinds.get(self.form.chosen(Id::Layout)).copied()
    }
}

impl Step for Layout {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        let disks: Vec<_> = context.draft.disks.iter().map(|(_, disk)| disk.clone()).collect();
        if disks == self.disks {
            return Outcome::stay();
        }
        let count = disks.len();
        self.kinds = Kind::ALL.into_iter().filter(|kind| kind.takes(count)).collect();
        let row = |kind: &Kind| {
            let (usable, _) = sizes(*kind, &disks);
            Row::new(format!("{:<7} {:>7}   {}", kind.name(), bytes(usable), survives(*kind, count)))
        };
        let mut rows = Rows::pick(self.kinds.iter().map(row).collect());
        rows.choose(self.kinds.iter().position(|kind| *kind == suggested(count)).unwrap_or(0));
        *self = Self { kinds: std::mem::take(&mut self.kinds), disks, ..Self::new() };
        if let Some(list) = self.form.list_mut(Id::Layout) {
            *list = rows;
        }
        self.form.show(Id::Accept, count == 1);
        Outcome::stay()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        let did = self.form.key(key);
        if did != Did::Nothing {
            self.message.clear();
        }
        match did {
            Did::Back | Did::Pressed(Id::Back) => Go::Back.into(),
            Did::Pressed(_) => {
                let Some(kind) = self.kind() else { return Go::Back.into() };
                let accepted = self.form.list(Id::Accept).is_some_and(|rows| !rows.marked().is_empty());
                if kind == Kind::Single && !accepted {
                    self.form.focus(Id::Accept);
                    self.message =
                        "One disk alone keeps nothing safe. Go back and mark a second one, or say with the \
                                    space bar or x that you know."
                            .into();
                    return Outcome::stay();
                }
                context.draft.layout = Some(kind);
                Go::Next.into()
            }
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn page(&self, _facts: &Facts, _draft: &Draft) -> Page {
        let count = self.disks.len();
        let word = if count == 1 { "disk" } else { "disks" };
        let page = Page::new("Storage: layout (6 of 7)")
            .above(format!(
                "How shall the {count} {word} stand for each other? The figure is what they hold together."
            ))
            .form(&self.form)
            .message(&self.message);
        let lost = self.kind().map_or(0, |kind| sizes(kind, &self.disks).1);
        let least = self.disks.iter().map(|disk| disk.size).min().unwrap_or(0);
        if lost == 0 {
            return page;
        }
        page.below(format!(
            "The disks are of different size. Of each only as much is used as the smallest has, {}: {} stay unused.",
            bytes(least),
            bytes(lost)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_smallest_disk() {
        let disks = |sizes: &[u64]| {
            sizes.iter().map(|size| Disk { size: *size, ..Disk::default() }).collect::<Vec<_>>()
        };
        assert_eq!(sizes(Kind::Mirror, &disks(&[10, 12])), (10, 2));
        assert_eq!(sizes(Kind::Raidz1, &disks(&[10, 10, 10])), (20, 0));
        assert_eq!(sizes(Kind::Raidz2, &disks(&[10, 11, 12, 13])), (20, 6));
        assert_eq!(sizes(Kind::Single, &disks(&[7])), (7, 0));
    }

    #[test]
    fn what_is_suggested_can_be_made() {
        for count in 1..20 {
            assert!(suggested(count).takes(count), "{count}");
        }
    }
}
