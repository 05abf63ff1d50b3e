//! End to end, through the doors a user has.

pub mod proof;
pub mod report;
