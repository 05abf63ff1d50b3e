//! Every command a person types: `cargo xtask VERB`.

fn main() {}
