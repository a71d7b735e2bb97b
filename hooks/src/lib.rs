//! What git runs when somebody pushes.
//!
//! [`pre_receive`] asks the daemon whether the refs may move, [`post_receive`] rings its bell and
//! then watches. git starts them through a [`stub`]: a file whose first line names the binary and
//! whose further lines are all that the hook is ever told. A hook reads no other file.
//!
//! The daemon owns all work. A hook waits for nothing without a deadline, neither for the daemon
//! nor for the pusher's terminal, and is free to leave at any moment.

pub mod stub;

pub mod post_receive;
pub mod pre_receive;

mod chain;
mod daemon;
mod input;
mod push;
mod quarantine;
mod say;
mod spool;
mod timed;
