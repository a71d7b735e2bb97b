//! Nothing that was accepted is lost, and nothing is done twice. Budget: a minute on two cores.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../live/app.rs"]
mod app;
mod asked;
mod bells;
mod disk;
mod record;
mod sockets;
mod stopped;
mod watching;
