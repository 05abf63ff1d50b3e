//! Tells what a long run is doing: each step announced once, in one form, with the time it took, and a sign of life for
//! whoever watches.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Prints the story's steps to standard error.
pub struct Narrator {
    begin: Instant,
    spinner: Option<ProgressBar>,
    step: Mutex<String>,
}

impl Narrator {
    /// Starts the clock.
    pub fn new() -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(
                ProgressStyle::with_template("{spinner} {msg}").expect("the template above is well-formed"),
            );
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { begin: Instant::now(), spinner, step: Mutex::new("start".to_owned()) }
    }

    /// Announces a step, runs it, and says how long it took.
    pub fn step<T>(&self, what: &str, run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        *self.step.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = what.to_owned();
        self.line(&format!("▸ {what}"));
        self.doing(what);
        let begin = Instant::now();
        let result = run();
        let outcome = if result.is_ok() { "✓" } else { "✗" };
        self.line(&format!("{outcome} {what}: {:.1} s", begin.elapsed().as_secs_f64()));
        result
    }

    /// Says something worth keeping.
    pub fn note(&self, text: &str) {
        self.line(&format!("  {text}"));
    }

    /// Shows what is being waited for; kept only on a terminal.
    pub fn doing(&self, text: &str) {
        if let Some(bar) = &self.spinner {
            bar.set_message(text.to_owned());
        }
    }

    /// The step that was announced last.
    pub fn current_step(&self) -> String {
        self.step.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn line(&self, text: &str) {
        let elapsed = self.begin.elapsed().as_secs();
        let line = format!("[{:>2}:{:02}] {text}", elapsed / 60, elapsed % 60);
        match &self.spinner {
            Some(bar) => bar.println(line),
            None => {
                let mut out = std::io::stderr().lock();
                // A closed standard error is no reason to stop a test.
                let _ = writeln!(out, "{line}");
            }
        }
    }
}

impl Default for Narrator {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Narrator {
    fn drop(&mut self) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
    }
}
