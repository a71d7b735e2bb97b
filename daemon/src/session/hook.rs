//! What post-receive says: these refs have moved.

use std::path::Path;

use wharf_config::host::OnFailure;
use wharf_config::project::Project;
use wharf_wire::ask::Scope;
use wharf_wire::hook::{self, Claim, Push, Watch};
use wharf_wire::outcome::{Exit, Kind, State};
use wharf_wire::{FromDaemon, ToDaemon};

use super::admit::head;
use super::follow::{Part, Until};
use super::peer::Broken;
use super::scope::missing;
use super::{Session, host, store, unexpected};
use crate::execute::durable;
use crate::execute::failure::chain;
use crate::order::{self, Pushed};
use crate::plan::options::{Options, Wait};
use crate::plan::places::{Asked, Place};
use crate::report;
use crate::store::activity::NewActivity;

impl Session {
    /// post-receive: recorded durably, then answered, then followed.
    pub(super) async fn ring(&mut self, push: Push) -> Result<(), Broken> {
        let push = self.whole(push).await?;
        if self.is_own(&push) {
            // Whoever makes it records it.
            let activities = Vec::new();
            self.peer.send(&FromDaemon::Queued { activities }).await?;
            return self.end(Exit::Ok).await;
        }
        let project = self.pushed_to(&push)?;
        let options = Options::read(&push.options);
        let actor = self.actor(&project);
        let default = head(&project.repository).await?;
        let asked = Asked::of_updates(&project, default.as_ref(), &push.updates)
            .with_parent(options.parent.as_deref());
        let places = self.places(&project, asked).await?;
        let repository = project.repository.clone();
        let checked = self.world.settings().on_failure(&project) == OnFailure::Reject
            && push.updates.iter().any(|update| !update.deletes());
        let mut lines = match checked {
            // proc-receive has said so.
            true => Vec::new(),
            false => options.warnings.clone(),
        };
        let wait = options.wait;
        let order = tokio::task::spawn_blocking(move || {
            let pushed = Pushed {
                project: &project,
                default: default.as_ref(),
                places: &places,
                actor: &actor,
                options: &options,
            };
            order::of_updates(pushed, &push.updates)
        });
        let order = order.await.map_err(|error| host(error.to_string()))?;
        let activities = self.without_rebuilt(order.activities).await?;
        lines.extend(order.warnings);
        lines.extend(order.notes.iter().flat_map(|note| report::remark(note)));
        let places: Vec<String> = activities.iter().map(|a| a.key.id.to_string()).collect();
        let mut ids = Vec::new();
        if !activities.is_empty() {
            // Nothing is promised that a power cut could take back.
            durable::make(&self.world, repository, &activities)
                .await
                .map_err(|error| host(format!("the push may not last: {}", chain(&error))))?;
            ids.extend(self.ordered(activities).await?);
        }
        self.peer
            .send(&FromDaemon::Queued {
                activities: ids.clone(),
            })
            .await?;
        if ids.is_empty() {
            self.peer.lines(lines).await?;
            return self.end(Exit::Ok).await;
        }
        if wait == Wait::No {
            lines.extend(queued(&ids, &places));
            self.peer.lines(lines).await?;
            return self.end(Exit::Ok).await;
        }
        self.follow(&ids, lines).await
    }

    /// What was built anew by this push's own check is not built once more.
    async fn without_rebuilt(
        &mut self,
        mut activities: Vec<NewActivity>,
    ) -> Result<Vec<NewActivity>, Broken> {
        for activity in activities.iter_mut().filter(|activity| activity.rebuild) {
            let (project, id) = (&activity.key.project, &activity.key.id);
            let newest = self
                .world
                .recorder
                .activities(Some(project.to_string()), Some(id.to_string()), 1)
                .await;
            let newest = newest.map_err(store)?;
            let checked = newest.iter().any(|newest| {
                newest.kind == Kind::Check
                    && newest.state == State::Succeeded
                    && newest.commit == activity.commit
            });
            activity.rebuild = !checked;
        }
        Ok(activities)
    }

    /// Takes in the updates that did not fit in the first frame.
    pub(super) async fn whole(&mut self, mut push: Push) -> Result<Push, Broken> {
        loop {
            if push.updates.len() > hook::MAX_UPDATES
                || push.options.len() > hook::MAX_PUSH_OPTIONS
                || !are_claims(&push.claims)
                || push
                    .updates
                    .iter()
                    .any(|update| update.name.len() > 2 * hook::MAX_REF_NAME)
            {
                return Err(unexpected("a smaller push"));
            }
            match self.peer.receive().await? {
                ToDaemon::Sent => {
                    self.claims.clone_from(&push.claims);
                    return Ok(push);
                }
                ToDaemon::More(updates) if updates.is_empty() => {
                    return Err(unexpected("updates in More"));
                }
                ToDaemon::More(updates) => push.updates.extend(updates),
                _ => return Err(unexpected("More or Sent")),
            }
        }
    }

    /// Goes on where another daemon left a hook that watches.
    pub(super) async fn watch_on(&mut self, watch: Watch) -> Result<(), Broken> {
        if watch.activities.len() > hook::MAX_WATCHED || !are_claims(&watch.claims) {
            return Err(unexpected("fewer activities"));
        }
        self.claims = watch.claims;
        let mut ids = Vec::new();
        for id in watch.activities {
            ids.push(self.meant(Some(id), &Scope::default()).await?);
        }
        let part = Part {
            until: Until::Parked,
            since: watch.since,
            head: false,
        };
        self.follow_part(&ids, Vec::new(), part).await
    }

    /// Whether a hook tells of a push that the daemon makes itself.
    pub(super) fn is_own(&self, push: &Push) -> bool {
        let settings = self.world.settings();
        let project = settings.of_repository(Path::new(&push.repository));
        project.is_some_and(|project| self.world.pushes.is_own(&project.name, push))
    }

    /// The project that names a push's repository.
    pub(super) fn pushed_to(&self, push: &Push) -> Result<Project, Broken> {
        let settings = self.world.settings();
        let project = settings.of_repository(Path::new(&push.repository)).cloned();
        project.ok_or_else(|| {
            let text = format!("no project names this repository ({})", push.repository);
            missing("unknown-repository", &text)
                .hint("register it on the host: wharf project add NAME REPOSITORY")
        })
    }

    /// What is recorded of what is asked.
    pub(super) async fn places(
        &self,
        project: &Project,
        asked: Asked,
    ) -> Result<Vec<Place>, Broken> {
        let places = self.world.recorder.places(&project.name, asked).await;
        places.map_err(store)
    }
}

/// How whoever does not wait goes on; which is which, where there are several.
fn queued(ids: &[String], places: &[String]) -> Vec<String> {
    let follow = |id: &String| format!("queued; follow it with: wharf log {id} -f");
    if ids.len() == places.len() && ids.len() > 1 {
        let each = ids.iter().zip(places);
        return each
            .map(|(id, place)| format!("[{place}] {}", follow(id)))
            .collect();
    }
    ids.iter().map(follow).collect()
}

/// Whether they are no longer than hooks make them.
fn are_claims(claims: &[Claim]) -> bool {
    claims.iter().all(|claim| claim.name.len() <= hook::MAX_KEY)
}
