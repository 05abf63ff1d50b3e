//! Runs on the protected machine: tracks writes, maps used blocks, freezes, copies.

fn main() {}
