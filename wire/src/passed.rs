//! Descriptors that the daemon hands to a caller, beside a message: bytes then go from there to
//! where they are wanted, and not through the daemon.
//!
//! They come with [`crate::FromDaemon::Passed`], by `SCM_RIGHTS`: one for each word, in that order.
//! A caller that reads that message as it reads any other loses them, and the kernel closes them.

use serde::{Deserialize, Serialize};

/// The most descriptors that come with one message.
pub const MOST: usize = 3;

/// What a descriptor is good for, as its new owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passed {
    /// The master of a pseudo terminal: what is typed is written to it, what is shown read from it.
    Terminal,
    /// To be written to, and closed at the end.
    Input,
    /// To be read from, until its end.
    Output,
    /// The same, for what goes wrong.
    Errors,
}
