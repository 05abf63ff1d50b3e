//! Runs on the protected machine: tracks writes, maps used blocks, freezes, copies, and reports to the box.
//!
//! A library with a thin program around it, so that its doors can be tested against a real gateway.

pub mod backup;
pub mod block;
pub mod config;
pub mod engine;
pub mod freeze;
pub mod inventory;
pub mod iscsi;
pub mod link;
pub mod map;
pub mod pair;
pub mod program;
pub mod service;
pub mod state;
pub mod status;
pub mod tracker;
