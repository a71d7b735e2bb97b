//! The file in a repository's `hooks/` that starts a hook, and its form.
//!
//! ```text
//! #!/opt/wharf/bin/wharf-pre-receive
//! # Written by: wharf hook install. Changes are lost when it runs again.
//! socket = /run/wharf/wharfd.sock
//! unreachable = refuse
//! ```
//!
//! The kernel starts the binary of the first line itself, without a shell, and gives it the stub's
//! path. So no configuration is read and nothing is looked up on a push.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{Mode, OFlags};

/// A larger stub is not ours.
pub const MAX_BYTES: u64 = 16 * 1024;
/// The kernel reads no more than this of the first line, `#!` included.
pub const MAX_FIRST_LINE: usize = 255;
/// The second line of every stub, by which the installer knows its own.
pub const MARK: &str = "# Written by: wharf hook install. Changes are lost when it runs again.";

const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// What a hook is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// What a push gets while the daemon does not answer.
    pub unreachable: Unreachable,
    /// How long to wait until the daemon takes the connection.
    pub connect: Duration,
    /// How long to wait for the daemon's first answer.
    pub answer: Duration,
    /// How long the daemon may take for its verdict, or to record the push.
    pub verdict: Duration,
    /// How long the pusher may take nothing of the output before the hook leaves.
    pub write: Duration,
    /// How long the daemon may be silent while it is followed.
    pub silence: Duration,
    /// Where post-receive leaves a push that it cannot hand over.
    pub spool: Option<PathBuf>,
    /// The hook that was there before, a file beside the stub.
    pub chain: Option<String>,
}

/// What a push gets while the daemon does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unreachable {
    /// It is refused.
    #[default]
    Refuse,
    /// It is taken without the daemon's checks.
    Accept,
}

/// Why a stub cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StubError {
    /// git always names it; a person who starts the binary by hand does not.
    #[error("started without a stub: this program is run by git, see wharf hook install")]
    None,
    /// It cannot be opened or read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// Not a regular file of at most [`MAX_BYTES`] of UTF-8.
    #[error("{} is no stub of wharf", .0.display())]
    Foreign(PathBuf),
    /// A line has not the form `key = value`, or its value is bad.
    #[error("{}, line {line}: {problem}", .path.display())]
    Line {
        /// The stub.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: LineError,
    },
    /// There is no `socket` line.
    #[error("{} names no socket", .0.display())]
    NoSocket(PathBuf),
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No `=`.
    #[error("not of the form key = value")]
    Form,
    /// A key that is not known.
    #[error("unknown key")]
    Key,
    /// A key that was there before.
    #[error("said twice")]
    Twice,
    /// Not one of the values that the key takes.
    #[error("not a value for this key")]
    Value,
}

/// Why a stub cannot be written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The kernel would not start it.
    #[error("the hook's path {} is not absolute, longer than {} bytes or has a space in it", .0.display(), MAX_FIRST_LINE - 2)]
    Interpreter(PathBuf),
    /// It would not be read back as it is.
    #[error("the path {} is not absolute UTF-8 on one line", .0.display())]
    Path(PathBuf),
    /// Not a plain file name.
    #[error("{0:?} is not a hook's file name")]
    Chain(String),
}

impl Stub {
    /// A stub with the usual deadlines.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Stub {
            socket: socket.into(),
            unreachable: Unreachable::Refuse,
            connect: Duration::from_secs(1),
            answer: Duration::from_secs(2),
            verdict: Duration::from_secs(20),
            write: Duration::from_secs(10),
            silence: Duration::from_secs(60),
            spool: None,
            chain: None,
        }
    }

    /// Reads the stub that git started; a symbolic link is not followed.
    ///
    /// # Errors
    /// [`StubError`]; nothing is assumed in place of what cannot be read.
    pub fn read(path: &Path) -> Result<Self, StubError> {
        let failed = |error: io::Error| StubError::Read(path.to_owned(), error);
        // Not blocking, or a named pipe in its place would hold the push for good.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
        let file = File::from(file);
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(StubError::Foreign(path.to_owned()));
        }
        let mut text = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut text)
            .map_err(failed)?;
        match String::from_utf8(text) {
            Ok(text) if text.len() as u64 <= MAX_BYTES => Self::parse(path, &text),
            _ => Err(StubError::Foreign(path.to_owned())),
        }
    }

    /// Understands the text of a stub; `path` is for the errors.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, StubError> {
        let mut stub = Stub::new("");
        let mut seen: Vec<&str> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |problem| StubError::Line {
                path: path.to_owned(),
                line: number + 1,
                problem,
            };
            let (key, value) = line.split_once('=').ok_or_else(|| wrong(LineError::Form))?;
            let key = key.trim();
            if seen.contains(&key) {
                return Err(wrong(LineError::Twice));
            }
            seen.push(key);
            stub.set(key, value.trim()).map_err(wrong)?;
        }
        if stub.socket.as_os_str().is_empty() {
            return Err(StubError::NoSocket(path.to_owned()));
        }
        Ok(stub)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), LineError> {
        match key {
            "socket" => self.socket = absolute(value)?,
            "spool" => self.spool = Some(absolute(value)?),
            "unreachable" => {
                self.unreachable = match value {
                    "refuse" => Unreachable::Refuse,
                    "accept" => Unreachable::Accept,
                    _ => return Err(LineError::Value),
                }
            }
            "connect-ms" => self.connect = milliseconds(value)?,
            "answer-ms" => self.answer = milliseconds(value)?,
            "verdict-ms" => self.verdict = milliseconds(value)?,
            "write-ms" => self.write = milliseconds(value)?,
            "silence-ms" => self.silence = milliseconds(value)?,
            "chain" if is_file_name(value) => self.chain = Some(value.to_owned()),
            "chain" => return Err(LineError::Value),
            _ => return Err(LineError::Key),
        }
        Ok(())
    }

    /// The bytes of a stub that starts `interpreter`, the absolute path of a hook's binary.
    ///
    /// # Errors
    /// [`RenderError`] for what the kernel or [`Stub::parse`] would read otherwise.
    pub fn render(&self, interpreter: &Path) -> Result<String, RenderError> {
        let first = interpreter
            .to_str()
            .filter(|path| path.starts_with('/') && path.len() <= MAX_FIRST_LINE - 2)
            .filter(|path| !path.contains(|c: char| c.is_whitespace() || c.is_control()))
            .ok_or_else(|| RenderError::Interpreter(interpreter.to_owned()))?;
        let unreachable = match self.unreachable {
            Unreachable::Refuse => "refuse",
            Unreachable::Accept => "accept",
        };
        let mut text = format!(
            "#!{first}\n{MARK}\nsocket = {}\nunreachable = {unreachable}\n",
            renderable(&self.socket)?
        );
        for (key, wait) in [
            ("connect-ms", self.connect),
            ("answer-ms", self.answer),
            ("verdict-ms", self.verdict),
            ("write-ms", self.write),
            ("silence-ms", self.silence),
        ] {
            text.push_str(&format!(
                "{key} = {}\n",
                wait.min(LONGEST_WAIT).as_millis().max(1)
            ));
        }
        if let Some(spool) = &self.spool {
            text.push_str(&format!("spool = {}\n", renderable(spool)?));
        }
        if let Some(chain) = &self.chain {
            if !is_file_name(chain) {
                return Err(RenderError::Chain(chain.clone()));
            }
            text.push_str(&format!("chain = {chain}\n"));
        }
        Ok(text)
    }
}

/// Whether the bytes of a hook file were written by the installer.
pub fn is_ours(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|b| *b == b'\n');
    lines.next().is_some_and(|first| first.starts_with(b"#!"))
        && lines.next().is_some_and(|second| second == MARK.as_bytes())
}

/// The stub that git named on the command line.
///
/// # Errors
/// As [`Stub::read`], or that there is none.
pub(crate) fn from_argument(argument: Option<&OsStr>) -> Result<Stub, StubError> {
    Stub::read(Path::new(argument.ok_or(StubError::None)?))
}

fn absolute(value: &str) -> Result<PathBuf, LineError> {
    if value.starts_with('/') {
        Ok(PathBuf::from(value))
    } else {
        Err(LineError::Value)
    }
}

fn milliseconds(value: &str) -> Result<Duration, LineError> {
    let wait = Duration::from_millis(value.parse().map_err(|_| LineError::Value)?);
    if wait.is_zero() || wait > LONGEST_WAIT {
        Err(LineError::Value)
    } else {
        Ok(wait)
    }
}

fn is_file_name(name: &str) -> bool {
    name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn renderable(path: &Path) -> Result<&str, RenderError> {
    path.to_str()
        .filter(|text| text.starts_with('/') && text.trim() == *text)
        .filter(|text| !text.contains(char::is_control))
        .ok_or_else(|| RenderError::Path(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Stub, StubError> {
        Stub::parse(Path::new("hooks/pre-receive"), text)
    }

    #[test]
    fn what_is_rendered_is_read() {
        let stub = Stub {
            unreachable: Unreachable::Accept,
            connect: Duration::from_millis(7),
            silence: Duration::from_secs(9),
            spool: Some("/var/spool/with space".into()),
            chain: Some("pre-receive.before-wharf".into()),
            ..Stub::new("/run/wharf/wharfd.sock")
        };
        let text = stub
            .render(Path::new("/opt/wharf/bin/wharf-pre-receive"))
            .unwrap();
        assert!(text.starts_with("#!/opt/wharf/bin/wharf-pre-receive\n# Written by"));
        assert!(is_ours(text.as_bytes()));
        assert_eq!(parse(&text).unwrap(), stub);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line, problem) in [
            ("#!/x\nsocket = /s\nsocket = /t\n", 3, LineError::Twice),
            ("socket = s\n", 1, LineError::Value),
            ("socket /s\n", 1, LineError::Form),
            ("colour = red\n", 1, LineError::Key),
            ("connect-ms = 0\n", 1, LineError::Value),
            ("connect-ms = 99999999\n", 1, LineError::Value),
            ("chain = ../../bin/sh\n", 1, LineError::Value),
            ("chain = .\n", 1, LineError::Value),
            ("unreachable = maybe\n", 1, LineError::Value),
        ] {
            match parse(text).unwrap_err() {
                StubError::Line {
                    line: l,
                    problem: p,
                    ..
                } => assert_eq!((l, p), (line, problem), "{text}"),
                other => panic!("{text}: {other}"),
            }
        }
        assert!(matches!(parse("# nothing\n"), Err(StubError::NoSocket(_))));
    }

    #[test]
    fn a_link_a_pipe_and_a_large_file_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("stub");
        std::fs::write(&file, "socket = /s\n").unwrap();
        assert!(Stub::read(&file).is_ok());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(matches!(Stub::read(&link), Err(StubError::Read(..))));
        assert!(matches!(Stub::read(dir.path()), Err(StubError::Foreign(_))));
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RWXU).unwrap();
        assert!(matches!(Stub::read(&pipe), Err(StubError::Foreign(_))));
        std::fs::write(&file, format!("socket = /s\n{}", "# long\n".repeat(4000))).unwrap();
        assert!(matches!(Stub::read(&file), Err(StubError::Foreign(_))));
    }

    #[test]
    fn what_the_kernel_would_read_otherwise_is_not_rendered() {
        let stub = Stub::new("/s");
        for path in ["relative", "/with space/hook", "/line\nbreak"] {
            assert!(stub.render(Path::new(path)).is_err(), "{path}");
        }
        let longest = format!("/{}", "x".repeat(MAX_FIRST_LINE - 3));
        assert!(stub.render(Path::new(&longest)).is_ok());
        assert!(stub.render(Path::new(&format!("{longest}x"))).is_err());
        assert!(Stub::new("/a\nchain = b").render(Path::new("/h")).is_err());
    }
}
