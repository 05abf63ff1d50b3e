//! Help from somebody who was not there: a bundle of what happened, and a shell.

mod bundle;
mod mode;
mod redact;

pub use bundle::Bundles;
pub use mode::{LONGEST_MINUTES, Mode, TERMINALS};
pub use redact::redact;
