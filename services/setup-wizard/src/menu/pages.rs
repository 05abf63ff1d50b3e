//! The smaller pages of the menu.

use crate::appliance::{self, Secret};
use crate::facts::Facts;
use crate::form::{Did, Form};
use crate::key_page::{self, AskedBack};
use crate::keys::Key;
use crate::menu::overview::name;
use crate::menu::{Opened, Turn};
use crate::page::Page;
use crate::password_form::{Filled, PasswordForm};
use crate::recovery_key::Questions;
use crate::request::{Answer, Deed, Request};
use crate::wizard::{addresses, code_on, typed_key};

/// A code for one more machine.
#[derive(Debug)]
pub(crate) struct PairingCode {
    form: Form<bool>,
    code: Option<appliance::Result<(String, u64)>>,
}

impl PairingCode {
    pub fn new() -> Self {
        Self { form: Form::new().button(false, "Back").button(true, "Another code"), code: None }
    }
}

impl Opened for PairingCode {
    fn key(&mut self, key: Key, _facts: &Facts) -> Turn {
        match self.form.key(key) {
            Did::Back | Did::Pressed(false) => Turn::menu(),
            Did::Pressed(true) => {
                self.code = None;
                Turn::ask(Request::PairingCode)
            }
            Did::Nothing | Did::Changed => Turn::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, _facts: &Facts) -> Turn {
        if let Answer::PairingCode(code) = answer {
            self.code = Some(code.clone());
        }
        Turn::stay()
    }

    fn page(&self, facts: &Facts) -> Page {
        let page = Page::new("Pairing code").above(format!("Address of the box: {}", addresses(facts)));
        code_on(page, &self.code)
            .above("Give both to the agent on the machine. Each code is good for one machine.")
            .form(&self.form)
    }
}

/// Another password for the administrator.
#[derive(Debug)]
pub(crate) struct ChangePassword {
    filled: PasswordForm,
    numbers: u64,
}

impl ChangePassword {
    pub fn new(numbers: u64) -> Self {
        Self { filled: PasswordForm::new(), numbers }
    }
}

impl Opened for ChangePassword {
    fn key(&mut self, key: Key, facts: &Facts) -> Turn {
        self.numbers += 1;
        match self.filled.key(key, &name(facts), self.numbers) {
            Filled::Stay => Turn::stay(),
            Filled::Back => Turn::menu(),
            Filled::Hash(request) => Turn::ask(request),
        }
    }

    fn answer(&mut self, answer: &Answer, _facts: &Facts) -> Turn {
        match answer {
            Answer::Did(Deed::SetPassword, Ok(())) => return Turn::said("The password is changed."),
            Answer::Did(Deed::SetPassword, Err(error)) => self.filled.say(error),
            _ => {
                if let Some(hash) = self.filled.answer(answer) {
                    return Turn::ask(Request::SetPassword(hash));
                }
            }
        }
        Turn::stay()
    }

    fn page(&self, _facts: &Facts) -> Page {
        self.filled
            .on(Page::new("Password")
                .above("The new password of the administrator. The old one ends with it."))
    }
}

/// The recovery key once more, until somebody has shown that it is written down.
#[derive(Debug)]
pub(crate) struct RecoveryKey {
    form: Form<bool>,
    key: Option<appliance::Result<appliance::RecoveryKey>>,
    questions: Questions,
    asked: Option<AskedBack>,
    message: String,
}

impl RecoveryKey {
    pub fn new() -> Self {
        let mut form = Form::new().button(true, "It is on paper").button(false, "Back");
        form.show(true, false);
        Self { form, key: None, questions: Questions::of(0, 0), asked: None, message: String::new() }
    }

    fn unconfirmed(&self) -> Option<&Secret> {
        match &self.key {
            Some(Ok(key)) if !key.confirmed => Some(&key.key),
            _ => None,
        }
    }
}

impl Opened for RecoveryKey {
    fn key(&mut self, key: Key, _facts: &Facts) -> Turn {
        let Some(secret) = self.unconfirmed().cloned() else {
            return match self.form.key(key) {
                Did::Back | Did::Pressed(_) => Turn::menu(),
                Did::Nothing | Did::Changed => Turn::stay(),
            };
        };
        if let Some(asked) = &mut self.asked {
            return match asked.key(key, &secret) {
                key_page::Asked::Stay => Turn::stay(),
                key_page::Asked::Back => {
                    self.asked = None;
                    self.questions = self.questions.others();
                    Turn::stay()
                }
                key_page::Asked::Right => Turn::ask(Request::ConfirmRecoveryKey),
            };
        }
        match self.form.key(key) {
            Did::Back | Did::Pressed(false) => Turn::menu(),
            Did::Pressed(true) => {
                self.asked = Some(AskedBack::new(self.questions));
                Turn::stay()
            }
            Did::Nothing | Did::Changed => Turn::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, _facts: &Facts) -> Turn {
        match answer {
            Answer::RecoveryKey(Ok((key, questions))) => {
                self.form.show(true, !key.confirmed);
                self.form.focus_first();
                self.questions = *questions;
                self.key = Some(Ok(key.clone()));
            }
            Answer::RecoveryKey(Err(error)) => self.key = Some(Err(error.clone())),
            Answer::Did(Deed::ConfirmRecoveryKey, Ok(())) => {
                return Turn::said("Your note of the recovery key is right. The key is not shown again.");
            }
            Answer::Did(Deed::ConfirmRecoveryKey, Err(error)) => {
                self.message.clone_from(error);
                self.asked = None;
            }
            _ => {}
        }
        Turn::stay()
    }

    fn page(&self, _facts: &Facts) -> Page {
        let page = Page::new("Recovery key");
        match (&self.key, &self.asked) {
            (Some(Ok(key)), _) if key.confirmed => page
                .above("The recovery key is on paper: somebody has typed parts of it from there. It is not shown again.")
                .form(&self.form),
            (Some(Ok(_)), Some(asked)) => asked.on(page),
            (Some(Ok(key)), None) => key_page::shown(page, &key.key).form(&self.form).message(&self.message),
            (Some(Err(error)), _) => page.form(&self.form).message(error),
            (None, _) => page.above("Looking for the key ...").form(&self.form),
        }
    }
}

/// The pool waits for its key.
#[derive(Debug)]
pub(crate) struct Unlock {
    form: Form<u8>,
    waiting: bool,
    message: String,
}

impl Unlock {
    pub fn new() -> Self {
        let form = Form::new().secret(0, "Recovery key").button(1, "Unlock").button(2, "Back");
        Self { form, waiting: false, message: String::new() }
    }
}

impl Opened for Unlock {
    fn key(&mut self, key: Key, _facts: &Facts) -> Turn {
        match self.form.key(key) {
            Did::Back | Did::Pressed(2) => Turn::menu(),
            Did::Pressed(_) if self.waiting => Turn::stay(),
            Did::Pressed(_) => match typed_key(self.form.text(0)) {
                Ok(Some(key)) => {
                    self.waiting = true;
                    Turn::ask(Request::Unlock(key))
                }
                Ok(None) => {
                    self.message = "Please type the recovery key.".into();
                    Turn::stay()
                }
                Err(error) => {
                    self.message = error;
                    Turn::stay()
                }
            },
            Did::Changed => {
                self.message.clear();
                Turn::stay()
            }
            Did::Nothing => Turn::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, _facts: &Facts) -> Turn {
        if let Answer::Did(Deed::Unlock, result) = answer {
            self.waiting = false;
            match result {
                Ok(()) => return Turn::Menu("The pool is unlocked.".into(), vec![Request::Pool]),
                Err(error) => self.message.clone_from(error),
            }
        }
        Turn::stay()
    }

    fn page(&self, _facts: &Facts) -> Page {
        Page::new("Unlock the pool")
            .above("The box cannot open its pool by itself. Type the recovery key: eight groups of six digits, with or without blanks.")
            .form(&self.form)
            .below(if self.waiting { "Opening the pool ..." } else { "What you type shows as stars." })
            .message(&self.message)
    }
}

/// Asks once more before the box goes down.
#[derive(Debug)]
pub(crate) struct Confirm {
    title: &'static str,
    form: Form<bool>,
    request: Request,
    deed: Deed,
    waiting: bool,
    message: String,
}

impl Confirm {
    /// Before a restart.
    pub fn restart() -> Self {
        Self::new("Restart the box", "Restart", Request::Reboot, Deed::Reboot)
    }

    pub fn new(title: &'static str, button: &str, request: Request, deed: Deed) -> Self {
        let form = Form::new().button(false, "Back").button(true, button);
        Self { title, form, request, deed, waiting: false, message: String::new() }
    }
}

impl Opened for Confirm {
    fn key(&mut self, key: Key, _facts: &Facts) -> Turn {
        if self.waiting {
            return Turn::stay();
        }
        match self.form.key(key) {
            Did::Back | Did::Pressed(false) => Turn::menu(),
            Did::Pressed(true) => {
                self.waiting = true;
                self.message.clear();
                Turn::ask(self.request.clone())
            }
            Did::Nothing | Did::Changed => Turn::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, _facts: &Facts) -> Turn {
        if let Answer::Did(deed, Err(error)) = answer
            && *deed == self.deed
        {
            self.waiting = false;
            self.message.clone_from(error);
        }
        Turn::stay()
    }

    fn page(&self, facts: &Facts) -> Page {
        let page = Page::new(self.title);
        if self.waiting {
            return page.above("The box is going down ...").waiting();
        }
        let running: Vec<_> = facts.machines().iter().filter(|machine| machine.running.is_some()).collect();
        let page = match running.as_slice() {
            [] => page.above("No backup runs now."),
            [one] => page.above(format!(
                "A backup of {} runs. It is broken off, and nothing that is stored is lost.",
                one.name
            )),
            many => page.above(format!(
                "{} backups run. They are broken off, and nothing that is stored is lost.",
                many.len()
            )),
        };
        page.above("Stand-ins that run on this box end.").form(&self.form).message(&self.message)
    }
}

/// Forgets all settings.
#[derive(Debug)]
pub(crate) struct Reset {
    form: Form<u8>,
    waiting: bool,
    message: String,
}

impl Reset {
    pub fn new() -> Self {
        let form = Form::careful().field(0, "Host name", "").button(1, "Back").button(2, "Reset the box");
        Self { form, waiting: false, message: String::new() }
    }
}

impl Opened for Reset {
    fn key(&mut self, key: Key, facts: &Facts) -> Turn {
        if self.waiting {
            return Turn::stay();
        }
        match self.form.key(key) {
            Did::Back | Did::Pressed(1) => Turn::menu(),
            Did::Pressed(_) => {
                let host_name = facts.status().host_name;
                if host_name.is_empty() || self.form.text(0) != host_name {
                    self.form.focus(0);
                    self.message =
                        format!("Type the name of this box, {}, to say that you mean it.", name(facts));
                    return Turn::stay();
                }
                self.waiting = true;
                Turn::ask(Request::FactoryReset(host_name))
            }
            Did::Changed => {
                self.message.clear();
                Turn::stay()
            }
            Did::Nothing => Turn::stay(),
        }
    }

    fn answer(&mut self, answer: &Answer, _facts: &Facts) -> Turn {
        if let Answer::Did(Deed::FactoryReset, Err(error)) = answer {
            self.waiting = false;
            self.message.clone_from(error);
        }
        Turn::stay()
    }

    fn page(&self, facts: &Facts) -> Page {
        let page = Page::new("Factory reset");
        if self.waiting {
            return page.above("The box forgets its settings and restarts ...").waiting();
        }
        page.above("The box forgets its name, its network and its password, and begins with set-up again.")
            .above("WHAT STAYS: the pool with all backups. It can be used again in set-up; if it is encrypted, only with its \
                 recovery key, which the box forgets, too: be sure that it is on paper (see Recovery key in the menu).")
            .above(format!("If you want that, type the name of this box: {}", name(facts)))
            .form(&self.form)
            .message(&self.message)
    }
}
