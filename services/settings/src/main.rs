//! The box's own configuration: name, network, time, pool.

fn main() {}
