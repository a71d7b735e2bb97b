//! `wharf mount download` and `wharf mount upload`: files between this machine and a mount, or the far
//! side of ssh.

mod arriving;
mod sending;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bytesize::ByteSize;
use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Scope},
    mount::{self, Change, Holds},
    outcome::Exit,
    passed::Passed,
    slug::How,
    view::Item,
};

use crate::{
    act,
    archive::{self, Target},
    args::mount::{Download, Upload},
    daemon::{Answer, Conversation},
    failure::{self, Failure, plain},
    show,
};

use self::arriving::Arriving;
use self::sending::Source;

/// What a download is, and how to have it in a file.
const WHAT: (&str, &str) = ("an archive", "wharf mount download PATH -o FILE.tar");

/// Where what is downloaded goes.
enum Goal {
    /// A tar archive.
    Archive(Target),
    /// A directory or a file.
    Files(Arriving),
}

impl Goal {
    fn open(directory: &Path, download: &Download) -> Result<Goal, Failure> {
        let Some(output) = &download.output else {
            let to = download.to.as_deref();
            return Arriving::begin(directory, &download.path, to).map(Goal::Files);
        };
        let output = Some(output).filter(|output| output.as_os_str() != "-");
        Target::open(directory, output, WHAT).map(Goal::Archive)
    }

    fn take(&mut self, mut from: impl Read) -> Result<u64, Failure> {
        match self {
            Goal::Archive(target) => target.copy(from),
            Goal::Files(arriving) => arriving.take(&mut from),
        }
    }

    fn keep(self) -> Result<(), Failure> {
        match self {
            Goal::Archive(target) => target.keep(),
            Goal::Files(arriving) => arriving.keep(),
        }
    }
}

/// Takes what is in a mount from this machine's daemon.
///
/// # Errors
/// Its refusal, or that it cannot be asked; that it cannot be written here, or is not whole.
pub(crate) fn download(
    directory: &Path,
    place: &Place,
    scope: Scope,
    download: &Download,
) -> Result<Exit, Failure> {
    let mut goal = Goal::open(directory, download)?;
    let path = download.path.clone();
    let mut conversation = Conversation::begin(place, Ask::Download { scope, path })?;
    let pipe = File::from(archive::passed(&mut conversation, Passed::Output)?);
    let taken = goal.take(pipe)?;
    let told = verdict(&mut conversation)?;
    if told.size != taken {
        let text = format!("{taken} bytes are here, and {} over there", told.size);
        return Err(Failure::new(Exit::Failed, text));
    }
    failure::note(&format!(
        "{} {}, {} (activity {})",
        told.files,
        if told.files == 1 { "file" } else { "files" },
        ByteSize(told.bytes).display().si(),
        plain(&told.activity),
    ));
    goal.keep()?;
    Ok(Exit::Ok)
}

/// What the daemon says once it has written all.
fn verdict(conversation: &mut Conversation) -> Result<mount::Download, Failure> {
    let mut told = None;
    loop {
        match conversation.answer()? {
            Answer::Item(item) => {
                if let Item::Download(download) = *item {
                    told = Some(download);
                }
            }
            Answer::Line(text) => failure::spoken(&text),
            Answer::Queued(_) | Answer::Raw(_) | Answer::Ran(_) => {}
            Answer::End(exit) => {
                let untold = || Failure::new(exit, "the daemon does not say what it wrote");
                return told.ok_or_else(untold);
            }
        }
    }
}

/// Gives this machine's daemon what comes into a mount.
///
/// # Errors
/// Its refusal, or that it cannot be asked; that it cannot be read here.
pub(crate) fn upload(
    directory: &Path,
    place: &Place,
    scope: Scope,
    json: bool,
    upload: &Upload,
) -> Result<Exit, Failure> {
    let source = Source::open(directory, upload)?;
    let ask = Ask::Upload {
        scope,
        upload: mount::Upload {
            path: upload.path.clone(),
            holds: source.holds(upload),
            name: upload.name(),
            delete: upload.delete,
            dry_run: upload.dry_run,
        },
    };
    let mut conversation = Conversation::begin(place, ask)?;
    let pipe = archive::passed(&mut conversation, Passed::Input)?;
    source.send(pipe.into())?;
    if upload.dry_run {
        return changes(&mut conversation, json);
    }
    let told = crate::follow::hear(conversation, crate::follow::Lines::Talk)?;
    act::outcome(place, None, told, json)
}

/// Shows what would be changed.
fn changes(conversation: &mut Conversation, json: bool) -> Result<Exit, Failure> {
    let mut all: Vec<Change> = Vec::new();
    loop {
        match conversation.answer()? {
            Answer::Item(item) => {
                if let Item::Change(change) = *item {
                    all.push(change);
                }
            }
            Answer::Line(text) => failure::spoken(&text),
            Answer::Queued(_) | Answer::Raw(_) | Answer::Ran(_) => {}
            Answer::End(exit) if json => {
                show::json(&all)?;
                return Ok(exit);
            }
            Answer::End(exit) => {
                let lines: String = all.iter().map(line).collect();
                show::data(lines.as_bytes())?;
                return Ok(exit);
            }
        }
    }
}

fn line(change: &Change) -> String {
    let sign = match change.how {
        How::Added => '+',
        How::Removed => '-',
        How::Changed | How::Moved => '~',
    };
    format!("{sign} {}\n", plain(&change.path))
}

/// Takes it from the far side of ssh, which says how it ended by its exit status: returns that, and
/// whoever asked it.
pub(crate) struct Far<'a> {
    directory: &'a Path,
}

impl<'a> Far<'a> {
    pub(crate) fn at(directory: &'a Path) -> Far<'a> {
        Far { directory }
    }

    /// Runs ssh, and writes what it prints to where it is wanted; `ended` reads its exit status.
    ///
    /// # Errors
    /// As [`download`].
    pub(crate) fn download(
        &self,
        ssh: &mut Command,
        download: &Download,
        ended: impl FnOnce(std::process::ExitStatus) -> Result<u8, Failure>,
    ) -> Result<u8, Failure> {
        let mut goal = Goal::open(self.directory, download)?;
        let unrun = |error| Failure::new(Exit::Unreachable, "cannot run ssh").because(error);
        let mut child = ssh.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let child = child
            .as_mut()
            .map_err(|error| unrun(io::Error::from(error.kind())))?;
        let output = child.stdout.take().expect("it is piped");
        let taken = goal.take(output);
        let code = ended(child.wait().map_err(unrun)?)?;
        if code != Exit::Ok.code() {
            // It has said why, and that is why nothing more came.
            return Ok(code);
        }
        taken?;
        goal.keep()?;
        Ok(code)
    }

    /// Runs ssh with what comes on its standard input.
    ///
    /// # Errors
    /// As [`upload`].
    pub(crate) fn upload(
        &self,
        ssh: &mut Command,
        upload: &Upload,
        ended: impl FnOnce(std::process::ExitStatus) -> Result<u8, Failure>,
    ) -> Result<u8, Failure> {
        let unrun = |error| Failure::new(Exit::Unreachable, "cannot run ssh").because(error);
        let source = Source::open(self.directory, upload)?;
        if let Source::Archive(file) = source {
            return ended(ssh.stdin(file).status().map_err(unrun)?);
        }
        let mut child = ssh.stdin(Stdio::piped()).spawn().map_err(unrun)?;
        let input = child.stdin.take().expect("it is piped");
        let sent = source.send(std::os::fd::OwnedFd::from(input).into());
        let code = ended(child.wait().map_err(unrun)?);
        sent?;
        code
    }
}

impl Source {
    /// What the archive holds.
    fn holds(&self, upload: &Upload) -> Holds {
        match upload.name() {
            Some(_) => Holds::File,
            None => Holds::Directory,
        }
    }
}

/// Where a relative path of somebody's is.
fn resolve(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path)
}
