//! Wharf in a Debian with systemd that was really booted: units with users of their own, the helper
//! that starts them, and what becomes of them when somebody is killed. Needs root: `make test-booted`.
//!
//! With `make test-vm` the same, and what a container cannot show, in virtual machines.
//!
//! Budget: 2 minutes; of virtual machines 4 minutes with KVM, 20 where two cores emulate them.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bubblewrap;
mod escapes;
mod guides;
mod journal;
#[cfg(feature = "vm")]
mod limits;
mod lives;
mod machine;
mod ports;
#[cfg(feature = "vm")]
mod quota;
#[cfg(feature = "vm")]
mod reboots;
mod repositories;
mod router;
mod secure;
mod services;
#[path = "../hostile/squat.rs"]
mod squat;
mod users;
mod visitors;
