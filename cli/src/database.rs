//! `wharf db`: what a service holds, between the daemon or the far side of ssh and a file or a pipe of this machine.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
};

use flate2::{Compression, write::GzEncoder};
use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, DatabaseAct, Scope},
    outcome::Exit,
    passed::Passed,
};

use crate::{
    act,
    archive::{self, Target},
    attend,
    daemon::{Answer, Conversation},
    failure::Failure,
    follow::{self, Lines},
};

/// Where a dump goes, and whether it is compressed on its way.
struct Dump {
    target: Target,
    compressed: bool,
}

impl Dump {
    fn open(directory: &Path, output: Option<&PathBuf>) -> Result<Dump, Failure> {
        let what = ("a dump", "wharf db dump -o dump.sql.gz");
        let target = Target::open(directory, output, what)?;
        let ending = output.and_then(|path| path.extension());
        let compressed = ending == Some(OsStr::new("gz"));
        Ok(Dump { target, compressed })
    }

    /// Takes all of it; the file has no name yet.
    fn take(&mut self, mut from: impl Read) -> io::Result<()> {
        let file = self.target.file();
        if !self.compressed {
            io::copy(&mut from, file)?;
            return file.flush();
        }
        let mut encoder = GzEncoder::new(file, Compression::default());
        io::copy(&mut from, &mut encoder)?;
        encoder.finish()?.flush()
    }
}

/// Has this machine's daemon write out what a service holds; returns the exit status.
///
/// # Errors
/// Its refusal, or that it cannot be asked; that the file cannot be written, or is not whole: then there is none.
pub(crate) fn dump(
    directory: &Path,
    place: &Place,
    scope: Scope,
    service: Option<String>,
    output: Option<&PathBuf>,
) -> Result<u8, Failure> {
    let mut dump = Dump::open(directory, output)?;
    let ask = Ask::Database {
        scope,
        service,
        act: DatabaseAct::Dump,
        terminal: None,
    };
    let mut conversation = Conversation::begin(place, ask)?;
    let mut taken = Ok(());
    let mut errors = None;
    for (word, end) in conversation.passed()? {
        let mut end = File::from(end);
        match word {
            Passed::Output => taken = dump.take(end),
            Passed::Errors => {
                let said = thread::spawn(move || io::copy(&mut end, &mut io::stderr()));
                errors = Some(said);
            }
            // It reads nothing.
            Passed::Input | Passed::Terminal => drop(end),
        }
    }
    if let Some(said) = errors {
        drop(said.join());
    }
    let ended = conversation.answer()?;
    taken.map_err(unwritten)?;
    match ended {
        Answer::Ran(0) => dump.target.keep().map(|()| 0),
        Answer::Ran(code) => Err(broken(code)),
        _ => Err(Failure::new(
            Exit::Unreachable,
            "the daemon did not say how it ended",
        )),
    }
}

/// The same over there.
///
/// # Errors
/// As [`dump`].
pub(crate) fn dump_there(
    directory: &Path,
    ssh: &mut Command,
    output: Option<&PathBuf>,
    unrun: impl Fn(io::Error) -> Failure,
    ended: impl Fn(ExitStatus) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    let mut dump = Dump::open(directory, output)?;
    let mut child = ssh
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(&unrun)?;
    let from = child.stdout.take().expect("it was asked for");
    let taken = dump.take(from);
    let code = ended(child.wait().map_err(&unrun)?)?;
    taken.map_err(unwritten)?;
    if code == Exit::Ok.code() {
        dump.target.keep()?;
    }
    Ok(code)
}

/// What is wrong with a dump's place in the command.
const IMPORT: &str = "wharf db import dump.sql.gz";

/// Gives this machine's daemon a dump, which a service is to read.
///
/// # Errors
/// Its refusal, or that it cannot be asked; that the file cannot be read.
pub(crate) fn import(
    directory: &Path,
    place: &Place,
    scope: Scope,
    service: Option<String>,
    file: &PathBuf,
    json: bool,
) -> Result<Exit, Failure> {
    let source = archive::source(directory, Some(file), IMPORT)?;
    let mut conversation = Conversation::begin(place, Ask::ImportDump { scope, service })?;
    let pipe = archive::passed(&mut conversation, Passed::Input)?;
    send(source, pipe)?;
    let told = follow::hear(conversation, Lines::Talk)?;
    act::outcome(place, None, told, json)
}

/// The same over there.
///
/// # Errors
/// As [`import`].
pub(crate) fn import_there(
    directory: &Path,
    ssh: &mut Command,
    file: &PathBuf,
    unrun: impl Fn(io::Error) -> Failure,
    ended: impl Fn(ExitStatus) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    let source = archive::source(directory, Some(file), IMPORT)?;
    let mut child = ssh.stdin(Stdio::piped()).spawn().map_err(&unrun)?;
    let input = child.stdin.take().expect("it was asked for");
    let sent = send(source, input.into());
    let code = ended(child.wait().map_err(&unrun)?);
    sent?;
    code
}

/// What gzip packed begins so.
const PACKED: [u8; 2] = [0x1f, 0x8b];

/// Sends a dump packed, whether it is or not: then whoever reads it can tell whether all of it came.
fn send(mut source: File, pipe: OwnedFd) -> Result<(), Failure> {
    let unread = |error| Failure::new(Exit::Failed, "cannot read the dump").because(error);
    let watched = pipe.try_clone().map_err(unread)?;
    let mut first = Vec::new();
    let taken = (&mut source).take(2).read_to_end(&mut first);
    taken.map_err(unread)?;
    let mut pipe = Pipe(Some(pipe.into()));
    if first == PACKED {
        return match pipe.write_all(&first) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unread(error)),
            _ => archive::send_through(source, &watched, &mut pipe),
        };
    }
    let mut encoder = GzEncoder::new(pipe, Compression::fast());
    let sent = match encoder.write_all(&first) {
        Err(error) => Err(unread(error)),
        Ok(()) => archive::send_through(source, &watched, &mut encoder),
    };
    if sent.is_err() {
        // Else what was sent by then would get an end.
        encoder.get_mut().0 = None;
        return sent;
    }
    match encoder.finish() {
        // The daemon says why it takes no more.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unread(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The daemon's pipe, as long as something is to come.
struct Pipe(Option<File>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(pipe) => pipe.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins a service's own shell; returns its exit status.
///
/// # Errors
/// It could not be run, or was ended before its time.
pub(crate) fn shell(place: &Place, scope: Scope, service: Option<String>) -> Result<u8, Failure> {
    attend::attend(place, |terminal| Ask::Database {
        scope,
        service,
        act: DatabaseAct::Shell,
        terminal,
    })
}

fn broken(code: u8) -> Failure {
    let what = format!("the dump broke off with exit status {code}, and nothing of it is kept");
    Failure::new(Exit::Failed, what)
}

fn unwritten(error: io::Error) -> Failure {
    match error.kind() {
        // Whoever read it has gone, and knows.
        io::ErrorKind::BrokenPipe => Failure::quiet(Exit::Failed),
        _ => Failure::new(Exit::Failed, "cannot write the dump").because(error),
    }
}
