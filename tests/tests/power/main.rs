//! Power cuts on real file systems, system calls that fail, disks that are full.
//! Budget: 12 minutes on two cores, as root.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod calls;
mod cuts;
mod host;
#[cfg(feature = "booted")]
#[path = "../booted/machine/mod.rs"]
#[allow(dead_code, reason = "the tests of `booted` use the rest")]
mod machine;
mod room;
#[cfg(feature = "booted")]
mod units;
#[cfg(feature = "booted")]
#[path = "../booted/within.rs"]
mod within;
