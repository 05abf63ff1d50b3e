//! Whether a new pool is encrypted.

use crate::facts::Facts;
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::page::Page;
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Encryption,
    Next,
    Back,
}

#[derive(Debug)]
pub(crate) struct Encryption {
    form: Form<Id>,
}

impl Encryption {
    pub fn new() -> Self {
        let rows = ["Yes, encrypt the backups", "No"];
        let form = Form::new()
            .rows(Id::Encryption, "", Rows::pick(rows.map(Row::new).to_vec()))
            .button(Id::Next, "Go on")
            .button(Id::Back, "Back");
        Self { form }
    }
}

impl Step for Encryption {
    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        match self.form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => Go::Back.into(),
            Did::Pressed(_) => {
                context.draft.encryption = self.form.chosen(Id::Encryption) == 0;
                Go::Next.into()
            }
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn page(&self, _facts: &Facts, _draft: &Draft) -> Page {
        Page::new("Storage: encryption (6 of 7)")
            .above("Shall the backups be encrypted on the disks?")
            .above(
                "Encrypted, a disk that is stolen, sold or sent in for repair tells nobody anything. The box opens its \
                 pool by itself.",
            )
            .above(
                "For the day when it cannot, you get a recovery key of 48 digits, shown next. Keep it on paper, away \
                 from the box. WITHOUT THE BOX AND WITHOUT THE KEY NOBODY CAN READ THE BACKUPS, not even we.",
            )
            .above("It cannot be changed later.")
            .form(&self.form)
    }
}
