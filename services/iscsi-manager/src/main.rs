//! Publishes a volume to one initiator and withdraws it.

fn main() {}
