//! git itself, where its own rules matter: with nothing of the user's or the system's, no hook, and as
//! the repository's owner.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use wharf_config::project::Project;
use wharf_sandbox::git::{self as asked, Git, Operation, environment, identity};
use wharf_sandbox::id::Id;

use super::owner::{Writer, command_as_owner};
use super::world::sibling;
use crate::run::holder;

/// The longest that one command may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes of its output that are read, at most; it is told to stop where it prints more.
const MOST: u64 = 4 << 20;

/// Why git did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be run.
    #[error("cannot run git {0}")]
    Run(String, #[source] io::Error),
    /// It took too long.
    #[error("git {0} took longer than {1:?}")]
    Late(String, Duration),
    /// Nobody knows whether it did it: somebody ended it, or who started it.
    #[error("git {0} broke off: {1}")]
    Broken(String, String),
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

impl Said {
    /// It, where it says yes.
    ///
    /// # Errors
    /// [`GitError::Refused`].
    pub fn good(self, name: &str) -> Result<Said, GitError> {
        match self.exit {
            Some(0) => Ok(self),
            _ => Err(GitError::Refused(name.to_owned(), self.complaint)),
        }
    }
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
        .envs(environment(repository.as_os_str()))
        .current_dir("/");
    command_as_owner(&mut command, repository)?;
    Ok(command)
}

/// git on a project's repository, doing something that writes there: by whoever is to.
///
/// # Errors
/// As [`Writer::of`], and where the author is none that the helper takes.
pub fn writing(
    project: &Project,
    operation: &Operation,
    author: Option<&Author>,
) -> io::Result<std::process::Command> {
    if Writer::of(&project.repository)? == Writer::Helper {
        let asked = Git {
            job: job(project)?,
            project: Id::parse(project.name.as_str()).map_err(io::Error::other)?,
            operation: operation.clone(),
            author: author.map(Author::to_helper).transpose()?,
        };
        let mut command = std::process::Command::new(sibling("wharf-keeper")?);
        command.arg("git").arg(serde_json::to_string(&asked)?);
        command.env_clear().current_dir("/");
        return Ok(command);
    }
    let mut command = isolated(&project.repository, &operation.words())?;
    if let Some(author) = author {
        command.envs(identity(&author.name, &author.email));
    }
    Ok(command)
}

/// A name that nothing else runs under.
fn job(project: &Project) -> io::Result<Id> {
    let name: String = project.name.as_str().chars().take(40).collect();
    Id::parse(&format!("git.{name}.{:016x}", rand::random::<u64>())).map_err(io::Error::other)
}

impl Author {
    fn to_helper(&self) -> io::Result<asked::Author> {
        let line = |text: &String| asked::Line::try_from(text.clone()).map_err(io::Error::other);
        Ok(asked::Author {
            name: line(&self.name)?,
            email: line(&self.email)?,
        })
    }
}

/// What git reads.
#[derive(Debug)]
pub enum Input<'a> {
    /// These.
    Bytes(&'a [u8]),
    /// What is in a file.
    File(File),
}

/// Has something written into a project's repository.
///
/// # Errors
/// That it cannot be run, takes too long, or broke off. That it says no is none: see [`Said::exit`].
pub async fn write(
    project: &Project,
    operation: &Operation,
    author: Option<&Author>,
    input: Input<'_>,
) -> Result<Said, GitError> {
    let name = operation.name().to_owned();
    let command =
        writing(project, operation, author).map_err(|error| GitError::Run(name.clone(), error))?;
    let said = talk(command, &name, input, operation.patience()).await?;
    match holder::is_broken(said.exit) {
        true => Err(GitError::Broken(name, said.complaint)),
        false => Ok(said),
    }
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
    let name = words[0].to_string_lossy().into_owned();
    let command = isolated(repository, words);
    let mut command = command.map_err(|error| GitError::Run(name.clone(), error))?;
    if let Some(author) = author {
        command.envs(identity(&author.name, &author.email));
    }
    talk(command, &name, Input::Bytes(input), PATIENCE).await
}

/// Has a command read what it is told and say what it has to say.
///
/// # Errors
/// That it cannot be run, or takes too long.
pub(crate) async fn talk(
    command: std::process::Command,
    name: &str,
    input: Input<'_>,
    patience: Duration,
) -> Result<Said, GitError> {
    let (bytes, stdin) = match input {
        Input::Bytes(bytes) => (bytes, Stdio::piped()),
        Input::File(file) => (&[][..], Stdio::from(file)),
    };
    let mut command = Command::from(command);
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let talk = async {
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            let Some(mut stdin) = stdin else {
                return Ok(());
            };
            match stdin.write_all(bytes).await {
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
    match tokio::time::timeout(patience, talk).await {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(error)) => Err(GitError::Run(name.to_owned(), error)),
        Err(_) => Err(GitError::Late(name.to_owned(), patience)),
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
    let said = said.good(&words[0].to_string_lossy())?;
    Ok(String::from_utf8_lossy(&said.out).trim_end().to_owned())
}
