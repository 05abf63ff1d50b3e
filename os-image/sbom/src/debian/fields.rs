//! Stanzas of `Field: value` lines: the syntax of dpkg's status file and of machine-readable copyright
//! files (Debian Policy, section 5.1). Lines that do not fit are passed over: a person wrote them.

/// Fields up to an empty line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stanza(Vec<Field>);

/// One field.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: String,
    value: Value,
}

/// What stands behind the colon.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    /// The rest of the field's line.
    pub first: String,
    /// The lines below, without the blank that marks them and without the `.` that stands for an empty line.
    pub rest: String,
}

impl Stanza {
    /// The field `name`, in whatever case it is written.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| &field.value)
    }

    /// The first line of the field `name`, unless it is empty.
    pub fn line(&self, name: &str) -> Option<&str> {
        self.get(name).map(|value| value.first.as_str()).filter(|line| !line.is_empty())
    }

    fn add(&mut self, line: &str) {
        if let Some(more) = line.strip_prefix([' ', '\t']) {
            if let Some(field) = self.0.last_mut() {
                field.value.rest += if more.trim() == "." { "" } else { more };
                field.value.rest.push('\n');
            }
        } else if let Some((name, first)) = line.split_once(':') {
            let value = Value { first: first.trim().to_owned(), rest: String::new() };
            self.0.push(Field { name: name.to_owned(), value });
        }
    }
}

/// Takes a file apart.
pub(super) fn stanzas(text: &str) -> Vec<Stanza> {
    let mut stanzas = vec![Stanza::default()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match stanzas.last_mut() {
            Some(last) if !line.trim().is_empty() => last.add(line),
            _ => stanzas.push(Stanza::default()),
        }
    }
    stanzas.retain(|stanza| !stanza.0.is_empty());
    stanzas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continued_lines_belong_to_their_field() {
        let text =
            "Package: a\nDescription: short\n long\n .\n  indented\n\n\nno field\n stray\nPACKAGE: b:c\n";
        let stanzas = stanzas(text);
        assert_eq!(stanzas.len(), 2);
        let description = stanzas[0].get("description").unwrap();
        assert_eq!((description.first.as_str(), description.rest.as_str()), ("short", "long\n\n indented\n"));
        assert_eq!(stanzas[1].line("Package"), Some("b:c"));
        assert_eq!(stanzas[1].line("Version"), None);
    }
}
