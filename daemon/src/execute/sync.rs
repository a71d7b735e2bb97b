//! Data that comes down to an environment from its parent: copied beside what is there, scrubbed before anybody
//! can reach it, counted, and put in its place.
//!
//! Files of `data` mounts are shared with the parent's where the file system can do that; what services hold
//! goes from one server's dump into another server. Where anything fails, nothing of it arrives.

mod files;
mod first;
mod scrub;

use std::path::Path;
use std::time::Instant;

use wharf_config::application::Application;
use wharf_config::name::EnvironmentId;
use wharf_wire::event::Event;

use super::activity::Act;
use super::anew::anew;
use super::arrival::{Manner, Rest, mounts_in, services_in};
use super::failure::Failure;
use super::services::{copy, room};
use crate::disk;
use crate::plan::snapshots::{NotThere, Origin, may_restore};
use crate::store::release::ReleaseRecord;

pub(super) use first::{first, is_whole};
pub(super) use scrub::scrub;

/// An environment that data comes from, and what serves there.
#[derive(Debug)]
pub(super) struct Source {
    act: Act,
    release: ReleaseRecord,
}

impl Source {
    /// What serves in an environment of the same project.
    ///
    /// # Errors
    /// That there is none, or that it serves nothing.
    pub(super) async fn find(act: &Act, id: &str) -> Result<Source, Failure> {
        let gone = || {
            Failure::new("unknown-environment", format!("{id} is not there any more"))
                .hint("see the tree: wharf environments")
        };
        let mut key = act.key().clone();
        key.id = EnvironmentId::parse(id).map_err(|_| gone())?;
        let recorder = &act.world.recorder;
        let record = recorder.environment(&key).await?.ok_or_else(gone)?;
        let nothing = || {
            Failure::new(
                "no-release",
                format!("{id} serves nothing, so it has no data"),
            )
            .hint(format!("see why with: wharf log -e {id}"))
        };
        let live = record.live.ok_or_else(nothing)?;
        let release = recorder.release(&key, live).await?.ok_or_else(nothing)?;
        let id = act.task.id.clone();
        let mut from = Act::aside(&act.world, &record, act.task.kind, live, id)?;
        // Whoever stops the one stops the other.
        from.cancel = act.cancel.clone();
        Ok(Source { act: from, release })
    }

    /// Whether its data may go to an activity's environment.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn may_go_to(&self, act: &Act) -> Result<(), NotThere> {
        let (from, into) = (self.act.environment.kind, act.environment.kind);
        may_restore(Origin::Above, from, into, &act.project.sanitize)
    }

    fn name(&self) -> &str {
        self.act.key().id.as_str()
    }
}

/// Brings the parent's data, and deploys what serves anew on it; returns the new release.
///
/// # Errors
/// As [`anew`].
pub(super) async fn data(act: &mut Act) -> Result<Option<u32>, Failure> {
    let name = act.key().id.to_string();
    let source = act.task.source.clone().unwrap_or_default();
    let manner = Manner {
        code: "data-synced",
        done: "its parent's",
        whose: format!("{source}'s"),
        otherwise: format!("or bring it again: wharf sync data -e {name}"),
    };
    let come = async |act: &Act, release: &ReleaseRecord, arriving: &Path| {
        let from = Source::find(act, &source).await?;
        // The operator may have changed their mind since it was asked for.
        from.may_go_to(act)
            .map_err(|why| upward(&from, act, &why))?;
        if copied(act, &from, &release.application, arriving).await? {
            return Ok(());
        }
        let message = format!("{} has no data that {name} has a place for", from.name());
        Err(Failure::new("no-data", message)
            .hint("both must have it in wharf.toml, by the same names: [mounts] of the kind `data`, or [services]"))
    };
    Box::pin(anew(act, &manner, Rest::Stays, come)).await
}

fn upward(from: &Source, act: &Act, why: &NotThere) -> Failure {
    let message = format!(
        "data of {} may not go into {}: {why}",
        from.name(),
        act.key().id
    );
    Failure::new("data-upward", message).hint(why.hint())
}

/// Brings a copy of what an environment has of an application's data, scrubbed, to a directory that is made for
/// it; whether there is anything.
///
/// # Errors
/// What its user should read; something may be in the directory then.
async fn copied(
    act: &Act,
    from: &Source,
    application: &Application,
    arriving: &Path,
) -> Result<bool, Failure> {
    let began = Instant::now();
    let failed = |error: disk::DiskError| Failure::host("cannot make room for the data", &error);
    let services = services_in(arriving);
    tokio::task::block_in_place(|| {
        disk::remove_tree(arriving)?;
        disk::make_directory(&services)
    })
    .map_err(|error| failed(error).or_full())?;
    let mounts = files::mounts(&from.release.application, application);
    let copied = files::copy(act, from, &mounts, &mounts_in(arriving)).await?;
    let theirs = (&from.act, &from.release.application);
    let services = Box::pin(copy::copy(act, theirs, application, &services)).await?;
    if mounts.is_empty() && services.is_empty() {
        return Ok(false);
    }
    let name = from.name();
    let files = copied.iter().map(|copied| copied.said(name));
    let services: Vec<&str> = services.iter().map(|name| name.as_str()).collect();
    let services = (!services.is_empty()).then(|| format!("{} of {name}", services.join(", ")));
    let all: Vec<String> = files.chain(services).collect();
    act.did("data", all.join("; "), began);
    for text in copied.into_iter().flat_map(|copied| copied.left_out) {
        act.log.event(Event::Warning { text });
    }
    scrub(act, from, application, arriving)
        .await
        .map_err(|failure| room::or_full(arriving, failure))?;
    tokio::task::block_in_place(|| disk::sync_filesystem(arriving)).map_err(failed)?;
    Ok(true)
}
