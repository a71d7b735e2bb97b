//! git itself, where its own rules matter: with nothing of the user's or the system's, no hook, and as
//! the repository's owner.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::owner::command_as_owner;

/// The longest that one command may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes of its output that are read, at most; it is told to stop where it prints more.
const MOST: u64 = 4 << 20;

/// Why git did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be run.
    #[error("cannot run git {0}")]
    Run(String, #[source] io::Error),
    /// It took too long.
    #[error("git {0} took longer than {PATIENCE:?}")]
    Late(String),
    /// It said no; its first line.
    #[error("git {0}: {1}")]
    Refused(String, String),
}

/// What it said.
#[derive(Debug)]
pub struct Said {
    /// How it ended; none by a signal.
    pub exit: Option<i32>,
    /// What it printed, at most [`MOST`] bytes.
    pub out: Vec<u8>,
    /// The first line of its complaints.
    pub complaint: String,
}

/// Who a commit or a move of a ref is by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

/// git on a repository, with nothing of the caller's surroundings but where it is; as its owner.
///
/// # Errors
/// As [`command_as_owner`].
pub fn isolated<W: AsRef<OsStr>>(
    repository: &Path,
    words: &[W],
) -> io::Result<std::process::Command> {
    let mut command = std::process::Command::new("git");
    command
        .arg("--git-dir")
        .arg(repository)
        .args(words)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_CONFIG_COUNT", "3")
        // Whoever owns the repository: git would refuse one of another user.
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", repository)
        .env("GIT_CONFIG_KEY_1", "core.hooksPath")
        .env("GIT_CONFIG_VALUE_1", "/dev/null")
        .env("GIT_CONFIG_KEY_2", "core.fsmonitor")
        .env("GIT_CONFIG_VALUE_2", "false")
        .current_dir("/");
    command_as_owner(&mut command, repository)?;
    Ok(command)
}

/// Runs git on a repository.
///
/// # Errors
/// That it cannot be run, or takes too long. That it says no is none: see [`Said::exit`].
pub async fn run(
    repository: &Path,
    words: &[&OsStr],
    author: Option<&Author>,
    input: &[u8],
) -> Result<Said, GitError> {
    let name = || words[0].to_string_lossy().into_owned();
    let command = isolated(repository, words);
    let mut command = Command::from(command.map_err(|error| GitError::Run(name(), error))?);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(author) = author {
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), &author.name);
            command.env(format!("GIT_{who}_EMAIL"), &author.email);
        }
    }
    let talk = async {
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().expect("piped");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let write = async {
            let written = stdin.write_all(input).await;
            drop(stdin);
            match written {
                // It has ended before it read all: its exit says why.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                other => other,
            }
        };
        let (wrote, out, complaint) = tokio::join!(
            write,
            read(stdout.expect("piped")),
            read(stderr.expect("piped"))
        );
        wrote?;
        let (out, complaint) = (out?, complaint?);
        let exit = child.wait().await?.code();
        let complaint = String::from_utf8_lossy(&complaint);
        let complaint = complaint.lines().next().unwrap_or_default();
        Ok(Said {
            exit,
            out,
            complaint: complaint.chars().take(300).collect(),
        })
    };
    match tokio::time::timeout(PATIENCE, talk).await {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(error)) => Err(GitError::Run(name(), error)),
        Err(_) => Err(GitError::Late(name())),
    }
}

async fn read(from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// The same, of a command whose no is an error; what it printed, without the end of the last line.
///
/// # Errors
/// [`GitError`].
pub async fn ask(
    repository: &Path,
    words: &[&OsStr],
    author: Option<&Author>,
    input: &[u8],
) -> Result<String, GitError> {
    let said = run(repository, words, author, input).await?;
    if said.exit != Some(0) {
        let name = words[0].to_string_lossy().into_owned();
        return Err(GitError::Refused(name, said.complaint));
    }
    Ok(String::from_utf8_lossy(&said.out).trim_end().to_owned())
}
