//! The console of the box: the wizard of its first boot, and the menu afterwards.
//!
//! | module | what |
//! |---|---|
//! | `wizard`, `menu` | each step and each page as a value: keys and answers in, requests out; nothing else happens there |
//! | `form`, `page`, `picture`, `paint`, `keys` | what is filled in, how it looks, and what it is in a terminal's bytes |
//! | `hall` | several terminals, one of which has the seat |
//! | `appliance`, `request` | what is asked of the box; `bus` is the real one, `simulated` one in memory |
//! | `driver`, `door` | the only modules in which something happens: terminals, requests, time |
//!
//! Try it on any terminal: `cargo run -p understudy-setup-wizard --example simulated`.

mod app;
pub mod appliance;
mod bus;
pub mod door;
mod driver;
mod facts;
mod form;
pub mod hall;
mod key_page;
pub mod keys;
mod menu;
mod network_form;
mod page;
mod paint;
mod password;
mod password_form;
pub mod picture;
pub mod recovery_key;
pub mod request;
pub mod simulated;
mod trial;
mod wizard;

pub use bus::Bus;
pub use driver::{Terminal, run};
