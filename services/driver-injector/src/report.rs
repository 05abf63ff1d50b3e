//! Checks what comes out of the helper. The helper has read foreign disks, so a disk may have taken it over: its answer is
//! bounded, has exactly the form agreed on, and carries nothing that could act on a terminal or a log.

use understudy_bus::drivers::Report;

/// A report on dozens of disks is some 20 KiB.
pub const LONGEST: usize = 256 << 10;
const LONGEST_TEXT: usize = 400;
const MOST_ENTRIES: usize = 300;

/// Why an answer was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the helper's answer is not one a sound helper gives: {0}")]
pub struct Refused(String);

/// Parses and checks an answer about these disks.
pub fn check(answer: &[u8], disks: &[String]) -> Result<Report, Refused> {
    let refuse = |what: String| Err(Refused(what));
    if answer.len() > LONGEST {
        return refuse(format!("it has more than {LONGEST} bytes"));
    }
    let report: Report = match serde_json::from_slice(answer) {
        Ok(report) => report,
        Err(error) => return refuse(error.to_string()),
    };
    if report.version != 1 {
        return refuse(format!("its version is {} and 1 is known", report.version));
    }
    if !report.disks.iter().map(|disk| &disk.disk).eq(disks) {
        return refuse(format!("it speaks of other disks than the {} asked for", disks.len()));
    }
    for disk in &report.disks {
        if !matches!(disk.table.as_str(), "" | "gpt" | "dos") {
            return refuse("it names an unknown kind of partition table".to_owned());
        }
        list("file systems", &disk.filesystems)?;
    }
    list("operating system", std::slice::from_ref(&report.os))?;
    list("host name", std::slice::from_ref(&report.host_name))?;
    list("machine id", std::slice::from_ref(&report.machine_id))?;
    list("kernels with virtio", &report.virtio_kernels)?;
    list("other kernels", &report.other_kernels)?;
    list("problems", &report.problems)?;
    Ok(report)
}

fn list(what: &str, texts: &[String]) -> Result<(), Refused> {
    if texts.len() > MOST_ENTRIES {
        return Err(Refused(format!("its list of {what} has {} entries", texts.len())));
    }
    match texts.iter().find(|text| text.len() > LONGEST_TEXT || text.chars().any(char::is_control)) {
        Some(_) => Err(Refused(format!("a text in its {what} is too long or holds control characters"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn disks() -> Vec<String> {
        vec!["a".to_owned(), "b".to_owned()]
    }

    fn answer() -> Value {
        json!({
            "version": 1,
            "disks": [
                {"disk": "a", "table": "gpt", "filesystems": ["vfat", "ext4"]},
                {"disk": "b", "table": "", "filesystems": ["xfs"]},
            ],
            "os": "Debian GNU/Linux 13 (trixie)", "host_name": "ledger", "machine_id": "0123",
            "removable_loader": true, "virtio_kernels": ["6.12"], "other_kernels": [], "problems": [],
        })
    }

    /// What is said of an answer with one thing changed.
    fn refused(change: impl FnOnce(&mut Value)) -> String {
        let mut answer = answer();
        change(&mut answer);
        check(answer.to_string().as_bytes(), &disks()).expect_err("the answer was taken").to_string()
    }

    #[test]
    fn a_sound_answer_is_taken() {
        let report = check(answer().to_string().as_bytes(), &disks()).unwrap();
        assert_eq!(report.disks[0].filesystems, ["vfat", "ext4"]);
        assert_eq!(report.virtio_kernels, ["6.12"]);
    }

    #[test]
    fn what_the_inspector_writes_is_what_is_read_here() {
        let written = understudy_inspect::report::Report {
            version: 1,
            disks: vec![understudy_inspect::report::DiskReport {
                disk: "a".to_owned(),
                table: "gpt".to_owned(),
                filesystems: vec!["ext4".to_owned()],
            }],
            os: "os".to_owned(),
            host_name: "name".to_owned(),
            machine_id: "id".to_owned(),
            removable_loader: true,
            virtio_kernels: vec!["6".to_owned()],
            other_kernels: vec!["5".to_owned()],
            problems: vec!["p".to_owned()],
        };
        let text = serde_json::to_value(&written).unwrap();
        let read = check(text.to_string().as_bytes(), &["a".to_owned()]).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), text);
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in [&b""[..], b"{}", b"[1,2", b"\xff\xfe\0", b"null", b"{\"version\":1}"] {
            assert!(check(garbage, &disks()).is_err(), "{garbage:?} was taken");
        }
        assert!(check(&vec![b' '; LONGEST + 1], &disks()).unwrap_err().to_string().contains("more than"));
    }

    #[test]
    fn another_version_or_other_disks_are_refused() {
        assert!(refused(|answer| answer["version"] = json!(2)).contains("version is 2"));
        assert!(refused(|answer| answer["disks"][1]["disk"] = json!("c")).contains("other disks"));
        assert!(refused(|answer| answer["disks"] = json!([])).contains("other disks"));
    }

    #[test]
    fn texts_that_could_harm_a_reader_are_refused() {
        assert!(refused(|answer| answer["os"] = json!("\u{1b}]0;x\u{7}")).contains("operating system"));
        assert!(refused(|answer| answer["problems"] = json!(["x".repeat(401)])).contains("problems"));
        assert!(refused(|answer| answer["problems"] = json!(vec!["x"; 301])).contains("301 entries"));
        assert!(refused(|answer| answer["disks"][0]["table"] = json!("x")).contains("partition table"));
    }
}
