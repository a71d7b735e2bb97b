//! What this process leaves is its user's alone.

use std::io;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// Nobody else writes into what is made here, whatever was set where it was started; what is secret
/// gets its own mode where it is made. No core file, of it or of what it starts, holds a secret.
///
/// # Errors
/// That the limit cannot be set.
pub(super) fn begin() -> io::Result<()> {
    let nobody = Mode::WGRP | Mode::WOTH;
    let before = umask(nobody);
    umask(before | nobody);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}
