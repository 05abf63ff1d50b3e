//! One verb a file.

pub mod backup;
pub mod catalog;
pub mod failover;
pub mod jobs;
pub mod machines;
pub mod pair;
pub mod points;
pub mod status;
pub mod support;
pub mod timetable;
pub mod update;
pub mod vm;
pub mod vms;
