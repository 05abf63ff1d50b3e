//! What the service asks for, on the helper's kernel command line.

/// The question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Disk ids, in order.
    pub disks: Vec<String>,
    /// Whether the machine starts by UEFI.
    pub uefi: bool,
}

impl Question {
    /// Reads `understudy.disks=ID,ID… understudy.firmware=uefi|bios` among the other words.
    pub fn parse(command_line: &str) -> Result<Self, String> {
        let value = |key: &str| {
            command_line
                .split_ascii_whitespace()
                .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
                .ok_or_else(|| format!("{key} is missing on the kernel command line"))
        };
        let disks: Vec<String> = value("understudy.disks")?.split(',').map(str::to_owned).collect();
        let uefi = match value("understudy.firmware")? {
            "uefi" => true,
            "bios" => false,
            other => return Err(format!("understudy.firmware={other} is neither uefi nor bios")),
        };
        Ok(Self { disks, uefi })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_found_among_the_kernels_own_words() {
        let question =
            Question::parse("console=ttyS0 understudy.disks=ab,cd quiet understudy.firmware=uefi\n").unwrap();
        assert_eq!(question, Question { disks: vec!["ab".to_owned(), "cd".to_owned()], uefi: true });
    }

    #[test]
    fn half_a_question_is_refused() {
        assert!(Question::parse("understudy.disks=ab").unwrap_err().contains("understudy.firmware"));
        assert!(
            Question::parse("understudy.disks=ab understudy.firmware=x").unwrap_err().contains("neither")
        );
    }
}
