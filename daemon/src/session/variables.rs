//! What is set for an environment, also for one that is only about to be.

use wharf_config::application::{Application, BuildNetwork};
use wharf_config::name::{BranchName, EnvironmentId};
use wharf_config::project::{Kind, Project};

use super::peer::Broken;
use super::{Session, store};
use crate::execute::variables::{self, Seen};
use crate::plan::admission::Settings;
use crate::plan::places::Places;
use crate::plan::variables::Given;
use crate::store::environment::EnvironmentKey;
use crate::store::variable::Set;

/// What is set for an environment.
#[derive(Debug)]
pub(super) struct OwnSet {
    pub(super) id: EnvironmentId,
    pub(super) kind: Kind,
    pub(super) set: Set,
}

impl OwnSet {
    /// What a build of this application would see there.
    pub(super) fn seen(&self, application: &Application, network: BuildNetwork) -> Seen {
        let given = Given::of(&self.set.all, &self.id, self.kind, &application.committed);
        variables::seen(application, &given, &self.set, network)
    }

    /// The same for admission.
    pub(super) fn settings(self) -> Settings {
        Settings {
            id: self.id,
            kind: self.kind,
            all: self.set.all,
        }
    }
}

impl Session {
    /// What is set for a branch's environment; for a new one with what its parent hands down, the
    /// chosen one's or the rule's.
    pub(super) async fn set_for(
        &self,
        project: &Project,
        places: &Places<'_>,
        branch: &BranchName,
        chosen: Option<&str>,
    ) -> Result<OwnSet, Broken> {
        let environment = places.environment(branch);
        let chosen = chosen.and_then(|wanted| places.parent(branch, wanted).ok());
        let parent = chosen.or(environment.parent);
        let key = EnvironmentKey {
            project: project.name.clone(),
            id: environment.id,
        };
        let parent = parent.map(|parent| parent.to_string());
        let recorder = &self.world.recorder;
        let set = recorder.variables(&key, parent).await.map_err(store)?;
        Ok(OwnSet {
            id: key.id,
            kind: environment.kind,
            set,
        })
    }
}
