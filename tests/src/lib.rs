//! End to end, through the doors a user has.

pub mod appliance;
pub mod bench;
pub mod boot;
pub mod faults;
pub mod first_boot;
pub mod forwarded;
pub mod general;
pub mod hardware;
pub mod machine;
pub mod narrate;
pub mod proof;
pub mod report;
pub mod sbom;
pub mod story;
pub mod update;
pub mod world;
