//! Pools, volumes, snapshots, clones.

fn main() {}
