//! Nothing that was accepted is lost, and nothing is done twice. Budget: two minutes on two cores.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../live/app.rs"]
mod app;
mod asked;
mod bells;
mod checks;
mod disk;
mod moved_host;
mod record;
mod refs;
mod retention;
mod room;
mod sockets;
mod stopped;
mod store;
mod traps;
mod unreachable;
mod watching;
