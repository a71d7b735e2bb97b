//! Large tools in the sandbox, unchanged: composer, cargo, MariaDB, a headless Chromium; npm, pip and Node with a
//! cluster beside them. Each is a push that uses it, and what it made is served. None needs a network: packages
//! come from directories.
//!
//! `make test-tools` installs them and runs this in bubblewrap, as `make test-long` does. Budget: three minutes.
//! `make test-booted-tools` runs the same in units, in machines that are booted. Budget: five minutes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bubblewrap;
#[cfg(feature = "booted")]
#[path = "../booted/machine/mod.rs"]
#[allow(dead_code, reason = "the tests of `booted` use the rest")]
mod machine;
#[path = "../live/node.rs"]
mod node;
mod pushes;
mod snapshots;
#[cfg(feature = "booted")]
mod units;
#[cfg(feature = "booted")]
#[path = "../booted/within.rs"]
mod within;
