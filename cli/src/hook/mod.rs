//! Puts Wharf's hooks into a bare repository, and takes them out again without a trace.
//!
//! A hook that is there already is kept beside ours and goes on running; a git host that manages its
//! repositories' hooks gets ours where it lets others add theirs (see [`Layout`]). What was changed is noted
//! in the repository, so that [`uninstall()`] gives back the hooks byte for byte and the settings'
//! values. Every step can be the last one before a power cut: running again makes it whole.

mod error;
mod file;
mod install;
mod layout;
mod plan;
mod preview;
mod record;
mod report;
mod repository;
mod status;
mod uninstall;

use wharf_config::host::OnFailure;

pub use error::InstallError;
pub use install::{Mode, Options, install};
pub use layout::{Layout, Way};
pub use preview::preview;
pub use report::{Change, Problem, Report};
pub use repository::git_version;
pub use status::{Checked, HookState, HookStatus, SettingStatus, Status, check, status};
pub use uninstall::uninstall;

/// The hooks: git's name, and the binary that the stub starts. Where a failed build does not refuse
/// its push, there is no [`PROPOSALS`].
pub const HOOKS: [(&str, &str); 3] = [
    ("pre-receive", "wharf-pre-receive"),
    (PROPOSALS, "wharf-proc-receive"),
    ("post-receive", "wharf-post-receive"),
];

/// The hook that git asks instead of moving refs, and the setting that makes it do so. A setting
/// without the hook refuses every push, so the hook comes first and goes last.
const PROPOSALS: &str = "proc-receive";
/// See [`PROPOSALS`].
const PROPOSED: &str = "receive.procReceiveRefs";
/// The refs that Wharf has git propose.
const OURS: &str = "refs/heads";

/// The repository's settings that a push to Wharf needs.
///
/// Without the first, `git push -o` is fatal. The second spares every push a gc of 2 ms or more;
/// the daemon runs it. The third keeps malformed objects out. With the fourth each push is one pack,
/// which the daemon can sync by itself; a file for each object could only be synced with all that is
/// written to the host's disk. The fifth keeps the repository whole where the power goes before that.
///
/// The last four have git run the hooks, where they are not files in its directory of hooks.
pub const SETTINGS: [(&str, &str); 10] = [
    ("receive.advertisePushOptions", "true"),
    ("receive.autogc", "false"),
    ("receive.fsckObjects", "true"),
    ("receive.unpackLimit", "1"),
    ("core.fsync", "all"),
    (PROPOSED, OURS),
    ("hook.wharf-pre-receive.event", "pre-receive"),
    (
        "hook.wharf-pre-receive.command",
        "./wharf-hooks/pre-receive",
    ),
    ("hook.wharf-post-receive.event", "post-receive"),
    (
        "hook.wharf-post-receive.command",
        "./wharf-hooks/post-receive",
    ),
];

/// Whether a hook or a setting belongs to this way of taking pushes.
fn belongs(name: &str, on_failure: OnFailure, way: Way) -> bool {
    if name.starts_with("hook.wharf-") {
        return way == Way::Config;
    }
    on_failure == OnFailure::Reject || ![PROPOSALS, PROPOSED].contains(&name)
}

/// Whose a repository is.
///
/// # Errors
/// It is no bare repository, or cannot be read.
pub fn layout(repository: &std::path::Path) -> Result<Layout, InstallError> {
    Layout::of(&repository::Repository::open(repository)?)
}

/// Whether Wharf's hooks were ever installed there, and not taken out since.
pub fn is_installed(repository: &std::path::Path) -> bool {
    repository.join(record::NAME).exists()
}

#[cfg(test)]
mod tests;
