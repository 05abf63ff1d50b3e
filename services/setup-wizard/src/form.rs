//! What is filled in on a page: fields, lists and buttons, one below the other, one of them with the focus. Values and keys only;
//! how it looks is said in `page`.

mod rows;
mod text;

pub(crate) use rows::{Row, Rows};
pub(crate) use text::Text;

use crate::keys::Key;

/// One thing that can have the focus.
#[derive(Debug, Clone)]
pub(crate) struct Item<I> {
    pub id: I,
    pub label: String,
    pub kind: Kind,
    /// What is not asked now keeps what was filled in.
    pub visible: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Field(Text),
    Rows(Rows),
    Button,
}

/// What a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did<I> {
    Nothing,
    /// Something was filled in or chosen, or the focus moved.
    Changed,
    Pressed(I),
    Back,
}

#[derive(Debug, Clone)]
pub(crate) struct Form<I> {
    items: Vec<Item<I>>,
    focus: usize,
    /// Enter in the last thing before the first button presses that button: whoever has nothing to change goes on with few keys.
    enter_goes_on: bool,
}

impl<I: Copy + PartialEq> Form<I> {
    pub fn new() -> Self {
        Self { items: Vec::new(), focus: 0, enter_goes_on: true }
    }

    /// Where a slip of the finger would be dear, the button must have the focus before it can be pressed.
    pub fn careful() -> Self {
        Self { enter_goes_on: false, ..Self::new() }
    }

    fn with(mut self, id: I, label: &str, kind: Kind) -> Self {
        self.items.push(Item { id, label: label.to_owned(), kind, visible: true });
        self
    }

    pub fn field(self, id: I, label: &str, text: &str) -> Self {
        self.with(id, label, Kind::Field(Text::new(text)))
    }

    /// A field that shows `*` for each character.
    pub fn secret(self, id: I, label: &str) -> Self {
        self.with(id, label, Kind::Field(Text::secret()))
    }

    pub fn rows(self, id: I, label: &str, rows: Rows) -> Self {
        self.with(id, label, Kind::Rows(rows))
    }

    pub fn button(self, id: I, label: &str) -> Self {
        self.with(id, label, Kind::Button)
    }

    pub fn items(&self) -> impl Iterator<Item = (&Item<I>, bool)> {
        let focus = self.focus;
        self.items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.visible)
            .map(move |(at, item)| (item, at == focus))
    }

    fn item(&mut self, id: I) -> Option<&mut Item<I>> {
        self.items.iter_mut().find(|item| item.id == id)
    }

    /// What stands in a field, without blanks around it; empty for what is no field.
    pub fn text(&self, id: I) -> &str {
        self.raw_text(id).trim()
    }

    /// What stands in a field as it was typed: in a password a blank counts.
    pub fn raw_text(&self, id: I) -> &str {
        self.items.iter().find(|item| item.id == id).map_or("", |item| match &item.kind {
            Kind::Field(text) => text.as_str(),
            _ => "",
        })
    }

    pub fn set_text(&mut self, id: I, text: &str) {
        if let Some(Item { kind: Kind::Field(field), .. }) = self.item(id) {
            field.set(text);
        }
    }

    /// A list's rows; `None` for what is no list.
    pub fn list(&self, id: I) -> Option<&Rows> {
        self.items.iter().find(|item| item.id == id).and_then(|item| match &item.kind {
            Kind::Rows(rows) => Some(rows),
            _ => None,
        })
    }

    pub fn list_mut(&mut self, id: I) -> Option<&mut Rows> {
        self.item(id).and_then(|item| match &mut item.kind {
            Kind::Rows(rows) => Some(rows),
            _ => None,
        })
    }

    /// The chosen row's number in a list of which one is chosen; the first where there is none.
    pub fn chosen(&self, id: I) -> usize {
        self.list(id).and_then(Rows::chosen).unwrap_or(0)
    }

    pub fn set_label(&mut self, id: I, label: &str) {
        if let Some(item) = self.item(id) {
            label.clone_into(&mut item.label);
        }
    }

    pub fn show(&mut self, id: I, visible: bool) {
        if let Some(item) = self.item(id) {
            item.visible = visible;
        }
        if self.items.get(self.focus).is_some_and(|item| !item.visible) {
            self.move_focus(1, true);
        }
    }

    /// Whether it is visible.
    pub fn shows(&self, id: I) -> bool {
        self.items.iter().any(|item| item.id == id && item.visible)
    }

    pub fn focused(&self) -> Option<I> {
        self.items.get(self.focus).map(|item| item.id)
    }

    pub fn focus(&mut self, id: I) {
        if let Some(at) = self.items.iter().position(|item| item.id == id && item.visible) {
            self.focus = at;
        }
    }

    /// Puts the focus where it was at first.
    pub fn focus_first(&mut self) {
        self.focus = self.items.iter().position(|item| item.visible).unwrap_or(0);
    }

    fn move_focus(&mut self, step: isize, round: bool) -> bool {
        let count = self.items.len() as isize;
        let mut at = self.focus as isize;
        for _ in 0..count {
            at += step;
            if round {
                at = at.rem_euclid(count);
            }
            match usize::try_from(at).ok().and_then(|at| Some((at, self.items.get(at)?))) {
                Some((at, item)) if item.visible => {
                    self.focus = at;
                    return true;
                }
                Some(_) => {}
                None => return false,
            }
        }
        false
    }

    fn go_on(&mut self) -> Did<I> {
        let before = self.focus;
        if !self.move_focus(1, false) {
            return Did::Nothing;
        }
        match self.items.get(self.focus) {
            Some(item) if matches!(item.kind, Kind::Button) && self.enter_goes_on => {
                // The focus stays: if something is wrong there, it is not sought again.
                self.focus = before;
                Did::Pressed(item.id)
            }
            _ => Did::Changed,
        }
    }

    pub fn key(&mut self, key: Key) -> Did<I> {
        let Some(item) = self.items.get_mut(self.focus) else {
            return if key == Key::Escape { Did::Back } else { Did::Nothing };
        };
        match key {
            Key::Escape => return Did::Back,
            Key::Tab | Key::BackTab => {
                self.move_focus(if key == Key::Tab { 1 } else { -1 }, true);
                return Did::Changed;
            }
            _ => {}
        }
        let used = match &mut item.kind {
            Kind::Field(text) => text.key(key),
            Kind::Rows(rows) => rows.key(key),
            Kind::Button if matches!(key, Key::Enter | Key::Char(' ')) => return Did::Pressed(item.id),
            Kind::Button => false,
        };
        if used {
            return Did::Changed;
        }
        let moved = match key {
            Key::Enter => return self.go_on(),
            Key::Down | Key::Right => self.move_focus(1, false),
            Key::Up | Key::Left => self.move_focus(-1, false),
            _ => false,
        };
        if moved { Did::Changed } else { Did::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Id {
        Name,
        List,
        Next,
        Back,
    }

    fn form() -> Form<Id> {
        let rows = Rows::pick(["one", "two"].map(Row::new).to_vec());
        Form::new()
            .field(Id::Name, "Name", "")
            .rows(Id::List, "List", rows)
            .button(Id::Next, "Go on")
            .button(Id::Back, "Back")
    }

    #[test]
    fn enter_walks_through_and_presses_the_first_button() {
        let mut form = form();
        assert_eq!(form.key(Key::Char('a')), Did::Changed);
        assert_eq!(form.key(Key::Enter), Did::Changed);
        assert_eq!(form.focused(), Some(Id::List));
        assert_eq!(form.key(Key::Enter), Did::Pressed(Id::Next));
        assert_eq!(form.text(Id::Name), "a");
    }

    #[test]
    fn arrows_walk_through_lists_and_tab_over_them() {
        let mut form = form();
        form.key(Key::Down);
        form.key(Key::Down);
        assert_eq!((form.focused(), form.chosen(Id::List)), (Some(Id::List), 1));
        form.key(Key::Down);
        assert_eq!(form.focused(), Some(Id::Next));
        form.key(Key::BackTab);
        form.key(Key::BackTab);
        assert_eq!(form.focused(), Some(Id::Name));
        form.key(Key::BackTab);
        assert_eq!(form.focused(), Some(Id::Back));
        assert_eq!(form.key(Key::Char(' ')), Did::Pressed(Id::Back));
    }

    #[test]
    fn what_is_not_shown_cannot_have_the_focus_and_keeps_its_text() {
        let mut form = form();
        form.key(Key::Char('a'));
        form.show(Id::Name, false);
        assert_eq!(form.focused(), Some(Id::List));
        form.key(Key::BackTab);
        assert_eq!(form.focused(), Some(Id::Back));
        assert_eq!(form.text(Id::Name), "a");
    }
}
