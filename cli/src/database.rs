//! `wharf db`: what a service holds, between the daemon or the far side of ssh and a file or a pipe of this machine.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Write},
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
    archive::Target,
    attend,
    daemon::{Answer, Conversation},
    failure::Failure,
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
