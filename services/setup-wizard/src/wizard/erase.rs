//! A disk that holds something is only taken after its serial number was typed: one disk after the other.

use understudy_answers::DiskName;

use crate::appliance::Disk;
use crate::facts::Facts;
use crate::form::{Did, Form};
use crate::keys::Key;
use crate::page::{Page, bytes};
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Typed,
    Next,
    Back,
}

#[derive(Debug)]
pub(crate) struct Erase {
    /// Each disk that holds something, and what was typed for it.
    asked: Vec<(DiskName, Disk, Form<Id>)>,
    at: usize,
    message: String,
}

impl Erase {
    pub fn new() -> Self {
        Self { asked: Vec::new(), at: 0, message: String::new() }
    }

    fn form(&self) -> Option<&(DiskName, Disk, Form<Id>)> {
        self.asked.get(self.at)
    }
}

fn form(name: &DiskName, disk: &Disk) -> Form<Id> {
    let what = if name.as_str() == disk.serial.trim() { "Serial number" } else { "Name" };
    Form::new().field(Id::Typed, what, "").button(Id::Next, "Erase it").button(Id::Back, "Back")
}

impl Step for Erase {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        let before = std::mem::take(&mut self.asked);
        let holding = context.draft.disks.iter().filter(|(_, disk)| !disk.contents.is_empty());
        self.asked = holding
            .map(|(name, disk)| {
                // What was typed counts only for the same disk with the same contents.
                let typed =
                    before.iter().find(|(_, other, _)| other == disk).map(|(_, _, form)| form.clone());
                (name.clone(), disk.clone(), typed.unwrap_or_else(|| form(name, disk)))
            })
            .collect();
        for (_, _, form) in &mut self.asked {
            form.focus_first();
        }
        self.at = 0;
        self.message.clear();
        if self.asked.is_empty() { Go::Next.into() } else { Outcome::stay() }
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        let Some((name, _, form)) = self.asked.get_mut(self.at) else { return Go::Back.into() };
        let did = form.key(key);
        if did != Did::Nothing {
            self.message.clear();
        }
        match did {
            Did::Back | Did::Pressed(Id::Back) if self.at == 0 => return Go::Back.into(),
            Did::Back | Did::Pressed(Id::Back) => self.at -= 1,
            Did::Pressed(_) if !form.text(Id::Typed).eq_ignore_ascii_case(name.as_str()) => {
                form.focus(Id::Typed);
                self.message = format!(
                    "That is not {name}. If you do not want to lose what is on this disk, go back and leave it out."
                );
            }
            Did::Pressed(_) if self.at + 1 < self.asked.len() => self.at += 1,
            Did::Pressed(_) => {
                context.draft.erase = self.asked.iter().map(|(name, _, _)| name.clone()).collect();
                return Go::Next.into();
            }
            Did::Nothing | Did::Changed => {}
        }
        Outcome::stay()
    }

    fn page(&self, _facts: &Facts, _draft: &Draft) -> Page {
        let number = format!("{} of {}", self.at + 1, self.asked.len());
        let page = Page::new(format!("Storage: disks that hold something, {number} (6 of 7)"))
            .message(&self.message);
        let Some((name, disk, form)) = self.form() else { return page };
        // What it holds may be a long list: it comes last, so that nothing else can be cut.
        page.above(format!("{} ({} {}) is not empty.", disk.node, disk.model, bytes(disk.size)))
            .above(
                "IF YOU GO ON WITH IT, EVERYTHING ON IT IS LOST FOR EVER as soon as you agree to the summary.",
            )
            .above(format!("To say that it may be lost, type {name}"))
            .form(form)
            .below(format!("It holds: {}.", disk.contents))
    }
}
