//! What can be wrong with answers, and which step asked for it.

use crate::wizard::step::StepId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Keyboard,
    HostName,
    Network,
    Time,
    Password,
    Storage,
}

impl Part {
    pub const ALL: [Self; 6] =
        [Self::Storage, Self::Network, Self::HostName, Self::Keyboard, Self::Time, Self::Password];

    pub fn name(self) -> &'static str {
        match self {
            Self::Keyboard => "Keyboard",
            Self::HostName => "Host name",
            Self::Network => "Network",
            Self::Time => "Time",
            Self::Password => "Password",
            Self::Storage => "Storage",
        }
    }

    /// Its first step.
    pub fn step(self) -> StepId {
        match self {
            Self::Keyboard => StepId::Keyboard,
            Self::HostName => StepId::HostName,
            Self::Network => StepId::Network,
            Self::Time => StepId::Time,
            Self::Password => StepId::Password,
            Self::Storage => StepId::Storage,
        }
    }

    /// Which part a line of `understudy.toml` belongs to, counted from 1; storage, which most goes wrong with, if none.
    pub fn of_line(text: &str, line: usize) -> Self {
        let mut part = Self::Storage;
        let mut section = "";
        for text in text.lines().take(line) {
            let key = text.split('=').next().unwrap_or_default().trim();
            if key.starts_with('[') {
                section = key;
            }
            part = match (section, key) {
                ("[network]", _) => Self::Network,
                ("", "host_name") => Self::HostName,
                ("", "keyboard") => Self::Keyboard,
                ("", "time_zone" | "time_servers") => Self::Time,
                ("", "password_hash") => Self::Password,
                _ => Self::Storage,
            };
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_leads_to_the_step_that_asked() {
        let text = "version = 1\nhost_name = \"box\"\nkeyboard = \"us\"\ntime_zone = \"UTC\"\npassword_hash = \"$\"\n\n\
                    [network]\naddress = \"dhcp\"\n\n[pool]\nlayout = \"mirror\"\n";
        use Part::*;
        let parts: Vec<_> = (1..=11).map(|line| Part::of_line(text, line)).collect();
        assert_eq!(
            parts,
            [
                Storage, HostName, Keyboard, Time, Password, Storage, Network, Network, Network, Storage,
                Storage
            ]
        );
    }
}
