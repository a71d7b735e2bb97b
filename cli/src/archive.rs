//! `wharf slug export` and `wharf slug import`: a slug between a file or a pipe of this machine and
//! the daemon, or the far side of ssh.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::Stdio,
};

use bytesize::ByteSize;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat};
use rustix::io::Errno;
use tempfile::NamedTempFile;
use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Scope},
    outcome::Exit,
    passed::Passed,
    slug::Archive,
    snapshot::Exported,
    view::Item,
};

use crate::{
    act,
    daemon::{Answer, Conversation},
    failure::{self, Failure},
    follow::{self, Lines},
};

/// What the name of a file begins with until it is whole.
const UNWRITTEN: &str = ".wharf-archive-";

/// What an archive of a slug is, and how to have it in a file.
pub(crate) const SLUG: (&str, &str) = ("an archive", "wharf slug export -o slug.tar");
/// What an export of a snapshot is, and how to have it in a file.
pub(crate) const SNAPSHOT: (&str, &str) =
    ("an archive", "wharf snapshot export ID -o snapshot.tar");
/// How a slug is imported.
pub(crate) const IMPORT: &str = "wharf slug import slug.tar";

/// Where an archive goes.
#[derive(Debug)]
pub(crate) enum Target {
    /// Standard output, which is no terminal.
    Out(File),
    /// A file without a name, which it gets when it is whole: whoever is killed leaves nothing.
    Unnamed(File, PathBuf),
    /// The same beside its name, where the file system knows no such files.
    Beside(NamedTempFile, PathBuf),
}

impl Target {
    /// Makes sure that it can be written, before anybody is asked.
    ///
    /// # Errors
    /// It is a terminal, or the file's directory takes none.
    pub(crate) fn open(
        directory: &Path,
        output: Option<&PathBuf>,
        (what, instead): (&str, &str),
    ) -> Result<Target, Failure> {
        let Some(output) = output else {
            let out = io::stdout();
            if out.is_terminal() {
                return Err(Failure::usage(format!("{what} is nothing for a terminal"))
                    .hint(format!("name a file: {instead}")));
            }
            let out = out.as_fd().try_clone_to_owned();
            return Ok(Target::Out(out.map_err(unwritten)?.into()));
        };
        let path = directory.join(output);
        let beside = path.parent().unwrap_or(directory);
        let failed = |error: io::Error| {
            let what = format!("cannot write in {}", beside.display());
            Failure::new(Exit::Failed, what).because(error)
        };
        if let Some(file) = unnamed(beside).map_err(failed)? {
            return Ok(Target::Unnamed(file, path));
        }
        let file = temporary().tempfile_in(beside).map_err(failed)?;
        Ok(Target::Beside(file, path))
    }

    /// What it is written to.
    pub(crate) fn file(&mut self) -> &mut File {
        match self {
            Target::Out(file) | Target::Unnamed(file, _) => file,
            Target::Beside(file, _) => file.as_file_mut(),
        }
    }

    /// Copies all that there is to read; returns how many bytes that were.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub(crate) fn copy(&mut self, mut from: impl io::Read) -> Result<u64, Failure> {
        let copied = io::copy(&mut from, self.file());
        copied.map_err(|error| match error.kind() {
            // Whoever read it has gone, and knows.
            io::ErrorKind::BrokenPipe => Failure::quiet(Exit::Failed),
            _ => unwritten(error),
        })
    }

    /// For a program that writes it.
    ///
    /// # Errors
    /// This process has no descriptor left.
    pub(crate) fn stdio(&mut self) -> Result<Stdio, Failure> {
        let file = self.file().try_clone();
        Ok(file.map_err(unwritten)?.into())
    }

    /// It is whole: gives it its name, durably.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn keep(mut self) -> Result<(), Failure> {
        let synced = self.file().sync_all();
        let (path, kept) = match self {
            // Whoever reads it may be no file.
            Target::Out(_) => return Ok(()),
            Target::Unnamed(file, path) => {
                let kept = synced.and_then(|()| name(&file, &path));
                (path, kept)
            }
            Target::Beside(file, path) => {
                let kept = synced.and_then(|()| Ok(file.persist(&path).map(drop)?));
                (path, kept)
            }
        };
        let beside = path.parent().unwrap_or(Path::new("/"));
        let kept = kept.and_then(|()| File::open(beside)?.sync_all());
        let shown = path.display();
        kept.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write {shown}")).because(error)
        })?;
        failure::note(&format!("written: {shown}"));
        Ok(())
    }
}

/// A file without a name, which only its owner may read: a build may have left in a slug what it was
/// trusted with. None where the file system knows none.
fn unnamed(directory: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::from_raw_mode(0o600)) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives a file a name, in the place of what has it.
fn name(file: &File, path: &Path) -> io::Result<()> {
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    let beside = path.parent().unwrap_or(Path::new("/"));
    // Only a rename takes a name from another file.
    let named = temporary().make_in(beside, |at| {
        Ok(linkat(CWD, &itself, CWD, at, AtFlags::SYMLINK_FOLLOW)?)
    })?;
    Ok(named.persist(path).map(drop)?)
}

fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNWRITTEN);
    builder
}

/// Asks this machine's daemon for an archive.
///
/// # Errors
/// Its refusal, or that it cannot be asked; that the archive cannot be written, or is not whole.
pub(crate) fn export(
    directory: &Path,
    place: &Place,
    scope: Scope,
    slug: Option<&String>,
    output: Option<&PathBuf>,
) -> Result<Exit, Failure> {
    let mut target = Target::open(directory, output, SLUG)?;
    let ask = Ask::ExportSlug {
        scope,
        slug: slug.cloned(),
    };
    let mut conversation = Conversation::begin(place, ask)?;
    let copied = copy(&mut conversation, &mut target)?;
    let exported = verdict(&mut conversation, |item| match item {
        Item::Archive(archive) => Some(archive),
        _ => None,
    })?;
    is_all(copied, exported.size)?;
    let Archive {
        key, files, bytes, ..
    } = &exported;
    failure::note(&format!(
        "slug {}: {files} {}, {}; digest {}",
        key.get(..6).unwrap_or(key),
        if *files == 1 { "file" } else { "files" },
        ByteSize(*bytes).display().si(),
        exported.digest,
    ));
    target.keep()?;
    Ok(Exit::Ok)
}

/// Which snapshot, and which part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// The part's name; none for its mounts, or the only one.
    pub(crate) part: Option<&'a String>,
}

/// Asks this machine's daemon for a part of a snapshot.
///
/// # Errors
/// As [`export`].
pub(crate) fn export_snapshot(
    directory: &Path,
    place: &Place,
    scope: Scope,
    wanted: Wanted<'_>,
    output: Option<&PathBuf>,
) -> Result<Exit, Failure> {
    let mut target = Target::open(directory, output, SNAPSHOT)?;
    let ask = Ask::ExportSnapshot {
        scope,
        snapshot: wanted.id.to_owned(),
        part: wanted.part.cloned(),
    };
    let mut conversation = Conversation::begin(place, ask)?;
    let copied = copy(&mut conversation, &mut target)?;
    let Exported { id, part, size } = verdict(&mut conversation, |item| match item {
        Item::Exported(exported) => Some(exported),
        _ => None,
    })?;
    is_all(copied, size)?;
    failure::note(&format!(
        "snapshot {id}, {part}: {}",
        ByteSize(size).display().si()
    ));
    target.keep()?;
    Ok(Exit::Ok)
}

/// Copies what the daemon writes to where it is to be.
fn copy(conversation: &mut Conversation, target: &mut Target) -> Result<u64, Failure> {
    target.copy(File::from(passed(conversation, Passed::Output)?))
}

fn is_all(here: u64, there: u64) -> Result<(), Failure> {
    if here == there {
        return Ok(());
    }
    let message = format!("the archive has {here} bytes here, and {there} over there");
    Err(Failure::new(Exit::Failed, message))
}

/// What the daemon says once it has written all.
fn verdict<T>(
    conversation: &mut Conversation,
    wanted: impl Fn(Item) -> Option<T>,
) -> Result<T, Failure> {
    let mut exported = None;
    loop {
        match conversation.answer()? {
            Answer::Item(item) => {
                exported = wanted(*item).or(exported);
            }
            Answer::Line(text) => failure::spoken(&text),
            Answer::Queued(_) | Answer::Raw(_) | Answer::Ran(_) => {}
            Answer::End(exit) => {
                let untold = || Failure::new(exit, "the daemon does not say what it wrote");
                return exported.ok_or_else(untold);
            }
        }
    }
}

/// Where an archive comes from.
///
/// # Errors
/// It is a terminal, or the file cannot be read.
pub(crate) fn source(
    directory: &Path,
    file: Option<&PathBuf>,
    example: &str,
) -> Result<File, Failure> {
    match file.filter(|file| file.as_os_str() != "-") {
        Some(file) => {
            let path = directory.join(file);
            File::open(&path).map_err(|error| {
                let what = format!("cannot read {}", path.display());
                Failure::new(Exit::Failed, what).because(error)
            })
        }
        None => {
            let input = io::stdin();
            if input.is_terminal() {
                return Err(
                    Failure::usage("no archive is named").hint(format!("name it: {example}"))
                );
            }
            let input = input.as_fd().try_clone_to_owned();
            Ok(input.map_err(unread)?.into())
        }
    }
}

/// Gives this machine's daemon an archive.
///
/// # Errors
/// Its refusal, or that it cannot be asked; that the archive cannot be read.
pub(crate) fn import(
    directory: &Path,
    place: &Place,
    scope: Scope,
    json: bool,
    file: Option<&PathBuf>,
) -> Result<Exit, Failure> {
    let input = source(directory, file, IMPORT)?;
    let mut conversation = Conversation::begin(place, Ask::ImportSlug(scope))?;
    let pipe = passed(&mut conversation, Passed::Input)?;
    send(input, pipe.into())?;
    let told = follow::hear(conversation, Lines::Talk)?;
    act::outcome(place, None, told, json)
}

/// Copies until the end, or until the daemon takes no more: then it says why.
///
/// # Errors
/// That it cannot be read.
pub(crate) fn send(input: File, mut pipe: File) -> Result<(), Failure> {
    let watched = pipe.as_fd().try_clone_to_owned().map_err(unread)?;
    send_through(input, &watched, &mut pipe)
}

/// The same, where something is done to it on its way into the pipe.
///
/// # Errors
/// As [`send`].
pub(crate) fn send_through(
    mut input: File,
    watched: &OwnedFd,
    pipe: &mut impl io::Write,
) -> Result<(), Failure> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let mut both = [
            PollFd::new(&input, PollFlags::IN),
            PollFd::new(watched, PollFlags::empty()),
        ];
        rustix::io::retry_on_intr(|| poll(&mut both, None)).map_err(|e| unread(e.into()))?;
        if both[1].revents().contains(PollFlags::ERR) {
            return Ok(());
        }
        let count = match input.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(unread)?,
        };
        if count == 0 {
            return Ok(());
        }
        match pipe.write_all(&buffer[..count]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(|error| {
                Failure::new(Exit::Unreachable, "the daemon cannot be given it").because(error)
            })?,
        }
    }
}

/// The one descriptor that is wanted.
///
/// # Errors
/// That another came.
pub(crate) fn passed(conversation: &mut Conversation, wanted: Passed) -> Result<OwnedFd, Failure> {
    let mut all = conversation.passed()?.into_iter();
    match (all.next(), all.next()) {
        (Some((word, descriptor)), None) if word == wanted => Ok(descriptor),
        _ => Err(Failure::new(
            Exit::Unreachable,
            "the daemon sent another descriptor than was asked for",
        )),
    }
}

fn unwritten(error: io::Error) -> Failure {
    Failure::new(Exit::Failed, "cannot write the archive").because(error)
}

fn unread(error: io::Error) -> Failure {
    Failure::new(Exit::Failed, "cannot read the archive").because(error)
}
