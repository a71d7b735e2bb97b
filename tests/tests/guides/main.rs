//! Every command of the three guides is run, as it stands there, against a real host; what needs root or systemd
//! in a machine of its own (`tests/tests/booted/guides.rs`). What is run where says `tests/src/guide/places.rs`.
//!
//! Budget: 30 seconds.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod developer;
mod mentioned;
mod operator;
mod reader;
mod sysadmin;
