//! What was promised of the image, and what came of it.

use std::fmt;

use understudy_tests::bench::median;

/// A figure with its target.
#[derive(Debug, serde::Serialize)]
pub struct Figure {
    name: &'static str,
    /// Of what stands in `ours` and `rival`.
    unit: &'static str,
    /// Measurement by measurement.
    ours: Vec<f64>,
    /// In the same run, pair by pair; empty where nothing is compared.
    rival: Vec<f64>,
    kind: Kind,
    /// What the target is for: the median, of our measurements or of their ratios to the rival's. Absent if it was not measured.
    value: Option<f64>,
    at_most: f64,
    met: Option<bool>,
    /// Why it was not measured.
    left_out: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Of our median measurement, in `unit`.
    Absolute,
    /// Ours over the rival's.
    Ratio,
}

impl Figure {
    /// Ours over the rival's, the median of all pairs.
    pub fn ratio(
        name: &'static str,
        unit: &'static str,
        ours: Vec<f64>,
        rival: Vec<f64>,
        at_most: f64,
    ) -> Self {
        let value = median(ours.iter().zip(&rival).map(|(ours, rival)| ours / rival));
        Self::of(name, unit, (ours, rival), Kind::Ratio, value, at_most)
    }

    /// Our median.
    pub fn absolute(
        name: &'static str,
        unit: &'static str,
        ours: Vec<f64>,
        rival: Vec<f64>,
        at_most: f64,
    ) -> Self {
        let value = median(ours.iter().copied());
        Self::of(name, unit, (ours, rival), Kind::Absolute, value, at_most)
    }

    /// Not measured, because of `why`.
    pub fn left_out(name: &'static str, unit: &'static str, at_most: f64, why: &'static str) -> Self {
        Self {
            value: None,
            met: None,
            left_out: Some(why),
            ..Self::of(name, unit, (vec![], vec![]), Kind::Ratio, f64::NAN, at_most)
        }
    }

    fn of(
        name: &'static str,
        unit: &'static str,
        (ours, rival): (Vec<f64>, Vec<f64>),
        kind: Kind,
        value: f64,
        at_most: f64,
    ) -> Self {
        // Not a number is no measurement, and meets nothing.
        Self {
            name,
            unit,
            ours,
            rival,
            kind,
            value: Some(value),
            at_most,
            met: Some(value <= at_most),
            left_out: None,
        }
    }

    /// Whether it was measured, and is worse than promised. Seconds of this host's are nobody's failure.
    pub fn is_missed(&self) -> bool {
        self.met == Some(false) && !(self.kind == Kind::Absolute && self.unit == "s")
    }

    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { name, unit, ours, rival, kind, value, at_most, met, left_out } = self;
        let of = |figures: &[f64]| match figures {
            [] => "-".to_owned(),
            figures => format!("{:.1} {unit}", median(figures.iter().copied())),
        };
        let target = if *kind == Kind::Absolute {
            format!("at most {at_most} {unit}")
        } else {
            format!("at most {at_most}")
        };
        write!(f, "{name:<44}{:>12}{:>12}", of(ours), of(rival))?;
        match (value, left_out) {
            (Some(value), _) => {
                let met = if *met == Some(true) { "met" } else { "MISSED" };
                write!(f, "{value:>9.2}  {target}: {met}")
            }
            (None, why) => write!(f, "{:>9}  {target}: left out, {}", "-", why.unwrap_or_default()),
        }
    }
}

/// For people.
pub fn table(figures: &[Figure]) -> String {
    let head = format!("{:<44}{:>12}{:>12}{:>9}  target\n", "", "ours", "mkosi", "figure");
    figures.iter().fold(head, |text, figure| text + &figure.to_string() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_pairs() {
        let figure = Figure::ratio("f", "s", vec![1.0, 9.0, 3.0], vec![10.0, 10.0, 10.0], 0.3);
        assert_eq!((figure.value, figure.met, figure.is_missed()), (Some(0.3), Some(true), false));
        let figure = Figure::ratio("f", "s", vec![4.0], vec![10.0], 0.3);
        assert!(figure.is_missed());
        assert!(figure.to_string().contains("0.40  at most 0.3: MISSED"), "{figure}");
    }

    #[test]
    fn nothing_measured_meets_nothing() {
        assert!(Figure::ratio("f", "s", vec![], vec![], 0.5).is_missed());
    }

    #[test]
    fn seconds_of_a_slow_host_are_told_and_fail_nothing() {
        let figure = Figure::absolute("f", "s", vec![99.0], vec![], 15.0);
        assert!(figure.to_string().contains("MISSED") && !figure.is_missed());
        assert!(Figure::absolute("f", "MB", vec![351.0], vec![], 350.0).is_missed());
    }

    #[test]
    fn what_was_left_out_is_said_and_not_missed() {
        let figure = Figure::left_out("boot", "s", 0.6, "--no-boot");
        assert!(figure.to_string().contains("left out, --no-boot") && !figure.is_missed());
        assert!(serde_json::to_value(&figure).unwrap()["met"].is_null());
    }
}
