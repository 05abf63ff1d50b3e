//! How a page looks: a title, paragraphs, what is filled in, a message, and the keys. Everything can be told apart without any
//! attribute: `>` stands before what has the focus.

use crate::form::{Form, Item, Kind, Rows};
use crate::picture::{HEIGHT, Picture, WIDTH, wrap};

/// First line and number of lines between the rules.
const TOP: usize = 2;
const BODY: usize = HEIGHT - 4;
const MARGIN: usize = 2;
/// Characters in a line of a page.
pub(crate) const INNER: usize = WIDTH - 2 * MARGIN;
/// Where the text of fields begins, if their labels are not longer.
const FIELD: usize = 26;
/// Lines that a message has at most.
const MESSAGE: usize = 6;

/// A page before it is drawn.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub title: String,
    /// Paragraphs above what is filled in.
    pub above: Vec<String>,
    /// What is filled in, drawn.
    lines: Vec<Line>,
    /// Paragraphs below.
    pub below: Vec<String>,
    /// What went wrong or needs care; empty if nothing.
    pub message: String,
    /// What the last line says; the usual keys if empty.
    pub help: String,
    /// What stands beside the title whatever else is shown; empty if nothing.
    pub banner: String,
}

#[derive(Debug, Clone)]
struct Line {
    text: String,
    /// The place of the cursor, and which part is shown in reverse video.
    focus: Option<(usize, std::ops::Range<usize>)>,
}

impl Page {
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    pub fn above(mut self, paragraph: impl Into<String>) -> Self {
        self.above.push(paragraph.into());
        self
    }

    pub fn below(mut self, paragraph: impl Into<String>) -> Self {
        self.below.push(paragraph.into());
        self
    }

    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Nothing can be pressed now.
    pub fn waiting(mut self) -> Self {
        "Please wait   Ctrl-L: redraw".clone_into(&mut self.help);
        self
    }

    pub fn form<I: Copy + PartialEq>(mut self, form: &Form<I>) -> Self {
        let mut buttons = Vec::new();
        for (item, focused) in form.items() {
            match &item.kind {
                Kind::Button => {
                    buttons.push((item.label.as_str(), focused));
                    continue;
                }
                Kind::Field(text) => {
                    let label = format!("{} {}: ", mark(focused), item.label);
                    let begin = label.chars().count().max(FIELD);
                    let (shown, cursor) = text.window(INNER - begin - 2);
                    self.lines.push(Line {
                        text: format!(
                            "{label:<begin$}[{shown}{}]",
                            "_".repeat(INNER - begin - 2 - shown.chars().count())
                        ),
                        focus: focused.then_some((begin + 1 + cursor, 0..begin - 1)),
                    });
                }
                Kind::Rows(rows) => self.rows(item, rows, focused),
            }
        }
        if !buttons.is_empty() {
            self.lines.push(Line { text: String::new(), focus: None });
            self.buttons(&buttons);
        }
        self
    }

    fn rows<I>(&mut self, item: &Item<I>, rows: &Rows, focused: bool) {
        let mut head = item.label.clone();
        let (fitting, all) = rows.count();
        if let Some(typed) = rows.typed() {
            head = format!("{head} (type to find one: {typed}_)");
        }
        if rows.typed().is_some() {
            head = format!("{head}  {fitting} of {all}");
        }
        if head.is_empty() && fitting == 0 {
            head = "(nothing to choose from)".to_owned();
        }
        if !head.is_empty() {
            let mark = if focused && fitting == 0 { ">" } else { " " };
            self.lines.push(Line {
                text: format!("{mark} {head}"),
                focus: (focused && fitting == 0).then_some((0, 0..1)),
            });
        }
        let mut first = true;
        for row in rows.window() {
            // In a list that is only read no row is chosen: the focus is at its first line.
            let here = focused && (row.under_cursor || row.mark.is_empty() && first);
            first = false;
            let text = format!("{} {}{}", mark(here), row.mark, row.text);
            let text: String = text.chars().take(INNER).collect();
            let end = text.chars().count();
            self.lines.push(Line { focus: here.then_some((0, 0..end)), text });
        }
        let more = rows.more();
        if !more.is_empty() {
            self.lines.push(Line { text: format!("  ... {more}"), focus: None });
        }
    }

    fn buttons(&mut self, buttons: &[(&str, bool)]) {
        let mut line = Line { text: String::new(), focus: None };
        for (label, focused) in buttons {
            let text = format!("{} [ {label} ]", mark(*focused));
            if !line.text.is_empty() && line.text.len() + 3 + text.len() > INNER {
                self.lines.push(std::mem::replace(&mut line, Line { text: String::new(), focus: None }));
            }
            if !line.text.is_empty() {
                line.text.push_str("   ");
            }
            let begin = line.text.chars().count();
            line.text.push_str(&text);
            if *focused {
                line.focus = Some((begin, begin..line.text.chars().count()));
            }
        }
        self.lines.push(line);
    }

    /// One below the other, without blank lines between.
    pub fn listing(self, texts: &[String]) -> Self {
        self.above(texts.join("\n"))
    }

    /// Lines of the message: never so many that what is filled in has no room.
    fn message_lines(&self) -> Vec<String> {
        if self.message.is_empty() {
            return Vec::new();
        }
        let most = BODY.saturating_sub(self.lines.len() + 1).clamp(1, MESSAGE);
        cut(wrap(&self.message, INNER - 2), most)
    }

    /// Draws it. Where not everything has room, the paragraphs are cut, never what is filled in or the message.
    pub fn draw(&self) -> Picture {
        let mut picture = Picture::default();
        let banner = self.banner.chars().count();
        // The title gives way to it, never the other way round.
        let title = column(&self.title, INNER.saturating_sub(if banner == 0 { 0 } else { banner + 2 }));
        picture.write(0, MARGIN, title.trim_end(), false);
        picture.write(0, (WIDTH - MARGIN).saturating_sub(banner), &self.banner, true);
        picture.write(1, 0, &"=".repeat(WIDTH), false);
        picture.write(HEIGHT - 2, 0, &"-".repeat(WIDTH), false);
        let help = if self.help.is_empty() {
            "Tab, arrows, in lists n p: move   Enter: go on   Esc: back   Ctrl-L: redraw"
        } else {
            &self.help
        };
        picture.write(HEIGHT - 1, MARGIN, help, false);

        let message = self.message_lines();
        let room = BODY - if message.is_empty() { 0 } else { message.len() + 1 };
        let paragraphs = |all: &[String]| {
            let blocks = all.iter().filter(|text| !text.is_empty()).map(|text| wrap(text, INNER));
            blocks.collect::<Vec<_>>().join(&String::new())
        };
        let (above, below) = (paragraphs(&self.above), paragraphs(&self.below));
        // A blank line between each two parts.
        let gaps = |above: &Vec<String>, below: &Vec<String>| {
            usize::from(!above.is_empty() && !self.lines.is_empty()) + usize::from(!below.is_empty())
        };
        let left = room.saturating_sub(self.lines.len() + gaps(&above, &below));
        let above = cut(above, left);
        let below = cut(below, left - above.len());

        let mut line = TOP;
        for text in &above {
            picture.write(line, MARGIN, text, false);
            line += 1;
        }
        if line > TOP {
            line += 1;
        }
        for form in self.lines.iter().take(room) {
            picture.write(line, MARGIN, &form.text, false);
            if let Some((cursor, reverse)) = &form.focus {
                picture.cursor = (line, MARGIN + cursor);
                let part: String = form.text.chars().skip(reverse.start).take(reverse.len()).collect();
                picture.write(line, MARGIN + reverse.start, &part, true);
            }
            line += 1;
        }
        if !self.lines.is_empty() {
            line += 1;
        }
        for text in &below {
            picture.write(line, MARGIN, text, false);
            line += 1;
        }
        let first = HEIGHT - 2 - message.len();
        for (number, text) in message.iter().enumerate() {
            let mark = if number == 0 { "!" } else { " " };
            picture.write(first + number, MARGIN, &format!("{mark} {text}"), false);
        }
        picture
    }

    /// Whether everything had room.
    #[cfg(test)]
    pub fn fits(&self) -> bool {
        let drawn = self.draw().to_string();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let drawn = words(&drawn).join(" ");
        self.above.iter().chain(&self.below).all(|text| drawn.contains(&words(text).join(" ")))
            && (self.message.is_empty() || wrap(&self.message, INNER - 2).len() <= MESSAGE)
            && self.lines.len() <= BODY
    }
}

/// At most so many lines; the last says that there were more.
fn cut(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            "...".clone_into(last);
        }
    }
    lines
}

fn mark(focused: bool) -> char {
    if focused { '>' } else { ' ' }
}

/// `1.5 TB`, as it is printed on disks.
pub(crate) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            return if unit == "B" || value >= 99.95 {
                format!("{value:.0} {unit}")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} PB")
}

/// The text in exactly so many places; `~` at its end where it was cut.
pub(crate) fn column(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let cut: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{cut}~")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Row;

    #[test]
    fn the_focus_is_marked_by_a_character_and_by_the_cursor() {
        let rows = Rows::pick(vec![Row::new("one"), Row::new("two")]);
        let mut form =
            Form::new().rows(1, "List", rows).field(2, "Name", "box").button(3, "Go on").button(4, "Back");
        for expected in ["> (*) one", "> (*) two", "> Name:", "> [ Go on ]", "> [ Back ]"] {
            let picture = Page::new("Title").above("Words.").form(&form).draw();
            let text = picture.to_string();
            assert!(text.contains(expected), "{expected} is not in {text}");
            assert_eq!(text.matches('>').count(), 1, "{text}");
            form.key(crate::keys::Key::Down);
        }
    }

    #[test]
    fn words_give_way_to_what_is_filled_in_and_to_the_message() {
        let form = Form::new().field(1, "Name", "box").button(2, "Go on");
        let page = Page::new("Title").above("word ".repeat(2000)).form(&form).message("wrong ".repeat(1000));
        let text = page.draw().to_string();
        assert!(!page.fits());
        assert!(text.contains("[ Go on ]") && text.contains("! wrong") && text.contains("Name: "), "{text}");
        assert!(
            text.contains("\n  ...\n") && text.contains("\n    ...\n"),
            "what was cut is said to be: {text}"
        );
    }

    #[test]
    fn the_longest_title_leaves_the_banner_its_place() {
        let mut page = Page::new("a-name-that-takes-a-line ".repeat(5));
        page.banner = "SUPPORT MODE until 14:30".into();
        let drawn = page.draw().to_string();
        let line = drawn.lines().next().unwrap();
        assert_eq!(line.len(), WIDTH - MARGIN);
        assert!(line.ends_with("~  SUPPORT MODE until 14:30"), "{line}");
    }

    #[test]
    fn sizes_are_those_printed_on_disks() {
        assert_eq!([0, 999, 1000, 16_000_900_661_248].map(bytes), ["0 B", "999 B", "1.0 kB", "16.0 TB"]);
        assert_eq!(column("abcdef", 4), "abc~");
    }
}
