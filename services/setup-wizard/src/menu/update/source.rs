//! Where a new version comes from: a stick, or an address.

use crate::appliance::Stick;
use crate::facts::Facts;
use crate::form::{Did, Form, Rows};
use crate::keys::Key;
use crate::menu::sticks;
use crate::page::{Page, column};
use crate::request::Request;

/// What is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bundle {
    OnStick(Stick, String),
    At(String),
}

impl Bundle {
    pub fn request(&self) -> Request {
        match self {
            Self::OnStick(stick, name) => Request::InstallFromStick(stick.device.clone(), name.clone()),
            Self::At(url) => Request::InstallFromUrl(url.clone()),
        }
    }

    /// Whether it still lies on the same stick: another one may have been put in and have the same name of the kernel's.
    pub fn is_there(&self, facts: &Facts) -> bool {
        match self {
            Self::OnStick(stick, name) => facts.sticks().iter().any(|other| {
                let same = |stick: &Stick| Stick { bundles: Vec::new(), ..stick.clone() };
                same(other) == same(stick) && other.bundles.contains(name)
            }),
            Self::At(_) => true,
        }
    }

    pub fn words(&self) -> String {
        match self {
            Self::OnStick(stick, name) => {
                format!("New version   {name}\nOn the stick  {}", sticks::words(stick))
            }
            Self::At(url) => format!("New version   {url}"),
        }
    }
}

/// What a key did on one of these pages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chose {
    Nothing,
    Back,
    Bundle(Bundle),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Id {
    What,
    Next,
    Back,
}

/// All bundles on all sticks.
#[derive(Debug)]
pub(crate) struct FromStick {
    form: Form<Id>,
    offered: Vec<(Stick, String)>,
    asked: bool,
    pub message: String,
}

impl FromStick {
    pub fn new() -> Self {
        let mut form = Form::new()
            .rows(Id::What, "", Rows::pick(Vec::new()))
            .button(Id::Next, "Go on")
            .button(Id::Back, "Back");
        form.show(Id::What, false);
        form.show(Id::Next, false);
        Self { form, offered: Vec::new(), asked: false, message: String::new() }
    }

    /// Looks at the sticks that are there now. What was chosen stays so, if it is still there.
    pub fn look(&mut self, facts: &Facts) {
        let readable = facts.sticks().iter().filter(|stick| stick.unreadable.is_empty());
        let bundles = |stick: &Stick| -> Vec<_> {
            stick.bundles.iter().map(|name| (stick.clone(), name.clone())).collect()
        };
        let now = readable.flat_map(bundles).collect();
        let row = |(stick, name): &(Stick, String)| {
            format!("{} {}", column(name, 28), column(&sticks::words(stick), 41).trim_end())
        };
        sticks::offer(&mut self.form, (Id::What, Id::Next), &mut self.offered, now, row);
        self.asked = true;
    }

    pub fn key(&mut self, key: Key) -> Chose {
        match self.form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => return Chose::Back,
            Did::Pressed(_) => {
                if let Some((stick, name)) = self.offered.get(self.form.chosen(Id::What)) {
                    return Chose::Bundle(Bundle::OnStick(stick.clone(), name.clone()));
                }
            }
            Did::Changed => self.message.clear(),
            Did::Nothing => {}
        }
        Chose::Nothing
    }

    pub fn page(&self, facts: &Facts) -> Page {
        let what_to_do = if self.offered.is_empty() {
            "Put a stick with a file *.raucb in; FAT32. The file lies in its uppermost folder. This page shows it by itself."
        } else {
            "Which version shall be installed?"
        };
        let useless = |stick: &Stick| match stick.unreadable.as_str() {
            "" if stick.bundles.is_empty() => Some("no file *.raucb in its uppermost folder".to_owned()),
            "" => None,
            why => Some(why.to_owned()),
        };
        let page = Page::new("Update: from a USB stick");
        let page = sticks::on(page, facts, self.asked, what_to_do, useless).form(&self.form);
        if self.message.is_empty() { page } else { page.message(&self.message) }
    }
}

/// An address is typed.
#[derive(Debug)]
pub(crate) struct FromAddress {
    form: Form<Id>,
    message: String,
}

impl FromAddress {
    pub fn new() -> Self {
        let form =
            Form::new().field(Id::What, "Address", "").button(Id::Next, "Go on").button(Id::Back, "Back");
        Self { form, message: String::new() }
    }

    pub fn key(&mut self, key: Key) -> Chose {
        match self.form.key(key) {
            Did::Back | Did::Pressed(Id::Back) => return Chose::Back,
            Did::Pressed(_) => match checked(self.form.text(Id::What)) {
                Ok(url) => return Chose::Bundle(Bundle::At(url.to_owned())),
                Err(wrong) => {
                    self.form.focus(Id::What);
                    wrong.clone_into(&mut self.message);
                }
            },
            Did::Changed => self.message.clear(),
            Did::Nothing => {}
        }
        Chose::Nothing
    }

    pub fn page(&self) -> Page {
        Page::new("Update: from an address")
            .above("Where does the new version lie? It is a file *.raucb on a web server that the box can reach; only what is new of it is downloaded.")
            .form(&self.form)
            .below("Such as https://updates.example.org/appliance-1.2.0.raucb")
            .message(&self.message)
    }
}

/// The address, if it is one that may be asked for a version, or what is wrong with it. Whether anything answers there, only the box finds
/// out.
fn checked(typed: &str) -> Result<&str, &'static str> {
    if typed.is_empty() {
        return Err("Please type the address of the new version.");
    }
    let lower = typed.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")) else {
        return Err("The address begins with https:// or http://. Nothing else is understood.");
    };
    if typed.contains(char::is_whitespace) {
        return Err("There is a blank in the address. Please take it out, or write %20 for it.");
    }
    if !typed.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("There is a letter in the address that none can hold. Please type it as it was given.");
    }
    let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
    if server.is_empty() || server.starts_with(':') {
        return Err("The name of the server is missing: it stands between // and the next /.");
    }
    if path.is_empty() {
        return Err("The name of the file is missing: it stands behind the server's, after a /.");
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn an_address_is_checked_in_plain_words() {
        for good in [
            "https://updates.example.org/a.raucb",
            "http://192.0.2.1:8080/a",
            "HTTPS://[2001:db8::1]/x/a.raucb?v=1",
        ] {
            assert_eq!(checked(good), Ok(good));
        }
        for (wrong, why) in [
            ("", "Please type"),
            ("updates.example.org/a", "begins with"),
            ("ftp://updates.example.org/a", "begins with"),
            ("https:/updates.example.org/a", "begins with"),
            ("https:// updates.example.org/a", "a blank"),
            ("https://updates.ex\u{e4}mple.org/a", "a letter"),
            ("https://", "the server is missing"),
            ("http:///a.raucb", "the server is missing"),
            ("http://:80/a.raucb", "the server is missing"),
            ("https://updates.example.org", "the file is missing"),
            ("https://updates.example.org/", "the file is missing"),
        ] {
            assert!(checked(wrong).is_err_and(|said| said.contains(why)), "{wrong}: {:?}", checked(wrong));
        }
    }
}
