//! The hooks under real git, against a daemon of the test's own: what a hook does is tested here,
//! what the daemon does elsewhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fake;
mod world;

mod absence;
mod admission;
mod bell;
mod chained;
mod proposed;
