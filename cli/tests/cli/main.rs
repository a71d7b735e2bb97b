//! The programs themselves: real processes, real git, and a daemon that answers from a script.

#![allow(clippy::unwrap_used)] // a test may

mod asking;
mod remote;
mod setting_up;
mod shell;
mod world;
