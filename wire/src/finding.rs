//! What `wharf doctor` says: the codes of its findings, and how one is made.

use crate::view::{Finding, Severity};

/// Every code of a finding with what it is about, in the order of `docs/troubleshooting.md`, which is made from
/// this. Beside them a finding may have a code of the daemon's: those of the database.
#[rustfmt::skip]
pub const CODES: &[(&str, &str)] = &[
    ("alternates", "objects that a repository borrows from a place that is gone, or that the daemon may not read"),
    ("bubblewrap", "bubblewrap is missing, or does not work: user namespaces are forbidden, and by what"),
    ("callers", "users who run hooks and may not reach the daemon's socket, so that each of their pushes is refused"),
    ("certificate", "[certificates](tls.md): a pair that is no good or cannot be read, one that has ended or ends within 14 days"),
    ("certificate-names", "hosts of `domain` and of the projects that no certificate is for"),
    ("clock", "a clock that nobody sets, or that is behind what was recorded already"),
    ("configuration", "files of the host that are refused: what counted before goes on"),
    ("daemon", "whether the daemon answers; where not, whether it runs, left its socket behind, or may not be asked by you, and how it is started"),
    ("disk", "free space and files beside `keep.min_free`: a warning below twice as much"),
    ("file-system", "a file system of the state's or of a repository that runs no programs (`noexec`), is read-only, is gone after a reboot, or is another machine's"),
    ("git", "git is missing or older than 2.39; a `safe.directory` that trusts everybody"),
    ("hooks", "hooks of a project that are missing, damaged, out of date or not run, and settings that a push needs: `wharf hook status` has all of it"),
    ("host-unaware", "a project of Gitea, Forgejo or GitLab whose host is not told of the moves that Wharf makes: `push.remote`"),
    ("isolation", "what keeps applications apart"),
    ("journal", "a journal that is gone after a reboot, or that keeps nothing"),
    ("kept-data", "data of deleted environments that is still there, and until when"),
    ("metrics", "an address for metrics that cannot be had"),
    ("modes", "owners and modes of configuration, state, sockets, programs, repositories and hooks, and of the directories that they are in; with the command that mends each"),
    ("notify", "who is to be told of what happens and takes nothing, since when, how many notifications wait; secrets that cannot be read, or by everybody; a sendmail that cannot work here"),
    ("port", "an address that the router is to have and another program has"),
    ("project-broken", "a project file that is left out"),
    ("remote", "another machine deploys this work tree: what is wrong there is said there"),
    ("repository", "settings of a repository, or of its owner or the host for all of them, that let hooks be passed by, or bad objects in"),
    ("repository-unreadable", "a project whose repository the daemon cannot read"),
    ("repository-unwritable", "a project whose repository belongs to somebody else, and nobody may write there: no merge, promotion or deletion"),
    ("restic", "restic is missing or older than 0.14: no snapshots are taken"),
    ("router", "whether the data plane answers, and where"),
    ("scope", "which project a work tree belongs to cannot be told"),
    ("store", "whether the database is sound; also the codes `store-…` above"),
    ("store-backup", "how old the newest backup of the database is"),
    ("tls", "what the router says of TLS: an address that another program has, a new pair that it does not take"),
    ("traces", "[traces](traces.md) that nobody takes, and why; or a daemon that was built without them"),
    ("watch", "repositories whose refs cannot be watched"),
];

impl Finding {
    /// Something that is as it should be.
    pub fn good(code: &str, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Good, code, message.into(), None)
    }

    /// Something that works, with less; and what mends it.
    pub fn warning(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding::new(Severity::Warning, code, message.into(), Some(hint.into()))
    }

    /// Something that does not work; and what mends it.
    pub fn error(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding::new(Severity::Error, code, message.into(), Some(hint.into()))
    }

    fn new(severity: Severity, code: &str, message: String, hint: Option<String>) -> Finding {
        debug_assert!(
            CODES.iter().any(|(known, _)| *known == code),
            "{code} is no code of a finding"
        );
        Finding {
            severity,
            code: code.to_owned(),
            message,
            hint: hint.filter(|hint| !hint.is_empty()),
        }
    }
}

/// The table of [`CODES`] as `docs/troubleshooting.md` has it, without its head.
pub fn rows() -> String {
    let row = |(code, what): &(&str, &str)| format!("| `{code}` | {what} |\n");
    CODES.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_have_one_meaning() {
        assert!(CODES.windows(2).all(|two| two[0].0 < two[1].0));
    }
}
