//! Whether whoever is on the other side may do what they ask.

use wharf_config::project::{Kind as Type, Project};
use wharf_wire::Refusal;
use wharf_wire::outcome::Exit;

use super::Session;
use super::peer::Broken;
use super::scope::missing;
use crate::plan::rights::{self, Act, Person};
use crate::store::environment::EnvironmentRecord;

impl Session {
    /// Refuses what they may not do in an environment that is there.
    pub(super) fn may_in(&self, act: Act, record: &EnvironmentRecord) -> Result<(), Broken> {
        let settings = self.world.settings();
        let project = settings.projects.get(&record.key.project);
        let project = project.ok_or_else(|| missing("unknown-project", "its project is gone"))?;
        // A word that nobody knows is given the greatest care.
        let kind = Type::parse(&record.kind).unwrap_or(Type::Production);
        self.may(act, project, record.key.id.as_str(), kind)
    }

    /// Refuses what they may not do in an environment.
    pub(super) fn may(
        &self,
        act: Act,
        project: &Project,
        environment: &str,
        kind: Type,
    ) -> Result<(), Broken> {
        let person = Person {
            name: self.actor.name.clone(),
            groups: Vec::new(),
            operator: self.actor.source == "uid" && self.actor.name == "root",
        };
        let may = rights::may(project.roles.as_ref(), &person, act, environment, kind);
        may.map_err(|denied| {
            Broken::Refused(Refusal {
                code: "denied".into(),
                message: denied.to_string(),
                hint: Some(denied.hint()),
                exit: Exit::Refused,
            })
        })
    }
}
