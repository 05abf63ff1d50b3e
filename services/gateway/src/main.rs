//! The only door from the network: HTTPS for agents.

fn main() {}
