//! The programs themselves: real processes, real git, and a daemon that answers from a script.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asking;
mod remote;
mod setting_up;
mod shell;
mod world;
