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
/// Paths that the daemon may ask about at once.
const MAX_PATHS: usize = 64;
/// Bytes of the names of files in an answer, and how many files: it goes in one frame.
const MAX_NAMES: usize = 16 * 1024;
/// See [`MAX_NAMES`].
const MAX_NAMED: usize = 1_000;

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
    let few = question.paths.len() <= MAX_PATHS;
    if !pushed || !few || !is_id(&question.commit) || !question.tree.iter().all(|tree| is_id(tree))
    {
        return Err(ReadError::Question);
    }
    let tree = tree_of(&question.commit, until)
        .map_err(|error| ReadError::Git(question.commit.clone(), error))?;
    let soon = until.min(Instant::now() + COUNTING);
    let changed = question
        .tree
        .as_ref()
        .and_then(|old| changed(old, &tree, soon).ok());
    let files = match question.paths.is_empty() {
        true => Some(Vec::new()),
        false => files(&tree, &question.paths, soon).ok(),
    };
    Ok(Compared {
        tree,
        changed,
        files,
    })
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

/// The regular files of a tree at these paths and below them.
fn files(tree: &str, paths: &[String], until: Instant) -> io::Result<Vec<String>> {
    let words = ["--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree"];
    let paths = paths.iter().map(String::as_str);
    let words: Vec<&str> = words.into_iter().chain([tree, "--"]).chain(paths).collect();
    let mut git = start(&words)?;
    // More than this is more than is told: each entry has less than 100 bytes beside its name.
    let most = MAX_NAMES + 100 * MAX_NAMED;
    let output = Timed::new(git.output(), until).take(most as u64);
    let mut files = Vec::new();
    let (mut bytes, mut entries) = (0, 0);
    for entry in BufReader::new(output).split(0) {
        let entry = entry?;
        let Ok(entry) = String::from_utf8(entry) else {
            return Err(io::Error::other("a path is no text"));
        };
        // `100644 blob ID<TAB>PATH`; anything but a file has another mode.
        let Some((kind, path)) = entry.split_once('\t') else {
            return Err(io::Error::other("git ls-tree says something else"));
        };
        bytes += path.len();
        entries += 1;
        if kind.starts_with("100") {
            files.push(path.to_owned());
        }
    }
    // What was cut off is no list.
    if bytes > MAX_NAMES || entries > MAX_NAMED {
        return Err(io::Error::other("there are too many files"));
    }
    match git.0.wait()? {
        status if status.success() => Ok(files),
        status => Err(io::Error::other(format!("git ls-tree: {status}"))),
    }
}

fn start(words: &[&str]) -> io::Result<Git> {
    Ok(Git(git().args(words).stdin(Stdio::null()).spawn()?))
}
