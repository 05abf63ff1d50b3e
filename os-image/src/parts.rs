//! What needs nothing of each other, at the same time.

use crate::cache::Cache;
use crate::error::{Error, Result};

/// Does both at the same time, such as two builds with one builder. Stages that both need are built once.
///
/// Where one fails the other comes to its end all the same: what it has built is built. Then the error is told, or both.
pub fn both<A: Send, B: Send>(
    one: impl FnOnce() -> Result<A>,
    other: impl FnOnce() -> Result<B> + Send,
) -> Result<(A, B)> {
    let results = std::thread::scope(|scope| {
        let other = scope.spawn(other);
        (one(), other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    match results {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) if one.to_string() == other.to_string() => Err(one), // of a stage that both need
        (Err(one), Err(other)) => Err(Error::Both(Box::new(one), Box::new(other))),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Does both parts of a build at the same time, and has them report in this order whichever is faster. What is only explained is
/// explained in this order, since what is told of a stage depends on those before it.
pub(crate) fn both_parts<A: Send, B: Send>(
    cache: &Cache,
    one: impl FnOnce(&Cache) -> Result<A>,
    other: impl FnOnce(&Cache) -> Result<B> + Send,
) -> Result<(A, B)> {
    if cache.explains() {
        return Ok((one(cache)?, other(cache)?));
    }
    let parts = [cache.part(), cache.part()];
    let results = both(|| one(&parts[0]), || other(&parts[1]));
    parts.into_iter().for_each(|part| cache.take_over(part));
    results
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::cache::Stage;
    use crate::key::Key;

    fn stage(cache: &Cache, name: &str, build: impl FnOnce() -> Result<()>) -> Result<Stage> {
        cache.stage(name, &Key::default().value("name", &name), |_, _, _| build())
    }

    fn order(cache: &Cache) -> Vec<String> {
        cache.reports().into_iter().map(|report| report.stage).collect()
    }

    #[test]
    fn both_are_built_at_the_same_time_and_reported_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let (meeting, end) = (Barrier::new(2), Barrier::new(2));
        stage(&cache, "before", || Ok(())).unwrap();
        let slow = |cache: &Cache| {
            stage(cache, "slow", || {
                meeting.wait(); // passed only if the other one is being built as well
                end.wait();
                Ok(())
            })
        };
        let fast = |cache: &Cache| {
            let built = stage(cache, "fast", || {
                meeting.wait();
                Ok(())
            });
            end.wait();
            built
        };
        both_parts(&cache, slow, fast).unwrap();
        assert_eq!(order(&cache), ["before", "slow", "fast"]);
    }

    #[test]
    fn one_that_fails_is_told_and_what_the_other_has_built_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let broken =
            |cache: &Cache| stage(cache, "broken", || Err(Error::content("x", "it broke", "mend it")));
        let whole = |cache: &Cache| stage(cache, "whole", || Ok(()));
        for failed in [both_parts(&cache, broken, whole), both_parts(&cache, whole, broken)] {
            assert_eq!(failed.unwrap_err().to_string(), "recipe x: it broke; mend it");
        }
        assert_eq!(order(&cache), ["whole", "whole"]);
        stage(&cache, "whole", || panic!("must be reused")).unwrap();
    }

    #[test]
    fn of_two_that_fail_neither_is_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let fail = |name: &'static str| {
            move |cache: &Cache| stage(cache, name, || Err(Error::content(name, "it broke", "mend it")))
        };
        let message = both_parts(&cache, fail("x"), fail("y")).unwrap_err().to_string();
        assert!(
            message.contains("recipe x: it broke") && message.contains("recipe y: it broke"),
            "{message}"
        );
    }

    #[test]
    fn what_keeps_both_from_being_built_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let fail = |cache: &Cache| stage(cache, "tools", || Err(Error::content("x", "it broke", "mend it")));
        let message = both_parts(&cache, fail, fail).unwrap_err().to_string();
        assert_eq!(message, "recipe x: it broke; mend it");
    }

    #[test]
    fn what_is_only_explained_is_explained_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::explaining(dir.path()).unwrap();
        for _ in 0..20 {
            let one = |cache: &Cache| stage(cache, "one", || Ok(()));
            both_parts(&cache, one, |cache| stage(cache, "other", || Ok(()))).unwrap();
        }
        let told: Vec<_> = cache.into_forecast().unwrap().stages.into_iter().map(|told| told.stage).collect();
        assert_eq!(told, ["one", "other"]);
    }
}
