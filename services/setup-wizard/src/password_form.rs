//! A new password, typed twice; for the wizard and for the menu.

use understudy_answers::PasswordHash;

use crate::appliance::Secret;
use crate::form::{Did, Form};
use crate::keys::Key;
use crate::page::Page;
use crate::password::weakness;
use crate::request::{Answer, Request};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    Password,
    Again,
    Next,
    Back,
}

/// What a key did.
#[derive(Debug)]
pub(crate) enum Filled {
    Stay,
    Back,
    /// The password is good enough and to be hashed.
    Hash(Request),
}

#[derive(Debug)]
pub(crate) struct PasswordForm {
    form: Form<Id>,
    message: String,
    /// The weak password that was warned of.
    warned: Option<Secret>,
    /// Number of the hash that is waited for.
    hashing: Option<u64>,
}

impl PasswordForm {
    pub fn new() -> Self {
        let form = Form::new()
            .secret(Id::Password, "Password")
            .secret(Id::Again, "Once more")
            .button(Id::Next, "Go on")
            .button(Id::Back, "Back");
        Self { form, message: String::new(), warned: None, hashing: None }
    }

    /// `host_name` is a word that nobody should take; `number` is one that was not used before.
    pub fn key(&mut self, key: Key, host_name: &str, number: u64) -> Filled {
        match self.form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => {
                // A hash that comes now is of no use.
                self.hashing = None;
                return Filled::Back;
            }
            Did::Pressed(_) if self.hashing.is_none() => return self.go_on(host_name, number),
            Did::Changed => {
                // What is hashed must be what is typed.
                self.hashing = None;
                self.message.clear();
            }
            Did::Pressed(_) | Did::Nothing => {}
        }
        Filled::Stay
    }

    fn go_on(&mut self, host_name: &str, number: u64) -> Filled {
        let password = Secret(self.form.raw_text(Id::Password).to_owned());
        let wrong = if password.0.is_empty() {
            Some((
                Id::Password,
                "Without a password anybody in the network could open the box. Please type one.",
            ))
        } else if self.form.raw_text(Id::Again) != password.0 {
            Some((
                Id::Again,
                "The two are not the same. Please type the second again, or begin anew with the first.",
            ))
        } else {
            None
        };
        if let Some((id, message)) = wrong {
            self.form.focus(id);
            message.clone_into(&mut self.message);
            return Filled::Stay;
        }
        if self.warned.as_ref() != Some(&password)
            && let Some(weak) = weakness(&password.0, &[host_name, "understudy", "backup"])
        {
            self.message = format!("This password is weak. {weak} Go on again to take it all the same.");
            self.warned = Some(password);
            return Filled::Stay;
        }
        self.message.clear();
        self.hashing = Some(number);
        Filled::Hash(Request::HashPassword(number, password))
    }

    /// The hash, if this is the answer that is waited for.
    pub fn answer(&mut self, answer: &Answer) -> Option<PasswordHash> {
        match answer {
            Answer::Hashed(number, result) if self.hashing == Some(*number) => {
                self.hashing = None;
                result.clone().map_err(|error| self.message = error).ok()
            }
            _ => None,
        }
    }

    /// Says something about it.
    pub fn say(&mut self, message: &str) {
        message.clone_into(&mut self.message);
    }

    pub fn on(&self, page: Page) -> Page {
        let page = page.form(&self.form).message(&self.message);
        let page =
            page.below("Three or four words that do not belong together are easy to keep and hard to guess.");
        if self.hashing.is_some() { page.below("One moment ...") } else { page }
    }
}
