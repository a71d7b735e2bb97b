//! What repository code may see and use: one value, and what it becomes where it is run.
//!
//! A leaf: the daemon and the helper, which is root, both depend on it, so it does nothing and knows
//! no privileges. [`sandbox::bubblewrap`] renders the value for bubblewrap; [`ask`] is what the daemon
//! asks the helper for, and [`unit`] renders that as a unit of systemd's, with what the helper is told
//! decided already: it does it, and is small.

pub mod sandbox;

pub mod host_root;
pub mod id;

pub mod ask;
pub mod git;

pub mod place;
pub mod quota;
pub mod unit;
pub mod users;
