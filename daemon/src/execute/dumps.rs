//! Dumps that come: taken in as they are packed and looked through to their end; later a server reads them
//! into a fresh place, which then takes the place of what serves.
//!
//! What was taken in waits among the environment's data, in a directory of its own that its activity names,
//! as a file that is called as the service is. It goes when the activity has ended.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use bytesize::ByteSize;
use flate2::read::MultiGzDecoder;
use tokio_util::sync::CancellationToken;
use wharf_config::application::{Application, Service, ServiceKind};
use wharf_config::name::ProcessName;
use wharf_wire::outcome::Kind;

use super::activity::Act;
use super::archive::SILENT;
use super::arrival::{Manner, arrive, services_in};
use super::failure::{Failure, chain};
use super::housekeeping::names;
use super::mount::SILENCE;
use super::services::fill;
use super::world::World;
use crate::disk;
use crate::fail;
use crate::plan::dumps::{Look, Mark, NotOne};
use crate::store::activity::Task;

/// What is about to come.
pub struct Coming<M> {
    /// The file that it becomes, in a directory that is made for it.
    pub file: std::path::PathBuf,
    /// What its service is.
    pub kind: ServiceKind,
    /// Bytes that there is room for: packed in the file, and unpacked in the service.
    pub room: u64,
    /// Whether data of that mark may come.
    pub may: M,
}

/// Takes a packed dump in, and looks through it to its end. Blocks. Returns its bytes, unpacked.
///
/// # Errors
/// That it is none, or not whole, or may not come, or has no room; there may be some of it in the file.
pub fn take_in<M: Fn(&Mark) -> Result<(), Failure>>(
    input: impl Read,
    coming: &Coming<M>,
    stop: &CancellationToken,
) -> Result<u64, Failure> {
    let failed = |error| Failure::host("cannot take a dump in", &error).or_full();
    let directory = coming.file.parent().expect("below the state");
    disk::make_directory(directory).map_err(failed)?;
    // People's data is in it.
    disk::create_private(&coming.file).map_err(failed)?;
    let file = File::options().write(true).open(&coming.file);
    let kept = Kept {
        input,
        file: file
            .map_err(disk::at("open", &coming.file))
            .map_err(failed)?,
        room: coming.room,
        left: coming.room,
        full: None,
    };
    let mut plain = MultiGzDecoder::new(kept);
    let (mut look, mut buffer) = (Look::default(), vec![0; 64 * 1024]);
    let mut is_judged = false;
    fail::point(format_args!("dump: coming"));
    loop {
        if stop.is_cancelled() {
            return Err(Failure::cancelled());
        }
        let count = match plain.read(&mut buffer) {
            Ok(count) => count,
            Err(error) => return Err(unread(&error, plain.get_mut().full.take(), stop)),
        };
        look.take(&buffer[..count]);
        if look.bytes > coming.room {
            return Err(too_large(coming.room));
        }
        if count == 0 {
            break;
        }
        if look.has_head() && !is_judged {
            // Before the rest of it comes.
            all_may(look.begins(coming.kind), coming)?;
            is_judged = true;
        }
    }
    all_may(look.ends(coming.kind), coming)?;
    let file = &plain.get_ref().file;
    file.sync_all()
        .map_err(disk::at("sync", &coming.file))
        .and_then(|()| disk::sync_directory(directory))
        .map_err(failed)?;
    Ok(look.bytes)
}

fn all_may<M: Fn(&Mark) -> Result<(), Failure>>(
    looked: Result<Vec<Mark>, NotOne>,
    coming: &Coming<M>,
) -> Result<(), Failure> {
    let marks = looked.map_err(|error| {
        let (code, hint) = match &error {
            NotOne::CutOff => (
                "dump-damaged",
                "make it again, and hold its size against what it was",
            ),
            NotOne::Packed(_) => (
                "dump-refused",
                "unpack it on its way, such as: zstd -dc FILE | wharf db import -",
            ),
            NotOne::Empty | NotOne::Other { .. } | NotOne::Mark => (
                "dump-refused",
                "take what `wharf db dump` wrote, or the server's own tools, as it is",
            ),
        };
        Failure::new(code, format!("the dump is not read in: {error}")).hint(hint)
    })?;
    marks.iter().try_for_each(&coming.may)
}

/// What is read is kept, too.
struct Kept<R> {
    input: R,
    file: File,
    /// Bytes that there is room for, and how much of it is left.
    room: u64,
    left: u64,
    /// Why it cannot be.
    full: Option<Failure>,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let no_room = |failure| (Some(failure), io::Error::other("no room"));
        let kept = match self.left.checked_sub(count as u64) {
            None => Err(no_room(too_large(self.room))),
            Some(left) => {
                self.left = left;
                let written = self.file.write_all(&buffer[..count]);
                written.map_err(|error| {
                    no_room(Failure::host("cannot take a dump in", &error).or_full())
                })
            }
        };
        match kept {
            Ok(()) => Ok(count),
            Err((full, error)) => {
                self.full = full;
                Err(error)
            }
        }
    }
}

fn too_large(room: u64) -> Failure {
    let room = ByteSize(room).display().si();
    Failure::full(format!(
        "the host's disk is full: the dump has more than the {room} that are free for it"
    ))
}

/// Why it cannot be read on.
fn unread(error: &io::Error, full: Option<Failure>, stop: &CancellationToken) -> Failure {
    if let Some(full) = full {
        return full;
    }
    if stop.is_cancelled() {
        return Failure::cancelled();
    }
    let silence = humantime::format_duration(SILENCE);
    match error.kind() {
        SILENT => Failure::new("mount-silent", format!("nothing was sent for {silence}"))
            .hint("try it again"),
        io::ErrorKind::UnexpectedEof => damaged("it was cut off".to_owned()),
        _ => damaged(chain(error)),
    }
}

fn damaged(why: String) -> Failure {
    Failure::new("dump-damaged", format!("the dump is not whole: {why}"))
        .hint("nothing of it was read in; make it again, or send it again")
}

/// Unpacks a dump that was taken in. Blocks.
///
/// # Errors
/// That it is not what it was, or cannot be written.
pub(super) fn pour(file: File, mut into: impl Write) -> Result<(), Failure> {
    match io::copy(&mut MultiGzDecoder::new(file), &mut into) {
        // Whoever reads it may know its end before it ends, and says whether all was well.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(damaged(chain(&error))),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Has the release's own server read a dump, and what it made of it take the place of what the service holds.
///
/// # Errors
/// As [`arrive`]; that the dump is gone, or the server does not read it.
pub(super) async fn import(act: &mut Act) -> Result<Option<u32>, Failure> {
    let manner = Manner {
        code: "data-restored",
        done: "imported",
        whose: "the dump's".to_owned(),
        otherwise: "what was there is kept on the host".to_owned(),
    };
    arrive(act, &manner, async |act, arriving| {
        let began = Instant::now();
        let (name, bytes) = read_in(act, arriving).await?;
        let size = ByteSize(bytes).display().si();
        act.did("fetch", format!("{name}: {size} are read in"), began);
        Ok(())
    })
    .await
}

async fn read_in(act: &Act, arriving: &Path) -> Result<(ProcessName, u64), Failure> {
    let gone = || {
        Failure::new(
            "dump-gone",
            "the dump that was to be read in is not there any more",
        )
        .hint("import it again")
    };
    let failed =
        |error: disk::DiskError| Failure::host("cannot make a directory", &error).or_full();
    let token = act.task.source.as_deref().unwrap_or_default();
    let key = act.key();
    let place = act.world.paths.dump(&key.project, &key.id, token);
    let found = tokio::task::block_in_place(|| names(&place)).unwrap_or_default();
    let [name] = found.as_slice() else {
        return Err(gone());
    };
    let name = ProcessName::parse(name).map_err(|_| gone())?;
    let file = place.join(name.as_str());
    let number = act.task.release.or(act.previous);
    let release = match number {
        Some(number) => act.world.recorder.release(key, number).await?,
        None => None,
    };
    let application = release.map(|release| release.application);
    let service = application
        .as_ref()
        .and_then(|application| application.services.get(&name))
        .ok_or_else(|| {
            let message = format!("what serves has no service {name} any more");
            Failure::new("no-database", message).hint("import it again, and name another")
        })?;
    let services = services_in(arriving);
    tokio::task::block_in_place(|| {
        disk::remove_tree(arriving)?;
        disk::make_directory(arriving)?;
        disk::make_directory(&services)
    })
    .map_err(failed)?;
    let into = services.join(name.as_str());
    let bytes = tokio::task::block_in_place(|| disk::measure(&file));
    fill::fill_from_packed(act, (&name, service), &file, &into).await?;
    Ok((name, bytes))
}

/// The service into which a dump may be read: the one that is named, or the only one.
///
/// # Errors
/// That there is none such, or nothing can be read into it.
pub fn service_for<'a>(
    application: &'a Application,
    name: Option<&str>,
) -> Result<(&'a ProcessName, &'a Service), Failure> {
    super::services::content::readable(application, name)
}

/// Removes what an activity that has ended was to read in.
pub async fn forget(world: &World, task: &Task) {
    let Some(token) = task
        .source
        .as_deref()
        .filter(|_| task.kind == Kind::DatabaseImport)
    else {
        return;
    };
    let place = world.paths.dump(&task.key.project, &task.key.id, token);
    let removed = tokio::task::block_in_place(|| disk::remove_tree(&place));
    if let Err(error) = removed {
        // The next start sweeps it.
        tracing::warn!(path = %place.display(), error = chain(&error), "a dump stays");
    }
}

/// The dumps that activities wait for or work with, by the names of their directories.
///
/// # Errors
/// When the record cannot be read.
pub(super) async fn wanted(world: &World) -> Result<BTreeSet<String>, crate::store::StoreError> {
    let unfinished = world.recorder.unfinished().await?.into_iter();
    let imports = unfinished.filter(|task| task.kind == Kind::DatabaseImport);
    let tokens = imports.filter_map(|task| task.source);
    Ok(tokens
        .map(|token| crate::store::paths::Paths::dump_name(&token))
        .collect())
}

#[cfg(test)]
mod tests;
