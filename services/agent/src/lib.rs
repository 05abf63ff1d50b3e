//! Runs on the protected machine: tracks writes, maps used blocks, freezes, copies, and reports to the box.
//!
//! A library with a thin program around it, so that its doors can be tested against a real gateway.

pub mod config;
pub mod link;
pub mod backup;
pub mod block;
pub mod freeze;
pub mod iscsi;
pub mod map;
pub mod tracker;
