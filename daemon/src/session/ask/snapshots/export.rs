//! `wharf snapshot export`: a part of a snapshot, through a pipe that the caller holds the other end of.

use std::sync::Arc;

use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::passed::Passed;
use wharf_wire::snapshot::Exported;
use wharf_wire::view::Item;

use super::super::super::Session;
use super::super::super::peer::Broken;
use super::super::archive::{busy, no_pipe, refused};
use super::is_good;
use crate::execute::snapshots;
use crate::plan::rights::Act;

impl Session {
    pub(in crate::session) async fn export_snapshot(
        &mut self,
        scope: &Scope,
        id: &str,
        part: Option<&str>,
    ) -> Result<(), Broken> {
        let project = self.sole_project(scope)?;
        let snapshot = self.named_snapshot(&project, id).await?;
        self.may_with(Act::TakeSnapshot, &project, &snapshot)
            .await?;
        is_good(&snapshot)?;
        let part = snapshots::part_of(&snapshot, part)
            .map_err(refused)?
            .clone();
        let world = Arc::clone(&self.world);
        let _place = world.archives.try_acquire().map_err(|_| busy())?;
        let (mut ours, theirs) = pipe::pipe().map_err(no_pipe)?;
        let theirs = theirs.into_blocking_fd().map_err(no_pipe)?;
        self.peer.pass(vec![(Passed::Output, theirs)]).await?;
        let stop = CancellationToken::new();
        let size = {
            let writing = snapshots::export(&world, &stop, &snapshot, &part, &mut ours);
            tokio::pin!(writing);
            let done = tokio::select! {
                done = &mut writing => Some(done),
                () = self.peer.gone() => None,
            };
            match done {
                Some(done) => done.map_err(refused)?,
                None => {
                    stop.cancel();
                    // It has killed what it started when it ends.
                    drop(writing.await);
                    return Err(Broken::Gone);
                }
            }
        };
        // Whoever reads it sees its end.
        drop(ours);
        let actor = self.actor(&project);
        tracing::info!(
            WHARF_PROJECT = %project.name,
            WHARF_ENVIRONMENT = %snapshot.key.id,
            WHARF_ACTOR = actor.name,
            WHARF_ACTOR_SOURCE = actor.source,
            WHARF_BYTES = size,
            "snapshot {} exported by {}",
            snapshot.id,
            actor.name
        );
        self.item(Item::Exported(Exported {
            id: snapshot.id,
            part: part.name,
            size,
        }))
        .await?;
        self.end(Exit::Ok).await
    }
}
