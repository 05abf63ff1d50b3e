//! Which disks a new pool is made of.

use crate::appliance::Disk;
use crate::facts::{Facts, unknown};
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::page::{Page, bytes, column};
use crate::request::{Answer, Request};
use crate::wizard::draft::{Draft, Storage, disk_name};
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Disks,
    Next,
    Look,
    Back,
}

#[derive(Debug)]
pub(crate) struct Disks {
    form: Form<Id>,
    /// As they are listed.
    listed: Vec<Disk>,
    message: String,
}

impl Disks {
    pub fn new() -> Self {
        let form = Form::new()
            .rows(Id::Disks, "", Rows::mark(Vec::new()))
            .button(Id::Next, "Go on")
            .button(Id::Look, "Look again")
            .button(Id::Back, "Back");
        Self { form, listed: Vec::new(), message: String::new() }
    }

    fn marked(&self) -> Vec<Disk> {
        let marked = self.form.list(Id::Disks).map(Rows::marked).unwrap_or_default();
        marked.into_iter().filter_map(|at| self.listed.get(at).cloned()).collect()
    }

    /// What was marked stays marked if it is still the same. At first, all disks are that can be used and hold nothing.
    fn take_list(&mut self, facts: &Facts) {
        let first = self.listed.is_empty();
        let marked = self.marked();
        let cursor = self.form.chosen(Id::Disks);
        self.listed = facts.disks().to_vec();
        let row = |disk: &Disk| {
            let why_not = match disk_name(disk, &self.listed) {
                _ if !disk.unusable.is_empty() => disk.unusable.clone(),
                None => "it has neither a serial number nor a name that is certain to stay".to_owned(),
                Some(_) => String::new(),
            };
            let suggested = disk.contents.is_empty() && !disk.removable;
            let what = match () {
                () if !why_not.is_empty() => &why_not,
                () if !disk.contents.is_empty() => &disk.contents,
                () => "empty",
            };
            let text = format!(
                "{} {} {} {} {what}",
                column(disk.node.trim_start_matches("/dev/"), 8),
                column(&disk.model, 16),
                column(&disk.serial, 16),
                column(&bytes(disk.size), 7),
            );
            let marked = why_not.is_empty() && if first { suggested } else { marked.contains(disk) };
            Row { marked, why_not, ..Row::new(text) }
        };
        let mut rows = Rows::mark(self.listed.iter().map(row).collect()).height(8);
        rows.choose(cursor);
        if let Some(list) = self.form.list_mut(Id::Disks) {
            *list = rows;
        }
    }

    /// All that is known of the disk under the cursor.
    fn details(&self) -> String {
        let Some(list) = self.form.list(Id::Disks) else { return String::new() };
        let Some((disk, row)) =
            list.chosen().and_then(|at| Some((self.listed.get(at)?, list.all().get(at)?)))
        else {
            return String::new();
        };
        let kind = match (disk.removable, disk.rotational) {
            (true, _) => "removable disk",
            (_, true) => "hard disk",
            _ => "solid-state disk",
        };
        let serial = if disk.serial.is_empty() { "no serial number" } else { &disk.serial };
        let what = match () {
            () if !row.why_not.is_empty() => format!("Cannot be used: {}", row.why_not),
            () if disk.contents.is_empty() => "It is empty".to_owned(),
            () => format!("It holds: {}", disk.contents),
        };
        let kind = format!("{kind} {}", disk.model);
        format!("{}: {}, {serial}, {}. {what}.", disk.node, kind.trim_end(), bytes(disk.size))
    }
}

impl Step for Disks {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        // It may have been to be imported from, and nothing to import be there any more.
        context.draft.storage = Storage::New;
        // As far as is known: whether that is still so is asked.
        self.take_list(context.facts);
        Request::Disks.into()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        let did = self.form.key(key);
        if did != Did::Nothing {
            self.message.clear();
        }
        match did {
            Did::Back | Did::Pressed(Id::Back) => Go::Back.into(),
            Did::Pressed(Id::Look) => Request::Disks.into(),
            Did::Pressed(_) => {
                let marked = self.marked();
                if marked.is_empty() {
                    self.message = "Mark at least one disk: move to it and press the space bar or x.".into();
                    return Outcome::stay();
                }
                let named =
                    marked.into_iter().filter_map(|disk| Some((disk_name(&disk, &self.listed)?, disk)));
                context.draft.disks = named.collect();
                context.draft.erase.clear();
                Go::Next.into()
            }
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, context: &mut Context) -> Outcome {
        if matches!(answer, Answer::Disks(Ok(_))) {
            self.take_list(context.facts);
        }
        Outcome::stay()
    }

    fn page(&self, facts: &Facts, _draft: &Draft) -> Page {
        let none = matches!(&facts.disks, Some(Ok(disks)) if disks.is_empty());
        Page::new("Storage: disks (6 of 7)")
            .above("Which disks shall hold the backups? Mark them with the space bar or x.")
            .above(unknown(&facts.disks))
            .above(if none {
                "The box has no disk besides the one it starts from. Put disks in, and look again."
            } else {
                ""
            })
            .form(&self.form)
            .below(self.details())
            .message(&self.message)
    }
}
