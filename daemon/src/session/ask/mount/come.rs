//! `wharf mount upload`: what comes, and what it does to what is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::unix::pipe;
use wharf_wire::FromDaemon;
use wharf_wire::ask::Scope;
use wharf_wire::mount::{Change, Holds, Upload};
use wharf_wire::outcome::{Exit, Kind, State};
use wharf_wire::passed::Passed;
use wharf_wire::view::Item;

use super::super::super::Session;
use super::super::super::peer::Broken;
use super::super::archive::no_pipe;
use super::super::tree::refusal;
use super::carry::{Carried, Ended, close, not_passed};
use super::refused;
use crate::disk;
use crate::execute::archive::Inlet;
use crate::execute::failure::chain;
use crate::execute::mount::{self, Done, Merging, Most, MountError, Remove, SILENCE, Thing};
use crate::plan::mounts::Named;
use crate::plan::rights::Act;
use crate::report;

/// Where it goes, and how.
#[derive(Clone)]
struct Coming {
    named: Named,
    holds: Holds,
    /// Where in the staging directory it goes: as the mount is laid out.
    at: PathBuf,
    remove: Remove,
    staging: PathBuf,
    mount: PathBuf,
    all: PathBuf,
    /// What all of the environment's mounts may hold.
    limit: Option<u64>,
    most: Most,
}

impl Session {
    pub(in crate::session) async fn upload(
        &mut self,
        scope: &Scope,
        upload: Upload,
    ) -> Result<(), Broken> {
        if upload.delete && upload.holds == Holds::File {
            return Err(refusal(
                "upload-refused",
                "--delete is for directories".to_owned(),
                "leave it out, or upload the directory",
            ));
        }
        let mut carried = self.carried(scope, Act::Upload, &upload.path).await?;
        let repository = self.project_of(&carried.record)?.repository;
        self.need_room(&repository).await?;
        let coming = tokio::task::block_in_place(|| self.aim(&carried, &upload));
        let coming = coming.map_err(|error| refused(error.reason()))?;
        let aside = match upload.dry_run {
            true => None,
            false => Some(self.begin(Kind::Upload, &carried).await?),
        };
        let done = self.take_up(&mut carried, &coming, upload.dry_run).await;
        let removed = tokio::task::block_in_place(|| disk::remove_tree(&coming.staging));
        if let Err(error) = removed {
            // The next start sweeps it.
            tracing::warn!(error = chain(&error), "what was unpacked stays");
        }
        let done = match done {
            Ok(done) => done,
            Err(ended) => {
                if let Some(aside) = &aside {
                    let reason = ended.reason();
                    aside.note(&reason.message);
                    close(aside, &ended, reason).await;
                }
                return Err(ended.said());
            }
        };
        let Some(aside) = aside else {
            return self.list(&coming, done).await;
        };
        let (id, told) = (aside.id.clone(), told(&done));
        aside.note(&told);
        aside.close(State::Succeeded, None).await;
        let activities = vec![id.clone()];
        self.peer.send(&FromDaemon::Queued { activities }).await?;
        let (path, environment) = (coming.named.path(), &carried.record.key.id);
        let mut lines = vec![format!("{path} of {environment}: {told} (activity {id})")];
        if coming.mount.is_file() {
            let text = "what runs sees the new file once it is started again";
            let hint = format!("start it again with: wharf redeploy -e {environment}");
            lines.extend(report::remark(text));
            lines.extend(report::remark(&hint));
        }
        self.peer.lines(lines).await?;
        self.end(Exit::Ok).await
    }

    /// Unpacks what comes beside the mount, then brings it there.
    async fn take_up(
        &mut self,
        carried: &mut Carried,
        coming: &Coming,
        is_dry: bool,
    ) -> Result<Done, Ended> {
        let (theirs, ours) = pipe::pipe().map_err(|error| not_passed(no_pipe(error)))?;
        let theirs = theirs.into_blocking_fd();
        let theirs = theirs.map_err(|error| not_passed(no_pipe(error)))?;
        let passed = self.peer.pass(vec![(Passed::Input, theirs)]).await;
        passed.map_err(not_passed)?;
        let coming = coming.clone();
        self.until_carried(&mut carried.place, move |stop| {
            let input = Inlet::new(ours, stop.clone()).patient(SILENCE);
            let Coming {
                staging,
                at,
                holds,
                most,
                ..
            } = &coming;
            mount::unpack(input, staging, at, *holds, *most, stop)?;
            let merging = Merging {
                staging,
                mount: &coming.mount,
                all: &coming.all,
                named: &coming.named,
                remove: coming.remove,
                stop,
            };
            let done = merging.survey(coming.limit)?;
            if is_dry {
                return Ok(done);
            }
            merging.merge(done.count())
        })
        .await
    }

    /// Looks where it goes. Blocks.
    fn aim(&self, carried: &Carried, upload: &Upload) -> Result<Coming, MountError> {
        let world = Arc::clone(&self.world);
        let (key, named) = (&carried.record.key, carried.named.clone());
        let mount = self.place_of(&carried.record, &named);
        let all = world.paths.mounts(&key.project, &key.id);
        let settings = world.settings();
        let (limit, free) = (settings.host.processes.disk, disk::free_space(&all));
        let least = settings.host.keep.min_free.size;
        let free = match free {
            Ok(free) => free.bytes.saturating_sub(least),
            Err(_) => return Err(MountError::Missing(named.mount.to_string())),
        };
        let bounds = [named.quota, limit, Some(free)];
        let bytes = bounds.into_iter().flatten().min().unwrap_or(free);
        Ok(Coming {
            at: at(&mount, &named, upload)?,
            holds: upload.holds,
            remove: match upload.delete {
                true => Remove::Others,
                false => Remove::Nothing,
            },
            staging: world.paths.arriving_files(&key.project, &key.id),
            mount,
            all,
            limit,
            most: Most { bytes },
            named,
        })
    }

    /// Says what would be done.
    async fn list(&mut self, coming: &Coming, done: Done) -> Result<(), Broken> {
        let told = told(&done);
        let more = done.count().saturating_sub(done.changes.len() as u64);
        for change in done.changes {
            let path = match change.path.as_str() {
                "" => coming.named.mount.to_string(),
                path => format!("{}/{path}", coming.named.mount),
            };
            self.item(Item::Change(Change { path, ..change })).await?;
        }
        if more > 0 {
            let text = format!("{} are not listed", report::count(more, "more change"));
            self.peer.lines(report::remark(&text)).await?;
        }
        let text = format!("nothing is done; it would be: {told}");
        self.peer.lines(report::remark(&text)).await?;
        self.end(Exit::Ok).await
    }
}

/// Where in a mount what comes goes.
fn at(mount: &Path, named: &Named, upload: &Upload) -> Result<PathBuf, MountError> {
    let below = match named.below.is_top() {
        true => PathBuf::new(),
        false => named.below.as_path().to_owned(),
    };
    let name = || {
        let name = upload.name.as_deref().unwrap_or_default();
        match wharf_config::name::RelPath::parse(name) {
            Ok(name) if !name.is_top() && !name.as_str().contains('/') => Ok(name),
            _ => Err(MountError::Unfit {
                path: name.escape_debug().to_string(),
                why: "is no name for a file".to_owned(),
            }),
        }
    };
    match (mount::open(mount, named), upload.holds) {
        (Ok(Thing::Directory(_)), Holds::File) => Ok(below.join(name()?.as_path())),
        // The mount itself is one file: whatever it is called.
        (Ok(Thing::File(..)), Holds::File) if named.below.is_top() => Ok(PathBuf::from("file")),
        (Ok(Thing::File(..)), Holds::Directory) => Err(MountError::Unfit {
            path: named.path(),
            why: "is a file there, and what is uploaded is a directory".to_owned(),
        }),
        (Err(MountError::Missing(_)), _) if !named.below.is_top() => Ok(below),
        (Ok(_), _) => Ok(below),
        (Err(error), _) => Err(error),
    }
}

fn told(done: &Done) -> String {
    format!(
        "{} added, {} replaced, {} removed",
        report::count(done.added, "file"),
        done.replaced,
        done.removed
    )
}
