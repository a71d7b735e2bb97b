//! What a pushed commit changes, for a dry run: its objects are in quarantine, so git says it here.

use std::{
    io::{self, BufRead, BufReader, Read},
    process::Stdio,
    time::{Duration, Instant},
};

use wharf_wire::hook::{Compare, Compared, Push};

use crate::{
    input::is_id,
    quarantine::{Git, ReadError, git},
    timed::Timed,
};

/// The daemon waits a little longer for an answer.
const COUNTING: Duration = Duration::from_secs(3);
/// Counting ends there: nobody reads such a number.
const MAX_FILES: u64 = 1_000_000;

/// Answers the daemon's question.
///
/// # Errors
/// [`ReadError`]; that the files cannot be counted is none.
pub(crate) fn compare(
    question: &Compare,
    push: &Push,
    until: Instant,
) -> Result<Compared, ReadError> {
    let pushed = push.updates.iter().any(|u| u.new == question.commit);
    if !pushed || !is_id(&question.commit) || !question.tree.iter().all(|tree| is_id(tree)) {
        return Err(ReadError::Question);
    }
    let tree = tree_of(&question.commit, until)
        .map_err(|error| ReadError::Git(question.commit.clone(), error))?;
    let soon = until.min(Instant::now() + COUNTING);
    let changed = question
        .tree
        .as_ref()
        .and_then(|old| changed(old, &tree, soon).ok());
    Ok(Compared { tree, changed })
}

fn tree_of(commit: &str, until: Instant) -> io::Result<String> {
    let tree = format!("{commit}^{{tree}}");
    let mut git = start(&["rev-parse", "--verify", "--quiet", &tree])?;
    let mut text = String::new();
    Timed::new(git.output(), until)
        .take(128)
        .read_to_string(&mut text)?;
    let id = text.trim_end();
    if git.0.wait()?.success() && is_id(id) {
        Ok(id.to_owned())
    } else {
        Err(io::Error::other("git rev-parse names no tree"))
    }
}

/// How many files differ: added, deleted, changed; a moved one is two.
fn changed(old: &str, new: &str, until: Instant) -> io::Result<u64> {
    let words = ["diff-tree", "-r", "-z", "--name-only", "--no-renames"];
    let mut git = start(&[&words[..], &[old, new]].concat())?;
    let mut names = BufReader::new(Timed::new(git.output(), until));
    let mut files = 0;
    while files < MAX_FILES && names.skip_until(0)? > 0 {
        files += 1;
    }
    drop(names);
    match git.0.wait()? {
        status if status.success() || files == MAX_FILES => Ok(files),
        status => Err(io::Error::other(format!("git diff-tree: {status}"))),
    }
}

fn start(words: &[&str]) -> io::Result<Git> {
    Ok(Git(git().args(words).stdin(Stdio::null()).spawn()?))
}
