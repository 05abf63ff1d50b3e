//! The contract between the services: D-Bus proxies and the types that cross them; no logic.
//!
//! Each module is one well-known name. An interface that has shipped never changes: the next is `…2`. Ids cross the bus
//! as their text (32 hexadecimal digits) and are parsed at the edge. Sizes are bytes. What comes from the agent protocol
//! crosses as the JSON of its `understudy_wire` type, so that there is one definition of it. Secrets and contents travel in
//! method replies or file descriptors, never in signals or properties. Errors are named: see [`error`].

pub mod drivers;
pub mod error;
pub mod iscsi;
pub mod maintenance;
pub mod rauc;
pub mod scheduler;
pub mod settings;
pub mod systemd;
pub mod vms;
pub mod zfs;

pub use understudy_wire as wire;
