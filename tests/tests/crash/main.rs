//! Nothing is lost, whatever is killed, and when. Budget: 15 minutes on two cores.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod judged;
mod loaded;
#[cfg(feature = "booted")]
#[path = "../booted/machine/mod.rs"]
#[allow(dead_code, reason = "the tests of `booted` use the rest")]
mod machine;
mod matrix;
mod operation;
mod parking;
mod pushers;
mod random;
mod table;
#[cfg(feature = "booted")]
mod units;
mod victim;
mod visitor;
#[cfg(feature = "booted")]
#[path = "../booted/within.rs"]
mod within;
