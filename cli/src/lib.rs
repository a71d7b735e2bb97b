//! What `wharf` and `wharf-shell` are made of, in reading order; other programs and tests use parts.

pub mod args;
pub mod failure;
pub mod commands;

pub mod git;
pub mod scope;
pub mod remote;
pub mod daemon;
pub mod ask;
pub mod follow;
pub mod show;

pub mod hook;
pub mod hooks;
pub mod start;
pub mod init;
pub mod project;
pub mod check;
pub mod doctor;
pub mod key;
pub mod shell;
