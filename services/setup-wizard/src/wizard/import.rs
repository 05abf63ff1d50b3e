//! A pool that is there already: which one, and its recovery key.

use crate::appliance::{ImportablePool, Secret};
use crate::facts::{Facts, unknown};
use crate::form::{Did, Form, Row, Rows};
use crate::keys::Key;
use crate::page::{Page, column};
use crate::recovery_key;
use crate::request::{Answer, Request};
use crate::wizard::draft::Draft;
use crate::wizard::step::{Context, Go, Outcome, Step};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Pool,
    Accept,
    Next,
    Look,
    Back,
}

/// Why a pool cannot be used, and what to do; `None` if it can.
pub(crate) fn why_not(pool: &ImportablePool) -> Option<String> {
    if !pool.ours {
        return Some(
            "No Understudy made it. Put its disks into the computer they belong to, or make a new pool."
                .into(),
        );
    }
    match pool.health.as_str() {
        "ONLINE" | "DEGRADED" => None,
        health => Some(format!("It cannot be opened ({health}). {}{}", pool.hint, missing(pool))),
    }
}

fn missing(pool: &ImportablePool) -> String {
    match pool.missing {
        0 => String::new(),
        1 => " One of its disks is missing.".to_owned(),
        count => format!(" {count} of its disks are missing."),
    }
}

fn last_host(pool: &ImportablePool) -> &str {
    if pool.last_host.is_empty() { "another computer" } else { &pool.last_host }
}

#[derive(Debug)]
pub(crate) struct Import {
    form: Form<Id>,
    pools: Vec<ImportablePool>,
    message: String,
}

impl Import {
    pub fn new() -> Self {
        let form = Form::new()
            .rows(Id::Pool, "", Rows::pick(Vec::new()))
            .rows(
                Id::Accept,
                "",
                Rows::mark(vec![Row::new("That computer is off, or has these disks no more")]),
            )
            .button(Id::Next, "Go on")
            .button(Id::Look, "Look again")
            .button(Id::Back, "Back");
        let mut import = Self { form, pools: Vec::new(), message: String::new() };
        import.show_accept();
        import
    }

    /// Only asked where it matters: two computers that use a pool at once destroy it.
    fn show_accept(&mut self) {
        let asked = self.chosen().is_some_and(|pool| pool.in_use_elsewhere && why_not(pool).is_none());
        self.form.show(Id::Accept, asked);
    }

    fn take_list(&mut self, facts: &Facts) {
        let before = self.chosen().map(|pool| pool.guid);
        self.pools = facts.importable().to_vec();
        let row = |pool: &ImportablePool| {
            let disks = match pool.disks.len() {
                1 => "1 disk".to_owned(),
                count => format!("{count} disks"),
            };
            let host = if pool.last_host.is_empty() {
                String::new()
            } else {
                format!("last used by {}", pool.last_host)
            };
            Row::new(format!(
                "{} {} {} {host}",
                column(&pool.name, 16),
                column(&pool.health, 10),
                column(&disks, 9)
            ))
        };
        let mut rows = Rows::pick(self.pools.iter().map(row).collect());
        let same = self.pools.iter().position(|pool| Some(pool.guid) == before);
        let good = self.pools.iter().position(|pool| why_not(pool).is_none());
        rows.choose(same.or(good).unwrap_or(0));
        if let Some(list) = self.form.list_mut(Id::Pool) {
            *list = rows;
        }
        self.show_accept();
    }

    fn chosen(&self) -> Option<&ImportablePool> {
        self.pools.get(self.form.chosen(Id::Pool))
    }

    fn details(&self) -> String {
        let Some(pool) = self.chosen() else { return String::new() };
        if let Some(reason) = why_not(pool) {
            return format!("{} cannot be used. {reason}", pool.name);
        }
        let mut said = vec![format!("Number {}, on {}.{}", pool.guid, pool.disks.join(", "), missing(pool))];
        if !pool.hint.is_empty() {
            said.push(pool.hint.clone());
        }
        if pool.in_use_elsewhere {
            said.push(format!(
                "{} HAD IT LAST AND DID NOT RELEASE IT. Two that use it at once destroy it: be sure that it is off, or \
                 has these disks no more.",
                last_host(pool)
            ));
        }
        said.join(" ")
    }
}

impl Step for Import {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        self.take_list(context.facts);
        Request::Importable.into()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        let before = self.form.chosen(Id::Pool);
        let did = self.form.key(key);
        if self.form.chosen(Id::Pool) != before
            && let Some(Row { marked, .. }) = self.form.list_mut(Id::Accept).and_then(|rows| rows.row_mut(0))
        {
            // It was said of another pool.
            *marked = false;
        }
        self.show_accept();
        if did != Did::Nothing {
            self.message.clear();
        }
        let accepted = self.form.list(Id::Accept).is_some_and(|rows| !rows.marked().is_empty());
        match did {
            Did::Back | Did::Pressed(Id::Back) => Go::Back.into(),
            Did::Pressed(Id::Look) => Request::Importable.into(),
            Did::Pressed(_) => match self.chosen() {
                Some(pool) if why_not(pool).is_none() && pool.in_use_elsewhere && !accepted => {
                    self.message = format!(
                        "Say with the space bar or x that {} is off, or has these disks no more.",
                        last_host(pool)
                    );
                    self.form.focus(Id::Accept);
                    Outcome::stay()
                }
                Some(pool) if why_not(pool).is_none() => {
                    context.draft.import = Some(pool.clone());
                    Go::Next.into()
                }
                Some(_) => {
                    self.message = "This pool cannot be used; the reason stands above.".into();
                    Outcome::stay()
                }
                None => {
                    self.message =
                        "There is no pool any more. Look again, or go back and make a new one.".into();
                    Outcome::stay()
                }
            },
            Did::Nothing | Did::Changed => Outcome::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, context: &mut Context) -> Outcome {
        if matches!(answer, Answer::Importable(Ok(_))) {
            self.take_list(context.facts);
        }
        Outcome::stay()
    }

    fn page(&self, facts: &Facts, _draft: &Draft) -> Page {
        Page::new("Storage: existing pool (6 of 7)")
            .above("Which pool shall the box use? What is on it stays.")
            .above(unknown(&facts.importable))
            .form(&self.form)
            .below(self.details())
            .message(&self.message)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum KeyId {
    Key,
    Next,
    Back,
}

/// The recovery key of the pool that is imported.
#[derive(Debug)]
pub(crate) struct ImportKey {
    form: Form<KeyId>,
    /// The pool it was typed for.
    guid: u64,
    message: String,
}

impl ImportKey {
    pub fn new() -> Self {
        let form = Form::new()
            .secret(KeyId::Key, "Recovery key")
            .button(KeyId::Next, "Go on")
            .button(KeyId::Back, "Back");
        Self { form, guid: 0, message: String::new() }
    }
}

/// Reads what was typed as a recovery key; nothing is none.
pub(crate) fn typed_key(text: &str) -> Result<Option<Secret>, String> {
    if text.is_empty() { Ok(None) } else { recovery_key::read(text).map(Some) }
}

impl Step for ImportKey {
    fn enter(&mut self, context: &mut Context) -> Outcome {
        let guid = context.draft.import.as_ref().map_or(0, |pool| pool.guid);
        if guid != self.guid {
            *self = Self { guid, ..Self::new() };
        }
        Outcome::stay()
    }

    fn key(&mut self, key: Key, context: &mut Context) -> Outcome {
        match self.form.key(key) {
            Did::Back | Did::Pressed(KeyId::Back) => return Go::Back.into(),
            Did::Pressed(_) => match typed_key(self.form.text(KeyId::Key)) {
                Ok(key) => {
                    context.draft.import_key = key;
                    self.message.clear();
                    return Go::Next.into();
                }
                Err(error) => {
                    self.form.focus(KeyId::Key);
                    self.message = error;
                }
            },
            Did::Changed => self.message.clear(),
            Did::Nothing => {}
        }
        Outcome::stay()
    }

    fn page(&self, _facts: &Facts, draft: &Draft) -> Page {
        let name = draft.import.as_ref().map_or("", |pool| pool.name.as_str());
        Page::new("Storage: recovery key (6 of 7)")
            .above(format!(
                "If the pool {name} is encrypted, type its recovery key: eight groups of six digits, with or without \
                 blanks between them. If it is not, leave this empty."
            ))
            .form(&self.form)
            .below("What you type shows as stars. Whether it opens the pool is seen when the box is set up.")
            .message(&self.message)
    }
}
