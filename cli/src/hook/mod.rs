//! Puts Wharf's hooks into a bare repository, and takes them out again without a trace.
//!
//! A hook that is there already is kept beside ours and goes on running. What was changed is noted
//! in the repository, so that [`uninstall()`] gives back the hooks byte for byte and the settings'
//! values. Every step can be the last one before a power cut: running again makes it whole.

mod error;
mod file;
mod install;
mod record;
mod report;
mod repository;
mod status;
mod uninstall;

pub use error::InstallError;
pub use install::{Mode, Options, install};
pub use report::{Change, Problem, Report};
pub use status::{HookState, HookStatus, SettingStatus, Status, status};
pub use uninstall::uninstall;

/// The hooks: git's name, and the binary that the stub starts.
pub const HOOKS: [(&str, &str); 2] = [
    ("pre-receive", "wharf-pre-receive"),
    ("post-receive", "wharf-post-receive"),
];

/// The repository's settings that a push to Wharf needs, all of them yes or no.
///
/// Without the first, `git push -o` is fatal. The second spares every push a gc of 2 ms or more;
/// the daemon runs it. The third keeps malformed objects out.
pub const SETTINGS: [(&str, &str); 3] = [
    ("receive.advertisePushOptions", "true"),
    ("receive.autogc", "false"),
    ("receive.fsckObjects", "true"),
];

#[cfg(test)]
mod tests;
