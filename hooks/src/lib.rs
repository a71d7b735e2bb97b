//! What git runs when somebody pushes.
//!
//! [`pre_receive`] asks the daemon whether the refs may move, [`proc_receive`] whether their builds
//! succeed where that is asked for, [`post_receive`] rings its bell and then watches. git starts them
//! through a [`stub`]: a file whose first line names the binary and whose further lines are all that
//! the hook is ever told. A hook reads no other file, but for the time of the host's start where a
//! power cut left a lock, and what sshd says of the pusher's [`key`].
//!
//! The daemon owns all work. A hook waits for nothing without a deadline, neither for the daemon
//! nor for the pusher's terminal, and is free to leave at any moment.

pub mod input;
pub mod key;
pub mod pkt_line;
pub mod stub;

pub mod post_receive;
pub mod pre_receive;
pub mod proc_receive;

mod chain;
mod compare;
mod daemon;
mod forced;
mod leftovers;
mod proposal;
mod push;
mod quarantine;
mod say;
mod spool;
mod timed;
