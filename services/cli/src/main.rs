//! `understudy`, the administrator's command on the box.

fn main() {}
