//! `wharf db import`: a dump comes, and is queued to be read in once all of it is there.

use std::sync::Arc;

use tokio::net::unix::pipe;
use wharf_config::application::ServiceKind;
use wharf_config::name::ProcessName;
use wharf_wire::ask::{Scope, SlugUse};
use wharf_wire::outcome::Kind;
use wharf_wire::passed::Passed;
use wharf_wire::view::{Commit, Reason};

use super::super::peer::Broken;
use super::super::rights::kind_of;
use super::super::scope::missing;
use super::super::{Session, host};
use super::archive::{Undone, no_pipe, refused, until_ended};
use super::run::no_place;
use super::standing::lives;
use crate::disk;
use crate::execute::archive::Inlet;
use crate::execute::dumps::{self, Coming};
use crate::execute::end;
use crate::execute::failure::{Failure, chain};
use crate::execute::hands::Place;
use crate::execute::mount::SILENCE;
use crate::fail;
use crate::plan::dumps::{Family, Mark};
use crate::plan::rights::Act;
use crate::plan::snapshots::NotThere;
use crate::report;
use crate::store::environment::EnvironmentRecord;
use crate::store::release::ReleaseRecord;

/// Where it goes.
struct Target {
    record: EnvironmentRecord,
    release: ReleaseRecord,
    name: ProcessName,
    kind: ServiceKind,
    family: Family,
    /// Among those who do something by hand there: whoever takes the environment down ends it first.
    place: Place,
}

impl Session {
    pub(super) async fn import_dump(
        &mut self,
        scope: &Scope,
        service: Option<&str>,
    ) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let mut against = self.rights(&[Act::Restore], &record)?;
        against.take(lives(&record))?;
        let release = against.and(self.insist_on_serving(&record).await)?;
        let found = dumps::service_for(&release.application, service);
        let (name, service) = found.map_err(|failure| {
            let missed = missing(&failure.reason.code, &failure.reason.message);
            missed.hint(failure.reason.hint.unwrap_or_default())
        })?;
        let (name, kind) = (name.clone(), service.kind);
        let project = self.project_of(&record)?;
        self.need_room(&project.repository).await?;
        let family = self.family_of(&record).await?;
        let place = self.world.hands.take(&record.key);
        let place = place.map_err(|error| no_place(&record.key, &error))?;
        let target = Target {
            record,
            release,
            name,
            kind,
            family,
            place,
        };
        let ids = self.take_dump_in(target).await?;
        self.watch_queued(ids).await
    }

    /// Takes it in where the next start would sweep it, gives it its place, and records who is to read it.
    async fn take_dump_in(&mut self, mut target: Target) -> Result<Vec<String>, Broken> {
        let world = Arc::clone(&self.world);
        let key = target.record.key.clone();
        let staging = world.paths.arriving_files(&key.project, &key.id);
        let bytes = self.receive_dump(&mut target, &staging).await;
        let token = format!("{:016x}", rand::random::<u64>());
        let waiting = world.paths.dump(&key.project, &key.id, &token);
        let there = bytes.and_then(|bytes| {
            let moved = tokio::task::block_in_place(|| disk::rename(&staging, &waiting));
            moved.map_err(|error| host(chain(&error)))?;
            fail::point(format_args!("dump: there"));
            Ok(bytes)
        });
        let queued = async {
            let text = format!(
                "{} came, and {} of {} reads it next",
                report::size(there?),
                target.name,
                key.id
            );
            self.peer.lines(report::remark(&text)).await?;
            // It waits for whoever is there by hand, and so for us.
            drop(target.place);
            let commit = Commit {
                old: None,
                new: Some(target.release.commit),
                subject: target.release.subject,
                forced: false,
            };
            let kind = Kind::DatabaseImport;
            let mut activity =
                self.new_activity(target.record, kind, commit, SlugUse::Reuse, None)?;
            activity.source = Some(token);
            self.queue(activity).await
        };
        let queued = queued.await;
        if queued.is_err() {
            let removed = tokio::task::block_in_place(|| {
                disk::remove_tree(&staging).and_then(|()| disk::remove_tree(&waiting))
            });
            if let Err(error) = removed {
                // The next start sweeps it.
                tracing::warn!(error = chain(&error), "a dump that did not come stays");
            }
            fail::point(format_args!("dump: thrown away"));
        }
        queued
    }

    async fn receive_dump(
        &mut self,
        target: &mut Target,
        staging: &std::path::Path,
    ) -> Result<u64, Broken> {
        let key = &target.record.key;
        let paths = &self.world.paths;
        let free = tokio::task::block_in_place(|| {
            let mounts = paths.mounts(&key.project, &key.id);
            disk::make_directory(&mounts)?;
            disk::free_space(&mounts)
        });
        let free = free.map_err(|error| host(chain(&error)))?.bytes;
        let least = self.world.settings().host.keep.min_free.size;
        let (family, into) = (target.family.clone(), key.id.to_string());
        let again = end::again(Kind::DatabaseImport, &into);
        let coming = Coming {
            file: staging.join(target.name.as_str()),
            kind: target.kind,
            room: free.saturating_sub(least),
            may: move |mark: &Mark| goes_there(&family, mark, &into),
        };
        let (theirs, ours) = pipe::pipe().map_err(no_pipe)?;
        let theirs = theirs.into_blocking_fd().map_err(no_pipe)?;
        self.peer.pass(vec![(Passed::Input, theirs)]).await?;
        let ended = async {
            tokio::select! {
                () = self.peer.gone() => None,
                reason = target.place.stopped() => Some(reason),
            }
        };
        let taken = until_ended(ended, move |stop| {
            let input = Inlet::new(ours, stop.clone()).patient(SILENCE);
            dumps::take_in(input, &coming, stop)
        });
        taken.await.map_err(|undone| match undone {
            Undone::Failed(failure) => refused(failure.again_with_room(&again)),
            Undone::Ended(None, _) => Broken::Gone,
            Undone::Ended(Some(reason), _) => refused(of_reason(reason)),
            Undone::Broke(text) => host(text),
        })
    }

    /// The release whose services they are.
    async fn insist_on_serving(&self, record: &EnvironmentRecord) -> Result<ReleaseRecord, Broken> {
        let id = &record.key.id;
        self.serving(record).await?.ok_or_else(|| {
            missing("not-live", &format!("nothing serves {id} yet"))
                .hint(format!("see why with: wharf log -e {id}"))
        })
    }

    /// What is to be known of its project to tell whose data may come into an environment.
    async fn family_of(&self, record: &EnvironmentRecord) -> Result<Family, Broken> {
        let scope = Scope {
            project: Some(record.key.project.to_string()),
            ..Scope::default()
        };
        let tree = self.tree(&scope).await?;
        let settings = self.world.settings();
        let kinds = tree.records.iter();
        let kinds = kinds.map(|one| {
            (
                one.key.id.to_string(),
                kind_of(&settings, &tree.project, one),
            )
        });
        Ok(Family {
            project: tree.project.name.to_string(),
            parents: tree.parents(),
            kinds: kinds.collect(),
            sanitize: tree.project.sanitize.clone(),
        })
    }
}

/// Refuses to bring data up or beside.
fn goes_there(family: &Family, mark: &Mark, into: &str) -> Result<(), Failure> {
    family.may(mark, into).map_err(|why| {
        let shown = |text: &str| text.chars().take(80).collect::<String>();
        let (project, from) = (shown(&mark.project), shown(&mark.environment));
        let message = format!("this dump of {project}/{from} may not come into {into}: {why}");
        let hint = match why {
            NotThere::Unscrubbed => {
                "it comes scrubbed with: wharf sync data; where nobody in it has to be hidden, the operator writes \
                 into the project's file: [data] sanitize = false"
            }
            NotThere::Upward | NotThere::Guarded { .. } => "see the tree: wharf environments",
        };
        Failure::new("data-upward", message.escape_debug().to_string()).hint(hint)
    })
}

fn of_reason(reason: Reason) -> Failure {
    let message = format!("it was ended: {}", reason.message);
    Failure {
        reason: Reason { message, ..reason },
        ..Failure::new("", "")
    }
}
