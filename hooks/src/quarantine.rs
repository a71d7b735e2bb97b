//! Files of commits that are not in the repository yet.
//!
//! Until pre-receive says yes, git keeps the pushed objects where only its own environment finds
//! them, and that environment is the hook's. So git reads them here, for the daemon.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use wharf_wire::hook::{EntryKind, FILE_PART, FilePart, MAX_FILE, MAX_UPDATES, Push, Want};

use crate::{input::is_id, timed::Timed};

/// At most this many paths in one question.
const MAX_PATHS: usize = 64;
/// A path is at most this long.
const MAX_PATH: usize = 1_024;
/// One entry of a listing: its fields and a path that git itself can check out.
const MAX_ENTRY: u64 = 8 * 1024;

/// Why the pushed files cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Not a question that a daemon has reason to ask.
    #[error("the daemon asked for what is no part of this push")]
    Question,
    /// git did not answer, or not in time.
    #[error("git cannot read commit {0}")]
    Git(String, #[source] io::Error),
}

/// Reads the wanted files and hands each part on.
///
/// # Errors
/// [`ReadError`] by itself, or what `send` returns.
pub(crate) fn read<E: From<ReadError>>(
    want: &Want,
    push: &Push,
    until: Instant,
    mut send: impl FnMut(FilePart) -> Result<(), E>,
) -> Result<(), E> {
    check(want, push)?;
    let mut contents = None;
    for commit in &want.commits {
        let failed = |error| ReadError::Git(commit.clone(), error);
        for group in groups(&want.paths) {
            for entry in list(commit, &group, until).map_err(failed)? {
                let bytes = match entry.kind {
                    EntryKind::File if entry.size <= MAX_FILE => {
                        let contents = match &mut contents {
                            Some(contents) => contents,
                            none => none.insert(Contents::start(until).map_err(failed)?),
                        };
                        contents.read(&entry).map_err(failed)?
                    }
                    _ => Vec::new(),
                };
                for part in entry.parts(commit, &bytes) {
                    send(part)?;
                }
            }
        }
    }
    Ok(())
}

/// The daemon is asked to be modest: a few plain paths, of commits that this push names.
fn check(want: &Want, push: &Push) -> Result<(), ReadError> {
    let pushed = |id: &String| is_id(id) && push.updates.iter().any(|u| u.new == *id);
    let plain = |path: &String| {
        path.len() <= MAX_PATH
            && !path.contains('\0')
            && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
    };
    if want.commits.len() > MAX_UPDATES
        || want.paths.len() > MAX_PATHS
        || !want.commits.iter().all(pushed)
        || !want.paths.iter().all(plain)
    {
        return Err(ReadError::Question);
    }
    Ok(())
}

/// Paths in groups, none of which holds both a directory and something in it: git would list all
/// of that directory.
fn groups(paths: &[String]) -> Vec<Vec<&str>> {
    let below = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
    let mut groups: Vec<Vec<&str>> = Vec::new();
    for path in paths.iter().map(String::as_str) {
        if groups.iter().flatten().any(|known| *known == path) {
            continue;
        }
        let fits = |group: &&mut Vec<&str>| {
            !group
                .iter()
                .any(|other| below(path, other) || below(other, path))
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(path),
            None => groups.push(vec![path]),
        }
    }
    groups
}

struct Entry {
    path: String,
    id: String,
    kind: EntryKind,
    size: u64,
}

impl Entry {
    fn parts<'a>(
        &'a self,
        commit: &'a str,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = FilePart> + 'a {
        let empty = bytes.is_empty().then_some(&bytes[..0]);
        empty
            .into_iter()
            .chain(bytes.chunks(FILE_PART))
            .map(move |part| FilePart {
                commit: commit.to_owned(),
                path: self.path.clone(),
                kind: self.kind,
                size: self.size,
                bytes: part.to_vec(),
            })
    }
}

/// What stands at the paths of a commit.
fn list(commit: &str, paths: &[&str], until: Instant) -> io::Result<Vec<Entry>> {
    let mut command = git();
    command
        .args([
            "ls-tree",
            "-l",
            "-z",
            "--full-tree",
            "--end-of-options",
            commit,
        ])
        .args(paths);
    let mut git = Git(command.stdin(Stdio::null()).spawn()?);
    let mut output = BufReader::new(Timed::new(git.output(), until));
    let mut entries = Vec::new();
    loop {
        let mut record = Vec::new();
        (&mut output).take(MAX_ENTRY).read_until(0, &mut record)?;
        if record.is_empty() {
            break;
        }
        let entry = parse(&record).ok_or_else(unknown)?;
        if paths.contains(&entry.path.as_str()) {
            entries.push(entry);
        }
    }
    match git.0.wait()? {
        status if status.success() => Ok(entries),
        status => Err(io::Error::other(format!("git ls-tree: {status}"))),
    }
}

/// `<mode> <type> <id> <size><TAB><path><NUL>`, the size padded, or `-` for what is no blob.
fn parse(record: &[u8]) -> Option<Entry> {
    let record = record.strip_suffix(b"\0")?;
    let tab = record.iter().position(|b| *b == b'\t')?;
    let mut words = str::from_utf8(&record[..tab])
        .ok()?
        .split_ascii_whitespace();
    let (mode, kind, id, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let kind = match (mode, kind) {
        ("120000", "blob") => EntryKind::Symlink,
        (_, "blob") => EntryKind::File,
        (_, "tree") => EntryKind::Directory,
        (_, "commit") => EntryKind::Submodule,
        _ => return None,
    };
    Some(Entry {
        path: String::from_utf8_lossy(&record[tab + 1..]).into_owned(),
        id: Some(id).filter(|id| is_id(id))?.to_owned(),
        kind,
        size: if size == "-" { 0 } else { size.parse().ok()? },
    })
}

/// One git that gives out the contents of objects.
struct Contents {
    _git: Git,
    ask: ChildStdin,
    answers: BufReader<Timed<ChildStdout>>,
}

impl Contents {
    fn start(until: Instant) -> io::Result<Self> {
        let mut git = Git(git()
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .spawn()?);
        let ask = git.0.stdin.take().expect("it was asked for");
        let answers = BufReader::new(Timed::new(git.output(), until));
        Ok(Contents {
            _git: git,
            ask,
            answers,
        })
    }

    /// The bytes of a file. One question at a time, so that neither side waits for the other.
    fn read(&mut self, entry: &Entry) -> io::Result<Vec<u8>> {
        self.ask.write_all(format!("{}\n", entry.id).as_bytes())?;
        let mut header = String::new();
        (&mut self.answers).take(256).read_line(&mut header)?;
        if header != format!("{} blob {}\n", entry.id, entry.size) {
            return Err(unknown());
        }
        let mut bytes = vec![0; usize::try_from(entry.size).map_err(io::Error::other)? + 1];
        self.answers.read_exact(&mut bytes)?;
        match bytes.pop() {
            Some(b'\n') => Ok(bytes),
            _ => Err(unknown()),
        }
    }
}

/// git in the hook's own environment, which knows the quarantine. The content is what the ids say:
/// a pushed `refs/replace/` must not show the daemon another file than the one that is deployed.
pub(crate) fn git() -> Command {
    let mut command = Command::new("git");
    command.args(["--no-replace-objects", "--literal-pathspecs"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// A git that does not outlive our interest in it.
pub(crate) struct Git(pub(crate) Child);

impl Git {
    pub(crate) fn output(&mut self) -> ChildStdout {
        self.0.stdout.take().expect("it was asked for")
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn unknown() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "git answered in an unknown form",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_and_what_is_in_it_are_listed_apart() {
        let paths = ["a", "a/b", "a/b/c", "d", "a/bc", "d"].map(String::from);
        assert_eq!(
            groups(&paths),
            [vec!["a", "d"], vec!["a/b", "a/bc"], vec!["a/b/c"]]
        );
    }

    #[test]
    fn questions_outside_of_the_push_are_not_answered() {
        let new = "a".repeat(40);
        let push = Push {
            repository: String::new(),
            updates: vec![wharf_wire::hook::RefUpdate {
                name: "refs/heads/main".into(),
                lossy: false,
                old: "0".repeat(40),
                new: new.clone(),
            }],
            options: Vec::new(),
            claims: Vec::new(),
        };
        let want = |commit: &str, path: &str| Want {
            commits: vec![commit.to_owned()],
            paths: vec![path.to_owned()],
        };
        assert!(check(&want(&new, "public/index.html"), &push).is_ok());
        for (commit, path) in [
            (new.as_str(), "/etc/passwd"),
            (&new, "../x"),
            (&new, "a//b"),
            (&new, "a/"),
            (&new, ""),
            (&"b".repeat(40), "wharf.toml"),
            ("--output=x", "wharf.toml"),
        ] {
            assert!(
                check(&want(commit, path), &push).is_err(),
                "{commit} {path}"
            );
        }
    }
}
