//! `cargo xtask explain`

use std::path::PathBuf;

use anyhow::{Context, Result};
use os_image::recipe::Recipe;
use os_image::{Change, Explanation, Outcome, Reason, StageForecast};

use crate::{keys, paths};

#[derive(clap::Args)]
pub struct Arguments {
    /// The recipe's file; told is what `cargo xtask image RECIPE` would do
    #[arg(default_value = "recipes/appliance.toml")]
    recipe: PathBuf,
    /// Print the recipe with its parents merged in, and nothing else
    #[arg(long, conflicts_with = "json")]
    expanded: bool,
    /// Print JSON, with all that changed
    #[arg(long)]
    json: bool,
    /// Certificates that updates must be signed by, PEM [default: the development keys]
    #[arg(long)]
    keyring: Option<PathBuf>,
}

/// Most differences shown of one input; `--json` has all.
const SHOWN: usize = 8;

pub fn run(arguments: &Arguments) -> Result<()> {
    let file = &arguments.recipe;
    if arguments.expanded {
        let text = Recipe::load(file)?.expanded();
        print!("{}", text.with_context(|| format!("cannot write {} out", file.display()))?);
        return Ok(());
    }
    let keyring = keys::present_keyring(arguments.keyring.as_deref())?;
    let explanation = os_image::explain(paths::workspace(), &paths::cache()?, keyring.as_deref(), file)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&explanation)?);
    } else {
        print!("{}", shown(&explanation));
    }
    Ok(())
}

fn shown(explanation: &Explanation) -> String {
    let Explanation { recipe, cache_in_use, stages } = explanation;
    let mut lines = Vec::new();
    if *cache_in_use {
        lines.push("a build is using the cache: what it has not finished counts as not built".into());
    }
    for StageForecast { stage, outcome } in stages {
        match outcome {
            Outcome::Reused => lines.push(format!("reused  {stage}")),
            Outcome::Built { reason: Reason::Changed { changes } } => {
                lines.push(format!("build   {stage}"));
                lines.extend(changes.iter().map(|change| format!("          {}", told(change))));
            }
            Outcome::Built { reason } => lines.push(format!("build   {stage}: {reason}")),
            Outcome::Open { depends_on } => {
                lines.push(format!("build?  {stage}: depends on {}", depends_on.join(", ")));
            }
        }
    }
    let count = |wanted: fn(&Outcome) -> bool| stages.iter().filter(|stage| wanted(&stage.outcome)).count();
    let built = count(|outcome| matches!(outcome, Outcome::Built { .. }));
    let open = count(|outcome| matches!(outcome, Outcome::Open { .. }));
    let open = if open == 0 { String::new() } else { format!(", {open} depend on them") };
    lines.push(format!("{recipe}: of {} stages {built} would be built{open}", stages.len()));
    lines.join("\n") + "\n"
}

/// An input, with what is known of its change.
fn told(change: &Change) -> String {
    let Change { input, stages, differences } = change;
    if !stages.is_empty() {
        return format!("{input}: from {}", stages.join(", "));
    }
    if differences.is_empty() {
        return format!("{input} changed");
    }
    let mut words: Vec<_> = differences.iter().take(SHOWN).map(ToString::to_string).collect();
    if differences.len() > SHOWN {
        words.push(format!("and {} more", differences.len() - SHOWN));
    }
    format!("{input}: {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_is_explained_to_its_end_without_a_cache_and_makes_none() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, keyring) = (dir.path().join("cache"), dir.path().join("keyring.pem"));
        std::fs::write(&keyring, "certificates").unwrap();
        for (recipe, stages) in [("appliance", 12), ("machine-debian", 8), ("helper", 4)] {
            let file = paths::workspace().join("recipes").join(recipe).with_extension("toml");
            let explanation = os_image::explain(paths::workspace(), &cache, Some(&keyring), &file).unwrap();
            let text = shown(&explanation);
            assert_eq!(text.lines().filter(|line| line.ends_with(": first build")).count(), stages, "{text}");
            assert!(
                text.ends_with(&format!("{recipe}: of {stages} stages {stages} would be built\n")),
                "{text}"
            );
        }
        assert!(!cache.exists());
    }
}
