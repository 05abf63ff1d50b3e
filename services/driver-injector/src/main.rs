//! Makes a foreign disk boot on virtual hardware; looks at it only inside a helper VM.

fn main() {}
