//! What somebody may learn of an environment's family: whoever may not look at its parent, or at where
//! its code came from, is not told what that is called.

use std::collections::BTreeMap;

use wharf_config::name::{EnvironmentId, ProjectName};
use wharf_config::project::Kind as Type;
use wharf_wire::view::Activity;

use super::peer::Broken;
use super::rights::Eyes;
use super::{Session, host};
use crate::execute::failure::chain;
use crate::plan::queue::Ticket;
use crate::store::environment::EnvironmentRecord;
use crate::store::overview::Overview;

/// Recorded environments, by project and id: whether each may be seen.
pub(super) type Known = BTreeMap<(String, String), bool>;

impl Session {
    /// The record of an activity that they may see, as far as they may know it.
    pub(super) async fn shown(&self, activity: Activity) -> Result<Activity, Broken> {
        let records = self.origins(std::slice::from_ref(&activity)).await?;
        let mut eyes = self.eyes();
        let known = eyes.known(&records);
        Ok(eyes.shown(activity, &known))
    }

    /// The records that say who may know where the code of these came from, where that matters.
    pub(super) async fn origins(
        &self,
        activities: &[Activity],
    ) -> Result<Vec<EnvironmentRecord>, Broken> {
        if !self.has_roles() || activities.iter().all(|one| one.source.is_none()) {
            return Ok(Vec::new());
        }
        let records = self.world.recorder.environments(None).await;
        records.map_err(|error| host(chain(&error)))
    }
}

impl Eyes<'_> {
    /// Which of these they may see.
    pub(super) fn known<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r EnvironmentRecord>,
    ) -> Known {
        let records = records.into_iter();
        let named = records.map(|record| {
            let key = &record.key;
            let name = (key.project.to_string(), key.id.to_string());
            (name, self.see(record))
        });
        named.collect()
    }

    /// Keeps the environments that they may see. One whose parent they may not know has none for
    /// them: neither its name nor how far away it is.
    pub(super) fn keep_seen(&mut self, all: &mut Vec<Overview>) {
        let known = self.known(all.iter().map(|one| &one.record));
        all.retain(|one| self.see(&one.record));
        for Overview { record, newest, .. } in all {
            let project = &record.key.project;
            let parent = record.parent_id();
            if parent.is_some_and(|id| !self.may_know(project, id, &known)) {
                (record.parent, record.chosen_parent) = (None, None);
            }
            *newest = newest.take().map(|newest| self.shown(newest, &known));
        }
    }

    /// An activity that they may see, without the name of what they may not.
    pub(super) fn shown(&mut self, activity: Activity, known: &Known) -> Activity {
        let project = ProjectName::parse(&activity.project).ok();
        let may_know = |id: &String| {
            let project = project.as_ref();
            project.is_some_and(|project| self.may_know(project, id, known))
        };
        let source = activity.source.clone().filter(may_know);
        Activity { source, ..activity }
    }

    /// Whether they may know that something waits or runs.
    pub(super) fn see_work(&mut self, ticket: &Ticket, known: &Known) -> bool {
        let project = ProjectName::parse(&ticket.project);
        project.is_ok_and(|project| self.may_know(&project, &ticket.environment, known))
    }

    /// Whether they may know that there is an environment of this id.
    fn may_know(&mut self, project: &ProjectName, id: &str, known: &Known) -> bool {
        let settings = self.settings();
        let Some(seen) = self.of(project) else {
            return self.owns_host();
        };
        if seen.is_open() {
            return true;
        }
        if let Some(sees) = known.get(&(project.to_string(), id.to_owned())) {
            return *sees;
        }
        // One that the rules name and nobody has pushed yet; what is gone is as if it were any.
        let declared = seen.project.environments.iter().map(|one| &one.branch);
        let mut branches = declared.chain(&seen.default);
        match branches.find(|branch| EnvironmentId::from_branch(branch).as_str() == id) {
            Some(branch) => {
                let default = seen.default.as_ref();
                seen.may_view(settings.environment(&seen.project, branch, default).kind)
            }
            None => Type::ALL.iter().all(|kind| seen.may_view(*kind)),
        }
    }
}
