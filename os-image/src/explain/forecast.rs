//! What a build would do, noted stage by stage while the builder asks for them.

use std::collections::{BTreeMap, BTreeSet};

use crate::cache::Stage;
use crate::explain::{Outcome, Reason, StageForecast};
use crate::key::{Key, Made, Part};

/// The stages asked for so far.
#[derive(Debug, Default)]
pub(crate) struct Forecast {
    /// Whether a build uses the cache meanwhile.
    pub cache_in_use: bool,
    pub stages: Vec<StageForecast>,
    /// Their places in `stages`, by the hash of their inputs.
    by_hash: BTreeMap<String, usize>,
}

impl Forecast {
    pub fn new(cache_in_use: bool) -> Self {
        Self { cache_in_use, ..Self::default() }
    }

    /// Notes what would become of `stage`, which was last built with the key `before`.
    pub fn note(&mut self, name: &str, stage: &Stage, key: &Key, before: Option<&Key>) {
        let known = self.by_hash.contains_key(&stage.hash);
        if known && self.stages.iter().any(|noted| noted.stage == name) {
            return; // the tools are asked for again and again
        }
        let outcome = self.outcome(stage, key, before);
        self.by_hash.entry(stage.hash.clone()).or_insert(self.stages.len());
        self.stages.push(StageForecast { stage: name.into(), outcome });
    }

    fn outcome(&self, stage: &Stage, key: &Key, before: Option<&Key>) -> Outcome {
        let open = self.open_inputs(key);
        // What the same build has made before, for another recipe, serves as well.
        if open.is_empty() && (stage.path.is_dir() || self.of_hash(&stage.hash).is_some()) {
            return Outcome::Reused;
        }
        let mut reason = Reason::of(key, before);
        if let Reason::Changed { changes } = &mut reason {
            changes.retain(|change| !open.contains_key(change.input.as_str()));
            for change in changes.iter_mut() {
                change.stages = self.other_stages(&change.input, key, before);
                if !change.stages.is_empty() {
                    change.differences.clear(); // they would only be hashes
                }
            }
            if changes.is_empty() {
                reason = Reason::ResultGone;
            }
        }
        // Once it is known what is open, the inputs may turn out to be those of the last build.
        if reason == Reason::ResultGone && !open.is_empty() {
            let depends_on: BTreeSet<_> = open.into_values().flatten().collect();
            return Outcome::Open { depends_on: depends_on.into_iter().collect() };
        }
        Outcome::Built { reason }
    }

    /// The inputs that nobody can know yet, each with the stages that have to be built before.
    fn open_inputs<'a>(&self, key: &'a Key) -> BTreeMap<&'a str, Vec<String>> {
        let waits_for = |part: &Part| match &part.made {
            Made::NotKnownBefore(hash) => self.of_hash(hash).map(|f| f.stage.clone()).into_iter().collect(),
            _ => {
                part.texts().into_iter().filter_map(|text| self.of_hash(text)).flat_map(depends_on).collect()
            }
        };
        let inputs = key.parts().iter().map(|(input, part)| (input.as_str(), waits_for(part)));
        inputs.filter(|(_, stages): &(_, Vec<String>)| !stages.is_empty()).collect()
    }

    /// The stages whose results an input has now and had not before, in the order of a build.
    fn other_stages(&self, input: &str, now: &Key, before: Option<&Key>) -> Vec<String> {
        let before = before.and_then(|key| key.parts().get(input)).map(Part::texts).unwrap_or_default();
        let now = now.parts().get(input).map(Part::texts).unwrap_or_default();
        let new = now.into_iter().filter(|text| !before.contains(text));
        let places: BTreeSet<_> = new.filter_map(|text| self.by_hash.get(text)).collect();
        places.into_iter().map(|place| self.stages[*place].stage.clone()).collect()
    }

    fn of_hash(&self, hash: &str) -> Option<&StageForecast> {
        self.by_hash.get(hash).map(|place| &self.stages[*place])
    }
}

fn depends_on(forecast: &StageForecast) -> Vec<String> {
    match &forecast.outcome {
        Outcome::Open { depends_on } => depends_on.clone(),
        Outcome::Reused | Outcome::Built { .. } => Vec::new(),
    }
}
