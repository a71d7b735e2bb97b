//! Starts the daemon, apart from the terminal that asked for it.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::{
        fs::{DirBuilderExt as _, OpenOptionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec};
use wharf_config::place::Place;
use wharf_wire::outcome::Exit;

use crate::{daemon, failure::Failure, hooks};

/// How long the daemon may take until it answers.
const READY: Duration = Duration::from_secs(20);
/// What the daemon prints on its standard output once it answers.
const WORD: &[u8] = b"ready\n";
/// How much of the log's end is shown when it does not come up.
const LOG_END: u64 = 4_000;

/// Whether the daemon had to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It runs since now.
    Now,
    /// It ran before.
    Before,
}

/// Makes sure that a daemon answers at this place.
///
/// # Errors
/// It does not come up; the end of its log is part of what is said.
pub fn ensure(place: &Place) -> Result<Started, Failure> {
    if daemon::connect(&place.socket()).is_ok() {
        return Ok(Started::Before);
    }
    let path = place.state.join("wharfd.log");
    let log = open_log(&place.state, &path).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write {}", path.display())).because(error)
    })?;
    let begin = log.metadata().map_or(0, |found| found.len());
    let failed = |what: &str| Failure::new(Exit::Unreachable, format!("the daemon {what}"));
    let mut child = env::current_exe()
        .and_then(|wharf| {
            Command::new(wharf)
                .args(["start", "--detached"])
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(log)
                .spawn()
        })
        .map_err(|error| failed("cannot be started").because(error))?;
    let mut out = child.stdout.take().expect("its standard output is piped");
    match wait_for_word(&mut out) {
        Word::Ready => Ok(Started::Now),
        // Somebody else's daemon may have been quicker to take the socket.
        Word::Ended if daemon::connect(&place.socket()).is_ok() => Ok(Started::Before),
        Word::Ended => {
            let status = child.wait();
            let said = Said::since(&path, begin);
            let failure = match (said.cause.is_some(), status) {
                (true, _) => failed("did not start"),
                (false, Ok(status)) => failed(&format!("did not start: {status}")),
                (false, Err(error)) => failed("did not start").because(error),
            };
            Err(said.explain(failure, &path))
        }
        Word::Late => {
            let failure = failed(&format!("is not ready after {} s", READY.as_secs()));
            Err(Said::since(&path, begin).explain(failure, &path))
        }
    }
}

/// Leaves the session, so that a closed terminal does not reach it, and becomes the daemon.
pub fn become_daemon() -> Failure {
    let program = match hooks::binaries() {
        Ok(directory) => directory.join("wharfd"),
        Err(failure) => return failure,
    };
    if let Err(error) = rustix::process::setsid() {
        return Failure::new(Exit::Failed, "cannot begin a session").because(error);
    }
    let git = env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_"));
    let mut daemon = Command::new(&program);
    for (name, _) in git {
        daemon.env_remove(name);
    }
    let error = daemon.exec();
    Failure::new(Exit::Failed, format!("cannot run {}", program.display())).because(error)
}

fn open_log(state: &Path, path: &PathBuf) -> std::io::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

enum Word {
    Ready,
    Ended,
    Late,
}

/// Waits until the daemon says the word, ends, or the time is up.
fn wait_for_word(out: &mut ChildStdout) -> Word {
    let deadline = Instant::now() + READY;
    let mut said = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Word::Late;
        }
        let left = Timespec::try_from(left).expect("20 s fit");
        match rustix::event::poll(&mut [PollFd::new(out, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Word::Late,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return Word::Ended,
        }
        let mut some = [0; 64];
        match out.read(&mut some) {
            Ok(0) | Err(_) => return Word::Ended,
            Ok(count) => said.extend_from_slice(&some[..count]),
        }
        if said.windows(WORD.len()).any(|window| window == WORD) {
            return Word::Ready;
        }
        if said.len() > 4_096 {
            return Word::Ended;
        }
    }
}

/// What the daemon said last, as far as it helps.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// Why it ended, or the last that it logged.
    cause: Option<String>,
    /// What to do about it.
    hints: Vec<String>,
}

impl Said {
    /// Reads the end of the log, from where it ended before the daemon was started.
    fn since(path: &Path, begin: u64) -> Said {
        let end = fs::metadata(path).map_or(0, |found| found.len());
        let mut text = Vec::new();
        let read = File::open(path).and_then(|mut log| {
            log.seek(SeekFrom::Start(begin.max(end.saturating_sub(LOG_END))))?;
            log.take(LOG_END).read_to_end(&mut text)
        });
        match read {
            Ok(_) => Said::of(&String::from_utf8_lossy(&text)),
            Err(_) => Said::default(),
        }
    }

    /// Its last error with the hints below it, else its last line.
    fn of(text: &str) -> Said {
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        let error = lines.iter().rposition(|line| line.starts_with("error: "));
        let Some(error) = error else {
            return Said {
                cause: lines.last().map(|&line| line.to_owned()),
                hints: Vec::new(),
            };
        };
        let hints = lines[error..]
            .iter()
            .filter_map(|l| l.strip_prefix("hint: "));
        Said {
            cause: lines[error].strip_prefix("error: ").map(str::to_owned),
            hints: hints.map(str::to_owned).collect(),
        }
    }

    fn explain(self, failure: Failure, path: &Path) -> Failure {
        let failure = match self.cause {
            Some(cause) => failure.because(cause),
            None => failure,
        };
        let hints = self.hints.into_iter();
        let failure = hints.fold(failure, |failure, hint| failure.hint(hint));
        failure.hint(format!("its log is {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_and_all_its_hints_are_passed_on() {
        let said = Said::of(
            "{\"level\":\"ERROR\"}\nerror: earlier\nhint: none\nerror: it is damaged\n\
             hint: look first\nhint: then mend\n",
        );
        assert_eq!(said.cause.as_deref(), Some("it is damaged"));
        assert_eq!(said.hints, ["look first", "then mend"]);
        let said = Said::of("one\ntwo\n\n");
        assert_eq!((said.cause.as_deref(), said.hints.len()), (Some("two"), 0));
        assert_eq!(Said::of(""), Said::default());
    }
}
