//! What two builds came to: as a table, and as JSON.

use std::path::PathBuf;

use os_image::divergence::Divergence;

#[derive(serde::Serialize)]
pub struct Report {
    pub recipe: PathBuf,
    pub commit: String,
    pub reproducible: bool,
    /// What was different around the two builds.
    pub varied: Vec<Varied>,
    pub results: Vec<Compared>,
    /// Where they went apart first.
    pub divergence: Option<Divergence>,
    pub seconds: f64,
}

/// A circumstance, and what it was in each build; the same twice if it could not be varied.
#[derive(serde::Serialize)]
pub struct Varied {
    pub what: &'static str,
    pub builds: [String; 2],
}

/// A file, built twice.
#[derive(serde::Serialize)]
pub struct Compared {
    pub name: String,
    pub bytes: [u64; 2],
    pub sha256: [String; 2],
    pub first_differing_byte: Option<u64>,
}

impl Compared {
    pub fn same(&self) -> bool {
        self.first_differing_byte.is_none()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        writeln!(f, "{}, commit {}, {:.0} s", self.recipe.display(), self.commit, self.seconds)?;
        for Varied { what, builds: [first, second] } in &self.varied {
            writeln!(
                f,
                "  {what:<10} {first}  |  {second}{}",
                if first == second { "  (not varied)" } else { "" }
            )?;
        }
        for result in &self.results {
            let [first, second] = &result.sha256;
            write!(f, "  {:<10} {:>8}  {first}  ", result.name, crate::image::mebibytes(result.bytes[0]))?;
            match result.first_differing_byte {
                None => writeln!(f, "same")?,
                Some(offset) => writeln!(f, "differs from byte {offset} on: {second}")?,
            }
        }
        match &self.divergence {
            Some(divergence) => writeln!(f, "first difference: {divergence}"),
            None if self.reproducible => writeln!(f, "reproducible: every byte is the same"),
            None => writeln!(
                f,
                "every stage is the same, and the results are not: the builds do not use their stages"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_what_differs_and_what_was_not_varied() {
        let result = |name: &str, first_differing_byte| Compared {
            name: name.into(),
            bytes: [1 << 20, 1 << 20],
            sha256: ["aa".into(), "bb".into()],
            first_differing_byte,
        };
        let report = Report {
            recipe: "r.toml".into(),
            commit: "c".into(),
            reproducible: false,
            varied: vec![Varied { what: "user", builds: ["0".into(), "0".into()] }],
            results: vec![result("kernel", None), result("disk", Some(7))],
            divergence: Some(Divergence {
                stage: "base r".into(),
                path: vec!["base.tar".into(), "etc/x".into()],
                what: "it differs from byte 0 on".into(),
            }),
            seconds: 1.0,
        };
        let text = report.to_string();
        for expected in [
            "user       0  |  0  (not varied)",
            "kernel        1 MiB  aa  same",
            "disk          1 MiB  aa  differs from byte 7 on: bb",
            "first difference: stage base r > base.tar > etc/x: it differs from byte 0 on",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
