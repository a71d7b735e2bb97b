//! What unit tests share: git in a repository of their own, which nothing outside of it configures;
//! and names that collide.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use wharf_config::name::{BranchName, EnvironmentId};

/// Runs git; the commits that it makes have fixed authors and, by `date`, seconds since 1970-01-01.
pub(crate) fn try_git(repository: &Path, words: &[&str], date: u64) -> Output {
    let date = format!("{date} +0000");
    Command::new("git")
        .args(words)
        .current_dir(repository)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nonexistent")])
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b")])
        .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@b")])
        .envs([("GIT_AUTHOR_DATE", &date), ("GIT_COMMITTER_DATE", &date)])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The same at a moment, where it has to succeed: what it printed.
#[track_caller]
pub(crate) fn git_at(repository: &Path, words: &[&str], date: u64) -> String {
    let output = try_git(repository, words, date);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The same where nothing depends on the moment.
#[track_caller]
pub(crate) fn git(repository: &Path, words: &[&str]) -> String {
    git_at(repository, words, MOMENT)
}

/// Some moment; git takes no date of less than nine digits for one.
pub(crate) const MOMENT: u64 = 1_700_000_000;

/// Two names of branches with the same id by rule, as nobody meets them by chance.
pub(crate) fn colliding() -> (BranchName, BranchName) {
    let mut seen = BTreeMap::new();
    for number in 0_u32.. {
        // The readable part is cut off before the number.
        let name = format!("feature/a-name-of-so-many-letters-{number}");
        let name = BranchName::parse(&name).unwrap();
        if let Some(other) = seen.insert(EnvironmentId::from_branch(&name), name.clone()) {
            return (other, name);
        }
    }
    unreachable!("24 bits are not for ever");
}
