//! What a build would do, and why, without doing it.
//!
//! A build and its explanation are the same code: the builder asks the cache for stage after stage, and a cache that only explains
//! answers with the folder that a stage would have, there or not.

mod difference;
mod forecast;
mod reason;

use std::path::Path;

use crate::builder::Builder;
use crate::error::Result;
pub use difference::Difference;
pub(crate) use forecast::Forecast;
pub use reason::{Change, Reason};

/// What `build` would do with a recipe.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Explanation {
    /// The recipe's name.
    pub recipe: String,
    /// Whether a build was using the cache meanwhile: what it finishes is not in here.
    pub cache_in_use: bool,
    /// The stages, in the order of a build.
    pub stages: Vec<StageForecast>,
}

/// A stage, and what would become of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StageForecast {
    /// "root appliance".
    pub stage: String,
    /// What would become of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What would become of a stage.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// A result with exactly these inputs is there.
    Reused,
    /// It would be built.
    Built {
        /// Why.
        #[serde(flatten)]
        reason: Reason,
    },
    /// Some of its inputs come out of stages that would be built before; all others are as they were.
    Open {
        /// Those stages.
        depends_on: Vec<String>,
    },
}

/// Tells what building the recipe in `file` would do, programs compiled in steps. Writes nothing below `cache` and does not wait for a
/// running build.
///
/// `keyring` is what [`Builder::with_keyring`] takes.
pub fn explain(workspace: &Path, cache: &Path, keyring: Option<&Path>, file: &Path) -> Result<Explanation> {
    let mut builder = Builder::explaining(workspace, cache)?.in_steps();
    if let Some(keyring) = keyring {
        builder = builder.with_keyring(keyring.to_owned());
    }
    let image = builder.build(file)?;
    let forecast = builder.into_forecast().unwrap_or_default();
    Ok(Explanation { recipe: image.name, cache_in_use: forecast.cache_in_use, stages: forecast.stages })
}

#[cfg(test)]
mod tests;
