//! What people wrote, made valid: the application's, the project's and the host's configuration.
//!
//! Text goes in, typed values come out, or [`problem::Problems`]: all of them at once, each with its
//! place and the next step. Nothing here runs a command, opens a socket or changes a repository.

pub mod application;
mod detect;
pub mod files;
pub mod host;
pub mod name;
pub mod notify;
pub mod place;
mod plain;
pub mod problem;
pub mod project;
mod reader;

use std::path::Path;

/// Reads the application's configuration from a work tree, as a push of it would.
pub fn check(dir: &Path) -> Result<application::Application, problem::Problems> {
    application::read(&files::Files::from_dir(dir)?)
}
