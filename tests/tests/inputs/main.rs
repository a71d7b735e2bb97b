//! Input of every kind, good and bad: what is refused says why and what to do, what is accepted
//! arrives as it was pushed, and nothing disturbs what serves.
//!
//! Budget: 2 minutes on 2 cores.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod check;
mod configuration;
mod data;
mod files;
mod run;
mod visitor;
