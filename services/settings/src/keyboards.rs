//! The keyboard layouts of the console: names as in `understudy.toml`, for a person, and of the keymap in Debian's console-data.

use understudy_bus::settings::Keyboard;

/// Name, description, keymap beneath `/usr/share/keymaps/i386`. Of each country's keymaps the one without dead keys where there are two:
/// what is typed here is names, addresses and passwords.
const LAYOUTS: [(&str, &str, &str); 36] = [
    ("us", "English (US)", "us"),
    ("gb", "English (UK)", "uk"),
    ("de", "German", "de-latin1-nodeadkeys"),
    ("fr", "French", "fr-latin9"),
    ("es", "Spanish", "es"),
    ("it", "Italian", "it"),
    ("be", "Belgian", "be2-latin1"),
    ("br", "Portuguese (Brazil)", "br-abnt2"),
    ("ca", "French (Canada)", "cf"),
    ("ch", "German (Switzerland)", "sg-latin1"),
    ("ch-fr", "French (Switzerland)", "fr_CH-latin1"),
    ("cz", "Czech (QWERTZ)", "cz-us-qwertz"),
    ("cz-qwerty", "Czech (QWERTY)", "cz-lat2"),
    ("de-dead", "German (dead keys)", "de-latin1"),
    ("dk", "Danish", "dk-latin1"),
    ("dvorak", "English (Dvorak)", "dvorak"),
    ("ee", "Estonian", "et"),
    ("fi", "Finnish", "fi-latin1"),
    ("hr", "Croatian", "croat"),
    ("hu", "Hungarian", "hu"),
    ("is", "Icelandic", "is-latin1"),
    ("jp", "Japanese (JIS)", "jp106"),
    ("latam", "Spanish (Latin America)", "la-latin1"),
    ("lt", "Lithuanian", "lt.l4"),
    ("lv", "Latvian", "lv-latin7"),
    ("nl", "Dutch", "nl"),
    ("no", "Norwegian", "no-latin1"),
    ("pl", "Polish", "pl"),
    ("pt", "Portuguese", "pt-latin1"),
    ("ro", "Romanian", "ro"),
    ("se", "Swedish", "se-latin1"),
    ("si", "Slovenian", "slovene"),
    ("sk", "Slovak (QWERTZ)", "sk-qwertz"),
    ("sk-qwerty", "Slovak (QWERTY)", "sk-qwerty"),
    ("tr", "Turkish (Q)", "tr_q-latin5"),
    ("us-intl", "English (US, international)", "us-intl.iso15"),
];

/// All of them, the most usual first.
pub fn all() -> Vec<Keyboard> {
    LAYOUTS
        .map(|(name, description, _)| Keyboard { name: name.to_owned(), description: description.to_owned() })
        .to_vec()
}

/// The keymap of a layout.
pub fn keymap(name: &str) -> Option<&'static str> {
    LAYOUTS.iter().find(|(known, _, _)| *known == name).map(|(_, _, keymap)| *keymap)
}

/// Says that there is no such layout.
pub fn unknown(name: &str) -> String {
    let known: Vec<_> = LAYOUTS.iter().map(|(name, _, _)| *name).collect();
    format!("there is no keyboard layout {name:?}; there are: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_can_stand_in_answers_and_is_there_once() {
        let mut names: Vec<_> = all().into_iter().map(|keyboard| keyboard.name).collect();
        for name in &names {
            assert!(name.parse::<understudy_answers::Keyboard>().is_ok() && keymap(name).is_some(), "{name}");
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(keymap(understudy_answers::Keyboard::default().as_str()).is_some());
    }

    /// They become instances of a unit's name, which systemd would quote otherwise.
    #[test]
    fn every_keymap_can_stand_in_a_units_name() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        for (_, _, keymap) in LAYOUTS {
            assert!(keymap.bytes().all(plain), "{keymap}");
        }
    }
}
