//! Wharf in a Debian with systemd that was really booted: units with users of their own, the helper
//! that starts them, and what becomes of them when somebody is killed. Needs root: `make test-booted`.
//!
//! Budget: 2 minutes.

mod bubblewrap;
mod escapes;
mod lives;
mod machine;
