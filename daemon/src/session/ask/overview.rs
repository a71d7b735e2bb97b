//! Every environment at a glance: what serves, whether that is the branch's tip, how it does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wharf_config::name::ProjectName;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::{Exit, Kind, State};
use wharf_wire::view::{self, Activity, Item};

use super::super::Session;
use super::super::peer::Broken;
use super::{count, store};
use crate::dispatch::{Condition, Conditions, Event};
use crate::execute::distance::{Distance, Pair};
use crate::execute::failure::chain;
use crate::plan::limits::Status;
use crate::plan::tree;
use crate::plan::variables::{Given, Variable};
use crate::store::overview::{Live, Overview};

/// How long somebody waits for distances to be counted. Those that are missing then are counted
/// further, for whoever asks next.
const COUNTING: Duration = Duration::from_millis(40);

impl Session {
    pub(super) async fn environments(&mut self, scope: &Scope) -> Result<(), Broken> {
        let (project, only) = self.filter(scope).await?;
        let mut all = self
            .world
            .recorder
            .overview(project.clone())
            .await
            .map_err(store)?;
        self.eyes().keep_seen(&mut all);
        let conditions = self.desk.ask(|reply| Event::Health { reply }).await;
        let conditions = conditions.unwrap_or_default();
        let set = self.world.recorder.all_variables(project).await;
        let set = set.map_err(store)?;
        let mut projects: BTreeMap<ProjectName, Vec<Overview>> = BTreeMap::new();
        for one in all {
            projects
                .entry(one.record.key.project.clone())
                .or_default()
                .push(one);
        }
        for (project, all) in projects {
            let set = of_project(&set, &project);
            let distances = self.distances(&project, &all).await;
            let nodes: Vec<_> = all
                .iter()
                .map(|one| (one.record.key.id.as_str(), one.record.parent_id()))
                .collect();
            for index in tree::parents_first(&nodes) {
                let one = &all[index];
                if only.as_ref().is_some_and(|only| *only != one.record.key) {
                    continue;
                }
                let mut view = self.view(one, distances[index], &conditions);
                view.pending = pending(one, &set);
                self.item(Item::Environment(view)).await?;
            }
        }
        self.end(Exit::Ok).await
    }

    /// How far each is from its parent, as far as that can be told soon.
    async fn distances(&self, project: &ProjectName, all: &[Overview]) -> Vec<Option<Distance>> {
        let settings = self.world.settings();
        let tips: BTreeMap<&str, &String> = all
            .iter()
            .filter_map(|one| Some((one.record.key.id.as_str(), one.record.tip.as_ref()?)))
            .collect();
        let pair = |one: &Overview| -> Option<Pair> {
            let parent = tips.get(one.record.parent_id()?)?;
            Some((one.record.tip.clone()?, (*parent).clone()))
        };
        let pairs: Vec<Option<Pair>> = all.iter().map(pair).collect();
        let known: Vec<Pair> = pairs.iter().flatten().cloned().collect();
        if let Some(project) = settings.projects.get(project)
            && self
                .world
                .distances
                .known(&known)
                .iter()
                .any(Option::is_none)
        {
            let distances = Arc::clone(&self.world.distances);
            let (repository, wanted) = (project.repository.clone(), known.clone());
            let count = move || {
                let until = Some(Instant::now() + COUNTING);
                let soon = distances.count(&repository, &wanted, until);
                (soon, distances, repository, wanted)
            };
            if let Ok((soon, distances, repository, wanted)) =
                tokio::task::spawn_blocking(count).await
            {
                if let Err(error) = soon {
                    tracing::debug!(error = chain(&error), "distances are not known");
                }
                tokio::task::spawn_blocking(move || {
                    if let Err(error) = distances.count(&repository, &wanted, None) {
                        tracing::debug!(error = chain(&error), "distances are not known");
                    }
                });
            }
        }
        let mut found = self.world.distances.known(&known).into_iter();
        pairs
            .iter()
            .map(|pair| pair.as_ref().and_then(|_| found.next().flatten()))
            .collect()
    }

    fn view(
        &self,
        one: &Overview,
        distance: Option<Distance>,
        conditions: &Conditions,
    ) -> view::Environment {
        let record = &one.record;
        // What else runs, warm or on its way out, is no trouble of what serves.
        let condition = record
            .live
            .and_then(|live| conditions.get(&(record.key.clone(), live)));
        let at_tip = one.live.as_ref().map(|live| &live.commit) == record.tip.as_ref();
        view::Environment {
            project: record.key.project.to_string(),
            id: record.key.id.to_string(),
            branch: record.branch.to_string(),
            title: record.title.clone(),
            kind: record.kind.clone(),
            parent: record.parent_id().map(str::to_owned),
            ahead: distance.map(|distance| distance.ahead),
            behind: distance.map(|distance| distance.behind),
            status: record.status.clone(),
            maintenance: record.maintenance.clone(),
            release: record.live,
            commit: one.live.as_ref().map(|live| live.commit.clone()),
            tip: record.tip.clone(),
            at_tip,
            why: (!at_tip).then(|| why(one.newest.as_ref())).flatten(),
            // Of one that is paused nothing runs, and nothing should.
            health: match record.status() {
                Status::Paused => health(None, None),
                _ => health(one.live.as_ref(), condition),
            },
            pending: 0,
            url: record.live.and_then(|_| self.address_of(record)),
            activity: one.newest.clone(),
        }
    }
}

/// Those environments whose serving release has variables otherwise than they are set.
pub(super) fn waiting_for_redeploy(
    all: &[Overview],
    set: &[(ProjectName, Variable)],
) -> Vec<view::Pending> {
    let mut projects: BTreeMap<&ProjectName, Vec<&Variable>> = BTreeMap::new();
    let waiting = all.iter().filter_map(|one| {
        let key = &one.record.key;
        let own = projects.entry(&key.project);
        let own = own.or_insert_with(|| of_project(set, &key.project));
        let variables = pending(one, own);
        (variables > 0).then(|| view::Pending {
            project: key.project.to_string(),
            environment: key.id.to_string(),
            variables,
        })
    });
    waiting.collect()
}

fn of_project<'s>(set: &'s [(ProjectName, Variable)], project: &ProjectName) -> Vec<&'s Variable> {
    let own = set.iter().filter(|(of, _)| of == project);
    own.map(|(_, variable)| variable).collect()
}

/// How many variables the serving release has otherwise than they are set.
fn pending(one: &Overview, set: &[&Variable]) -> u32 {
    let Some(live) = &one.live else { return 0 };
    if set.is_empty() && live.variables.is_empty() {
        return 0;
    }
    let (id, kind) = (&one.record.key.id, one.record.type_of());
    let now = Given::of(set.iter().copied(), id, kind, &live.committed);
    count(now.differing(&live.variables).len())
}

/// Why what serves is not the tip, by what happened last.
fn why(newest: Option<&Activity>) -> Option<String> {
    let newest = newest?;
    let (kind, id) = (newest.kind.word(), &newest.id);
    let reason = newest.reason.as_ref().map(|reason| &reason.message);
    match (newest.state, newest.kind) {
        (State::Waiting, _) => Some(match reason {
            // It is built, and waits for an approval or a window.
            Some(reason) => format!("{kind} {id} {reason}"),
            None => format!("{kind} {id} waiting"),
        }),
        (State::Succeeded, Kind::Rollback) => Some(format!("rolled back by {}", newest.actor.name)),
        (State::Succeeded, _) => None,
        (state, _) => Some(format!("{kind} {id} {}", state.word())),
    }
}

fn health(live: Option<&Live>, condition: Option<&Condition>) -> String {
    match (live, condition) {
        (None, _) => "none".to_owned(),
        (Some(_), Some(condition)) if !condition.trouble.is_empty() => condition.trouble.join("; "),
        (Some(live), _) if live.is_static => "static".to_owned(),
        (Some(_), None) => "starting".to_owned(),
        (Some(_), Some(Condition { restarts: 0, .. })) => "healthy".to_owned(),
        (Some(_), Some(condition)) => {
            let times = condition.restarts;
            match &condition.because {
                Some(because) => format!("healthy, restarted {times} times: {because}"),
                None => format!("healthy, restarted {times} times"),
            }
        }
    }
}
