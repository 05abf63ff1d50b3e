//! Looks at foreign disks from inside the helper VM and reports what stands on them.
//!
//! Everything read here was written by strangers. Nothing of it is executed, paths never lead out of the file system they
//! are looked up in ([`tree`]), and what is read is bounded. The service outside checks the report once more.

pub mod block;
pub mod command_line;
pub mod kernels;
pub mod machine;
pub mod mounting;
pub mod report;
pub mod signature;
pub mod system;
pub mod tree;
