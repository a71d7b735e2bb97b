//! The codes by what somebody sees who meets one, as the page has them.

use super::{Entry, find};

/// Codes that look the same to whoever meets them.
struct Section {
    title: &'static str,
    /// What is seen.
    seen: &'static str,
    codes: &'static [&'static str],
}

/// Every code, in one of them.
#[rustfmt::skip]
const SECTIONS: [Section; 11] = [
    Section {
        title: "A push is refused",
        seen: "git ends with `! [remote rejected]` and status 1, behind an `error:` line for each reason. Nothing has changed. `wharf` that should move a branch exits with 6 for the same reasons.",
        codes: &[
            "bad-branch", "denied", "has-children", "host-not-allowed", "host-refuses", "host-unreachable",
            "low-disk", "merge-only", "mirror", "moved", "new-branch", "production-stays", "protocol",
            "queue-full", "too-many-branches", "unknown-repository", "variable-missing", "version",
        ],
    },
    Section {
        title: "A deployment failed",
        seen: "An `error:` line close to the end of the log; the last one says what serves now. `wharf` and `wharf activity wait` exit with 3.",
        codes: &[
            "build-failed", "check-failed", "checkout-failed", "config-invalid", "config-too-large", "crashed",
            "deploy-failed", "disk-full", "front-missing", "host", "interrupted", "no-commit", "no-port",
            "over-limit", "patch-conflict", "patch-refused", "port-taken", "public-missing",
            "reserved-variable", "runtime-missing", "service-broken", "service-data", "service-external", "service-missing",
            "slug-missing", "slug-refused", "unhealthy",
        ],
    },
    Section {
        title: "A deployment waits, or does not happen",
        seen: "The log ends without an error, `wharf activities` shows it as waiting, cancelled, superseded or done; what served serves on.",
        codes: &[
            "abandoned", "approval", "approved", "cancelled", "inactive", "plan-limit", "superseded", "waiting",
            "window",
        ],
    },
    Section {
        title: "`wharf` does not do it",
        seen: "An `error:` line with a hint, and exit status 5 or 6; `--json` has the code. Nothing has changed.",
        codes: &[
            "bad-commit", "branch-exists", "branch-name", "conflicts", "cron-held", "data-upward", "ended", "grant-time",
            "no-grant", "no-parent", "no-release", "no-seed",
            "not-branchable", "not-fast-forward", "not-live",
            "not-parked", "operator-only", "parent-ring", "production", "status", "title",
            "too-many-watchers", "unknown-activity", "unknown-commit", "unknown-cron", "unknown-destination",
            "unknown-environment", "unknown-project", "unknown-type", "unrelated-histories", "up-to-date",
        ],
    },
    Section {
        title: "A command in what serves ended",
        seen: "`wharf run`, `wharf shell` or a cron is not started, or not ended by the command itself; `wharf activities` or `wharf crons` has why.",
        codes: &[
            "caller-gone", "cron-failed", "cron-stopped", "data-held", "data-restored", "data-synced",
            "environment-ends", "exit-code", "no-command", "no-database",
            "run-interrupted", "run-lost", "service-stopped", "too-many-commands",
        ],
    },
    Section {
        title: "A snapshot is not taken, or not restored",
        seen: "`wharf snapshot` exits with 3, 5 or 6. The data is as it was, and what is not whole is never listed as good.",
        codes: &[
            "no-data", "restic-missing", "sanitize-failed", "snapshot-bad", "snapshot-failed", "snapshot-store", "unknown-snapshot",
        ],
    },
    Section {
        title: "A dump is not read in",
        seen: "`wharf db import` exits with 1, 3, 5 or 6. What the service holds is as it was.",
        codes: &["dump-damaged", "dump-gone", "dump-refused"],
    },
    Section {
        title: "A variable is not set",
        seen: "`wharf variable` or `wharf config` exits with 5 or 6. What was set before counts.",
        codes: &[
            "unknown-variable", "variable-committed", "variable-json", "variable-limit", "variable-name",
            "variable-secret", "variable-value",
        ],
    },
    Section {
        title: "A slug does not travel",
        seen: "`wharf slug export` or `wharf slug import` exits with 1, 5 or 6, and leaves nothing behind.",
        codes: &[
            "archive-busy", "archive-damaged", "archive-key", "archive-late", "archive-refused",
            "archive-too-large", "archive-version", "slug-damaged", "slug-differs", "slug-unfit", "unknown-slug",
        ],
    },
    Section {
        title: "Files do not come into a mount, or out of it",
        seen: "`wharf mount` exits with 1, 5 or 6. What is in the mount is whole, file by file, and nothing half is left here or there.",
        codes: &[
            "download-interrupted", "mount-full", "mount-silent", "no-mount", "no-path", "upload-damaged",
            "upload-interrupted", "upload-refused", "upload-too-large",
        ],
    },
    Section {
        title: "The daemon does not start",
        seen: "`wharfd` ends with status 78 and names the database; pushes are refused. Applications serve on.",
        codes: &[
            "store-damaged", "store-foreign", "store-missing", "store-newer", "store-read-only",
        ],
    },
];

/// The part of the page that is made from the catalogue.
pub fn page() -> String {
    let sections = SECTIONS.iter().map(|section| {
        let rows = section.codes.iter().filter_map(|code| find(code)).map(row);
        format!(
            "### {}\n\n{}\n\n| Code | Why | What to do |\n|---|---|---|\n{}",
            section.title,
            section.seen,
            rows.collect::<String>()
        )
    });
    sections.collect::<Vec<_>>().join("\n")
}

fn row(entry: &Entry) -> String {
    let Entry {
        code,
        meaning,
        next,
    } = entry;
    format!("| `{code}` | {meaning} | {next} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::ALL;

    #[test]
    fn every_code_stands_in_one_section_in_order() {
        let mut shown = Vec::new();
        for section in SECTIONS {
            assert!(section.codes.is_sorted(), "{}", section.title);
            shown.extend(section.codes.iter().copied());
        }
        shown.sort_unstable();
        let all: Vec<_> = ALL.iter().map(|entry| entry.code).collect();
        assert_eq!(shown, all, "daemon/src/catalogue/section.rs");
    }
}
