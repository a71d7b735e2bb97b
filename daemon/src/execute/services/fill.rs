//! A service's content, written out and read into a fresh place: nothing of what serves is touched by it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use tokio::net::unix::pipe::Receiver;
use wharf_config::application::Service;
use wharf_config::name::ProcessName;

use super::attached::{self, Attached};
use super::beside::beside;
use super::command::{self, Stand};
use super::{One, content, make, room};
use crate::disk;
use crate::execute::activity::Act;
use crate::execute::dumps;
use crate::execute::failure::Failure;
use crate::execute::snapshots::Feed;
use crate::fail;
use crate::plan::dumps::marked;
use crate::plan::services::{self as plan, Command, Content, Load};
use crate::run::sandbox::Sandbox;

/// Begins to write out what a service holds that runs there.
///
/// # Errors
/// That it cannot be begun; none where it holds nothing that lasts.
async fn dump(
    act: &Act,
    (one, stand): (&One<'_>, &Stand),
    output: Stdio,
) -> Result<Option<Attached>, Failure> {
    let Some(Content { dump, .. }) = &one.recipe.content else {
        return Ok(None);
    };
    let dump = marked(one.service.kind, dump, &content::mark(act, one.name));
    let sandbox = stand.client(act, &dump);
    let words = format!("dump-{}", one.name);
    let streams = (Stdio::null(), output);
    let dumping = attached::begin(act, &words, sandbox, &dump, streams).await?;
    fail::point(format_args!("dump of {}: begun", one.name));
    Ok(Some(dumping))
}

/// Has what one service holds, which runs there, come into a directory that is made for another.
///
/// # Errors
/// That the one cannot be written out, or the other cannot read it; something may be in the directory then.
pub(super) async fn pass_on(
    (from, theirs, stand): (&Act, &One<'_>, &Stand),
    (act, ours, directory): (&Act, &One<'_>, &Path),
    failed: &str,
) -> Result<(), Failure> {
    let (input, output) = io::pipe().map_err(no_pipe)?;
    let Some(dumping) = dump(from, (theirs, stand), output.into()).await? else {
        return Ok(());
    };
    let (filled, dumped) = tokio::join!(
        Box::pin(fill(act, ours, directory, input.into())),
        dumping.finish(failed)
    );
    // Whoever reads no more ends who writes, too.
    filled.and(dumped)
}

/// Makes what a service is to hold in a directory of this name, of what a dump says; what was there is gone.
///
/// # Errors
/// Why it cannot be read in, or that the disk is full; something may be in the directory then.
async fn fill(act: &Act, one: &One<'_>, directory: &Path, input: Stdio) -> Result<(), Failure> {
    let filled = make_and_load(act, one, directory, input).await;
    filled.map_err(|failure| room::or_full(directory, failure))
}

async fn make_and_load(
    act: &Act,
    one: &One<'_>,
    directory: &Path,
    input: Stdio,
) -> Result<(), Failure> {
    if one.recipe.content.is_none() {
        return Ok(());
    }
    let one = &Box::pin(make::fresh(act, one.clone(), directory)).await?;
    let Some(Content { load, .. }) = &one.recipe.content else {
        return Ok(());
    };
    match load {
        Load::Files(command) => {
            let sandbox = command::alone(act, directory.to_owned(), command);
            load_by(act, one, (sandbox, command), input).await?;
        }
        Load::Served(command) => {
            let all = [(one, directory.to_owned())];
            let served = beside(act, &all, async |sockets| {
                let stand = Stand {
                    data: directory.to_owned(),
                    sockets: sockets.to_owned(),
                };
                let sandbox = stand.client(act, command);
                load_by(act, one, (sandbox, command), input).await
            });
            Box::pin(served).await?;
        }
    }
    let synced = tokio::task::block_in_place(|| disk::sync_filesystem(directory));
    synced.map_err(|error| Failure::host("what was read in may not last", &error))
}

/// Runs the command that reads a dump to its end.
async fn load_by(
    act: &Act,
    one: &One<'_>,
    (sandbox, command): (Sandbox, &Command),
    input: Stdio,
) -> Result<(), Failure> {
    let words = format!("load-{}", one.name);
    let streams = (input, Stdio::null());
    let loading = attached::begin(act, &words, sandbox, command, streams).await?;
    fail::point(format_args!("load of {}: begun", one.name));
    let failed = format!("service {} cannot read the dump", one.name);
    loading.finish(&failed).await?;
    fail::point(format_args!("load of {}: done", one.name));
    Ok(())
}

/// The same of a dump in a file.
///
/// # Errors
/// As [`fill`], and that this host has no server for it.
pub(in crate::execute) async fn fill_from_file(
    act: &Act,
    (name, service): (&ProcessName, &Service),
    file: &Path,
    directory: &Path,
) -> Result<(), Failure> {
    let one = One::asked(act, name, service).await?;
    fill(act, &one, directory, open(file)?.into()).await
}

fn open(file: &Path) -> Result<File, Failure> {
    File::open(file).map_err(|error| Failure::host("cannot read a dump", &error))
}

/// The same of one that is packed: it is unpacked on its way.
///
/// # Errors
/// As [`fill_from_file`], and that it cannot be unpacked.
pub(in crate::execute) async fn fill_from_packed(
    act: &Act,
    (name, service): (&ProcessName, &Service),
    file: &Path,
    directory: &Path,
) -> Result<(), Failure> {
    let one = One::asked(act, name, service).await?;
    let file = open(file)?;
    let (from, into) = io::pipe().map_err(no_pipe)?;
    // It ends with the pipe, whatever becomes of the server.
    let pouring = tokio::task::spawn_blocking(move || dumps::pour(file, into));
    let filled = fill(act, &one, directory, from.into()).await;
    let poured = pouring.await.expect("unpacking does not panic");
    filled.and(poured)
}

fn no_pipe(error: io::Error) -> Failure {
    Failure::host("cannot make a pipe", &error)
}

/// What a running service of the activity's environment holds, as a stream; none where it holds nothing that lasts.
///
/// # Errors
/// That it does not run, or cannot be begun.
pub(in crate::execute) async fn feed(
    act: &Act,
    (name, service): (&ProcessName, &Service),
) -> Result<Option<Feed>, Failure> {
    if !plan::lasts(service.kind) {
        return Ok(None);
    }
    let one = One::of(act, name, service).await?;
    content::insist_it_runs(act, name).await?;
    let stand = Stand::own(act, name);
    let (from, output) = io::pipe().map_err(no_pipe)?;
    let Some(dumping) = dump(act, (&one, &stand), output.into()).await? else {
        return Ok(None);
    };
    let from = Receiver::from_owned_fd(OwnedFd::from(from)).map_err(no_pipe)?;
    let failed = format!("service {name} cannot be written out");
    Ok(Some(Feed {
        from: Box::new(from),
        verdict: Box::pin(async move { dumping.finish(&failed).await }),
    }))
}
