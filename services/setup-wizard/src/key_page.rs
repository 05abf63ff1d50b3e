//! The recovery key on the screen, and two of its groups asked back; for the wizard and for the menu.

use understudy_recovery_key::is_group;

use crate::appliance::Secret;
use crate::form::{Did, Form};
use crate::keys::Key;
use crate::page::Page;
use crate::recovery_key::{self, Questions};

/// The only page that shows a key.
pub(crate) fn shown(page: Page, key: &Secret) -> Page {
    let groups = recovery_key::groups(key);
    let numbered: Vec<_> =
        groups.iter().enumerate().map(|(at, group)| format!("{}: {group}", at + 1)).collect();
    let page = page.above(
        "This is the recovery key of the pool. Write it on paper now, and keep the paper away from the box. Two of its \
         groups are asked next.",
    );
    numbered.chunks(4).fold(page, |page, line| page.above(line.join("       ")))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    First,
    Second,
    Next,
    Back,
}

/// What a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Stay,
    /// It is to be looked at again.
    Back,
    Right,
}

#[derive(Debug)]
pub(crate) struct AskedBack {
    form: Form<Id>,
    questions: Questions,
    message: String,
}

impl AskedBack {
    pub fn new(questions: Questions) -> Self {
        let [first, second] = questions.groups();
        let form = Form::new()
            .field(Id::First, &format!("Group {}", first + 1), "")
            .field(Id::Second, &format!("Group {}", second + 1), "")
            .button(Id::Next, "Go on")
            .button(Id::Back, "Look at the key again");
        Self { form, questions, message: String::new() }
    }

    pub fn questions(&self) -> Questions {
        self.questions
    }

    pub fn key(&mut self, pressed: Key, key: &Secret) -> Asked {
        match self.form.key(pressed) {
            Did::Back | Did::Pressed(Id::Back) => return Asked::Back,
            Did::Pressed(_) => match self.wrong(key) {
                None => return Asked::Right,
                Some((id, message)) => {
                    self.form.focus(id);
                    self.message = message;
                }
            },
            Did::Changed => self.message.clear(),
            Did::Nothing => {}
        }
        Asked::Stay
    }

    fn wrong(&self, key: &Secret) -> Option<(Id, String)> {
        let groups = recovery_key::groups(key);
        [Id::First, Id::Second].into_iter().zip(self.questions.groups()).find_map(|(id, at)| {
            let typed = self.form.text(id);
            let number = at + 1;
            if groups.get(at).is_some_and(|group| *group == typed) {
                return None;
            }
            let message = if is_group(typed) {
                format!("That is not group {number} of the key. Please compare the number of the group with your note.")
            } else {
                format!("Group {number} is not right. Please compare each of its six digits with your note.")
            };
            Some((id, message))
        })
    }

    pub fn on(&self, page: Page) -> Page {
        let [first, second] = self.questions.groups();
        page.above(format!(
            "To be sure that your note is right, type groups {} and {} of it.",
            first + 1,
            second + 1
        ))
        .form(&self.form)
        .message(&self.message)
    }
}
