//! The hooks under real git, against a daemon of the test's own: what a hook does is tested here,
//! what the daemon does elsewhere.

mod fake;
mod world;

mod absence;
mod admission;
mod bell;
mod chained;
