//! USB sticks, as a person tells one from another, and what can be chosen on them.

use crate::appliance::Stick;
use crate::facts::{Facts, unknown};
use crate::form::{Form, Row, Rows};
use crate::page::{Page, bytes};

/// `UPDATES, 32.0 GB, SanDisk Ultra (sdb1)`.
pub(crate) fn words(stick: &Stick) -> String {
    let label = if stick.label.is_empty() { "without a label" } else { &stick.label };
    let model = if stick.model.is_empty() { String::new() } else { format!(", {}", stick.model) };
    format!("{label}, {}{model} ({})", bytes(stick.size), stick.device)
}

/// Puts what can be chosen `now` into the list of a form, instead of what was `offered`. The list and the button that goes on from it are
/// only shown where there is something.
pub(crate) fn offer<I: Copy + PartialEq, T: Clone + PartialEq>(
    form: &mut Form<I>,
    (list, button): (I, I),
    offered: &mut Vec<T>,
    now: Vec<T>,
    words: impl Fn(&T) -> String,
) {
    let before = offered.get(form.chosen(list)).cloned();
    let kept = now.iter().position(|one| Some(one) == before.as_ref());
    if let Some(rows) = form.list_mut(list) {
        *rows = Rows::pick(now.iter().map(|one| Row::new(words(one))).collect());
        rows.choose(kept.unwrap_or(0));
    }
    form.show(list, !now.is_empty());
    form.show(button, !now.is_empty());
    // A key that was meant for what was chosen must not do anything with another.
    if kept.is_none() {
        form.focus_first();
    }
    *offered = now;
}

/// Says on a page what to do where there is nothing to choose, and why some sticks are of no use.
pub(crate) fn on(
    page: Page,
    facts: &Facts,
    asked: bool,
    what_to_do: &str,
    useless: impl Fn(&Stick) -> Option<String>,
) -> Page {
    if !asked {
        return page.above("Looking for sticks ...");
    }
    // Without the service no stick is seen, whatever is put in.
    if matches!(&facts.sticks, Some(Err(_))) {
        return page.message(unknown(&facts.sticks));
    }
    let line = |stick: &Stick| useless(stick).map(|why| format!("{}: {why}", words(stick)));
    page.above(what_to_do).listing(&facts.sticks().iter().filter_map(line).collect::<Vec<_>>())
}
