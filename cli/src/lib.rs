//! What `wharf` and `wharf-shell` are made of, in reading order; other programs and tests use parts.

pub mod args;
pub mod commands;
pub mod config;
pub mod failure;
pub mod reference;

pub mod act;
pub mod admin;
pub mod archive;
pub mod ask;
pub mod attend;
pub mod daemon;
mod database;
pub mod follow;
pub mod git;
pub mod grant;
pub mod mount;
mod passed;
pub mod record;
pub mod remote;
pub mod schema;
pub mod scope;
pub mod show;

pub mod check;
pub mod doctor;
pub mod hook;
pub mod hooks;
pub mod init;
pub mod key;
pub mod project;
pub mod shell;
pub mod start;
pub mod variable;
pub mod wait;
