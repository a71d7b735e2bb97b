//! Wharf in a Debian with systemd that was really booted: units with users of their own, the helper
//! that starts them, and what becomes of them when somebody is killed. Needs root: `make test-booted`.
//!
//! Budget: 2 minutes.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bubblewrap;
mod escapes;
mod lives;
mod machine;
mod ports;
mod repositories;
#[path = "../hostile/squat.rs"]
mod squat;
mod users;
