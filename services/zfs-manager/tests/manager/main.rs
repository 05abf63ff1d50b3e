//! The manager itself, as a process on a private bus, with the real engine: the programs it runs are replaced by one that keeps
//! disks and pools as files, and the system's folders by some with disks in them. Power fails at each of its steps in turn.

#![allow(
    clippy::unwrap_used,
    reason = "all of it is test code; clippy knows only functions marked #[test] as such"
)]

mod power;
mod take;
mod world;
