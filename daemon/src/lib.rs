//! The daemon: decides, executes, remembers.

pub mod disk;
pub mod execute;
pub mod run;
