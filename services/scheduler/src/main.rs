//! The brain: catalogue, timetables, jobs.

fn main() {}
