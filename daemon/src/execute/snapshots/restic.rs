//! The program restic: how it is started, heard and stopped.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio_util::sync::CancellationToken;

use super::super::failure::Failure;
use super::super::world::World;

/// The oldest that stores compressed (repository version 2).
const OLDEST: (u32, u32) = (0, 14);
/// What it complains of, as far as it is kept.
const COMPLAINT: usize = 8 * 1024;
/// A longer line of JSON is none of what is read here.
const LINE: u64 = 1024 * 1024;
/// Where programs are looked for beside the daemon's own `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long it may take to say its version.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts restic with a repository.
#[derive(Debug, Clone)]
pub(super) struct Restic {
    /// What is said first: the repository, and how it is reached.
    pub(super) words: Vec<OsString>,
    /// All of its environment.
    pub(super) variables: Vec<(OsString, OsString)>,
    /// Where relative names begin.
    pub(super) directory: PathBuf,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Said {
    /// Its exit status; none where a signal ended it.
    pub(super) code: Option<i32>,
    /// The end of what it complained of.
    pub(super) complaint: String,
}

impl Said {
    /// Whether it ended well.
    pub(super) fn is_good(&self) -> bool {
        self.code == Some(0)
    }

    /// A failure in restic's own words.
    pub(super) fn failure(&self, code: &str, what: &str) -> Failure {
        let mut lines = self.complaint.lines().map(str::trim);
        let said = lines.rfind(|line| line.starts_with("Fatal:"));
        let mut lines = self.complaint.lines().map(str::trim);
        let said = said.or_else(|| lines.rfind(|line| !line.is_empty()));
        let said = match (said, self.code) {
            (Some(said), _) => said.strip_prefix("Fatal: ").unwrap_or(said).to_owned(),
            (None, Some(code)) => format!("restic exited with {code}"),
            (None, None) => "restic was killed".to_owned(),
        };
        if self.complaint.contains("no space left on device")
            || self.complaint.contains("disk quota exceeded")
        {
            return Failure::full(format!("the host's disk is full: {what}: {said}"));
        }
        let last = self.complaint.lines().rev().take(5);
        let mut last: Vec<String> = last.map(str::to_owned).collect();
        last.reverse();
        Failure::new(code, format!("{what}: {said}")).details(last)
    }
}

/// A program that is started, of which somebody else hears.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) output: BufReader<ChildStdout>,
    pub(super) input: Option<ChildStdin>,
    group: Option<Pid>,
}

impl Running {
    /// Ends it with all that it started, at once.
    pub(super) async fn kill(&mut self) {
        if let Some(group) = self.group
            && let Err(error) = kill_process_group(group, Signal::KILL)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, "restic is not killed");
        }
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "restic");
        }
    }
}

impl Restic {
    /// Starts it.
    ///
    /// # Errors
    /// That it is not there.
    pub(super) async fn start(
        &self,
        world: &World,
        words: &[&OsStr],
        input: Stdio,
    ) -> Result<Running, Failure> {
        let program = find().ok_or_else(missing)?;
        let mut command = world.runner.host_program(&program);
        command
            .args(&self.words)
            .args(words)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |error: io::Error| Failure::host("cannot start restic", &error);
        let mut child = world.runner.start_host(command).await.map_err(failed)?;
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let output = child.stdout.take().expect("it is piped");
        Ok(Running {
            output: BufReader::new(output),
            input: child.stdin.take(),
            group: group.and_then(Pid::from_raw),
            child,
        })
    }

    /// Runs it to its end, and has each line heard that it prints.
    ///
    /// # Errors
    /// That it cannot be started, or somebody stopped it.
    pub(super) async fn run(
        &self,
        world: &World,
        cancel: &CancellationToken,
        words: &[&OsStr],
        hear: impl FnMut(&[u8]),
    ) -> Result<Said, Failure> {
        let running = self.start(world, words, Stdio::null()).await?;
        attend(running, cancel, hear, async { Ok(()) }).await
    }

    /// Runs it to its end and feeds it; where the feeding fails it is killed before it knows that
    /// there is no more, so that nothing of it is stored.
    ///
    /// # Errors
    /// As [`run`](Self::run), and what failed in the feeding.
    pub(super) async fn run_fed(
        &self,
        world: &World,
        cancel: &CancellationToken,
        words: &[&OsStr],
        hear: impl FnMut(&[u8]),
        feed: Feed,
    ) -> Result<Said, Failure> {
        let mut running = self.start(world, words, Stdio::piped()).await?;
        let mut input = running.input.take().expect("it is piped");
        let Feed { mut from, verdict } = feed;
        let feeding = async move {
            match tokio::io::copy(&mut from, &mut input).await {
                Ok(_) => {}
                // How it ended says why it takes no more.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(Failure::host("cannot copy a dump", &error)),
            }
            // Only now it may see the end of its input.
            verdict.await?;
            drop(input);
            Ok(())
        };
        attend(running, cancel, hear, feeding).await
    }

    /// Runs it to its end, and has all that it prints flow somewhere; returns how many bytes that were.
    ///
    /// # Errors
    /// As [`run`](Self::run), and that they cannot be written.
    pub(super) async fn run_into(
        &self,
        world: &World,
        cancel: &CancellationToken,
        words: &[&OsStr],
        into: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(Said, u64), Failure> {
        let mut running = self.start(world, words, Stdio::null()).await?;
        let mut complaints = running.child.stderr.take().expect("it is piped");
        let mut output = BufReader::new(&mut running.output);
        let both = async {
            let (copied, complaint) = tokio::join!(
                tokio::io::copy_buf(&mut output, into),
                complaint(&mut complaints)
            );
            let copied = copied.map_err(|error| Failure::host("cannot pass it on", &error))?;
            Ok((copied, complaint))
        };
        let done = tokio::select! {
            done = both => done,
            () = cancel.cancelled() => Err(Failure::cancelled()),
        };
        match done {
            Ok((copied, complaint)) => {
                let status = running.child.wait().await;
                let status = status.map_err(|error| Failure::host("restic", &error))?;
                let code = status.code();
                Ok((Said { code, complaint }, copied))
            }
            Err(failure) => {
                running.kill().await;
                Err(failure)
            }
        }
    }
}

/// What a program is fed with, and whether all of it came: a dump that breaks off looks as if it were
/// whole to whoever only reads it.
pub struct Feed {
    /// The bytes.
    pub from: Box<dyn AsyncRead + Send + Unpin>,
    /// Whether whoever makes them ended well; asked once there are no more.
    pub verdict: std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feed")
    }
}

async fn attend(
    mut running: Running,
    cancel: &CancellationToken,
    mut hear: impl FnMut(&[u8]),
    feeding: impl Future<Output = Result<(), Failure>>,
) -> Result<Said, Failure> {
    let mut complaints = running.child.stderr.take().expect("it is piped");
    let heard = async {
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = (&mut running.output).take(LINE);
            match bounded.read_until(b'\n', &mut line).await {
                Ok(0) => return Ok(()),
                Ok(_) => hear(line.trim_ascii_end()),
                Err(error) => return Err(Failure::host("cannot hear restic", &error)),
            }
        }
    };
    let all = async {
        // A program that ends early takes no more: how it ended says why.
        let heard = async { tokio::join!(heard, complaint(&mut complaints)) };
        tokio::pin!(heard);
        tokio::pin!(feeding);
        let (heard, complaint) = tokio::select! {
            fed = &mut feeding => {
                fed?;
                heard.await
            }
            heard = &mut heard => heard,
        };
        heard.map(|()| complaint)
    };
    let done = tokio::select! {
        done = all => done,
        () = cancel.cancelled() => Err(Failure::cancelled()),
    };
    match done {
        Ok(complaint) => {
            let status = running.child.wait().await;
            let code = status
                .map_err(|error| Failure::host("restic", &error))?
                .code();
            Ok(Said { code, complaint })
        }
        Err(failure) => {
            running.kill().await;
            Err(failure)
        }
    }
}

/// Reads all, and keeps the end of it.
async fn complaint(from: &mut (impl AsyncRead + Unpin)) -> String {
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 4096];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&buffer[..count]);
        let over = kept.len().saturating_sub(COMPLAINT);
        kept.drain(..over);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Where programs of the host's are looked for.
pub(super) fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(PATH);
    path
}

/// The program, where the host has it.
pub fn find() -> Option<PathBuf> {
    let path = path();
    let places = std::env::split_paths(&path).filter(|place| place.is_absolute());
    let mut programs = places.map(|place| place.join("restic"));
    programs.find(|program| program.is_file())
}

fn missing() -> Failure {
    Failure::new(
        "restic-missing",
        "this host has no program restic, which snapshots need",
    )
    .hint("its operator installs it: apt-get install restic")
}

/// The version that a text of restic's names.
pub fn version(text: &str) -> Option<(u32, u32)> {
    let number = text.strip_prefix("restic ")?.split_whitespace().next()?;
    let mut parts = number.split('.');
    let mut next = || parts.next()?.parse::<u32>().ok();
    Some((next()?, next()?))
}

/// Whether a version of restic does what snapshots need.
pub fn is_new_enough(version: (u32, u32)) -> bool {
    version >= OLDEST
}

/// Asks the program for its version, without a repository.
///
/// # Errors
/// That it is not there, or too old.
pub(super) async fn ask(world: &World, cancel: &CancellationToken) -> Result<(), Failure> {
    let restic = Restic {
        words: Vec::new(),
        variables: Vec::new(),
        directory: PathBuf::from("/"),
    };
    let mut said = String::new();
    let words = [OsStr::new("version")];
    let run = restic.run(world, cancel, &words, |line| {
        said.push_str(&String::from_utf8_lossy(line));
    });
    let ended = tokio::time::timeout(PATIENCE, run).await;
    let ended = ended.map_err(|_| Failure::new("restic-missing", "restic does not answer"))??;
    match version(&said).filter(|_| ended.is_good()) {
        Some(version) if is_new_enough(version) => Ok(()),
        Some((major, minor)) => {
            let said = format!("this host's restic is {major}.{minor}, and snapshots need 0.14");
            let hint = "its operator installs a newer one, such as that of Debian 12";
            Err(Failure::new("restic-missing", said).hint(hint))
        }
        None => Err(ended.failure("restic-missing", "restic does not tell its version")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read() {
        let debian = "restic 0.14.0 compiled with go1.19.8 on linux/amd64";
        assert_eq!(version(debian), Some((0, 14)));
        assert_eq!(version("restic 0.9.6 compiled"), Some((0, 9)));
        assert_eq!(version("another 1.2"), None);
        assert!(is_new_enough((0, 14)) && is_new_enough((1, 0)) && !is_new_enough((0, 13)));
    }

    #[test]
    fn a_failure_is_in_restics_own_words() {
        let said = |complaint: &str| Said {
            code: Some(1),
            complaint: complaint.to_owned(),
        };
        let wrong = said("subprocess\nFatal: wrong password or no key found\n");
        let failure = wrong.failure("snapshot-failed", "it cannot be read");
        let expected = "it cannot be read: wrong password or no key found";
        assert_eq!(failure.reason.message, expected);
        let full = said("Fatal: write /x: no space left on device\n");
        assert_eq!(full.failure("x", "y").reason.code, "disk-full");
        let silent = said("").failure("x", "y");
        assert_eq!(silent.reason.message, "y: restic exited with 1");
    }
}
