//! Whether whoever is on the other side may do what they ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use wharf_config::name::{BranchName, ProjectName};
use wharf_config::project::{Kind as Type, Project};
use wharf_wire::Refusal;
use wharf_wire::outcome::Exit;
use wharf_wire::view::{Activity, Actor};

use super::Session;
use super::peer::Broken;
use super::scope::missing;
use crate::execute::refs;
use crate::identity;
use crate::journal::{self, Facts, Message};
use crate::plan::rights::{self, Act, Person};
use crate::settings::Settings;
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};

impl Session {
    /// Who acts in a project.
    pub(super) fn actor(&self, project: &Project) -> Actor {
        let settings = self.world.settings();
        identity::actor(&self.account, &self.claims, &settings.host, project)
    }

    /// The same as far as it counts for their rights.
    pub(super) fn person(&self, project: &Project) -> Person {
        let actor = self.actor(project);
        match &project.roles {
            Some(_) => tokio::task::block_in_place(|| identity::person(&self.account, &actor)),
            // Nobody asks for their groups.
            None => Person {
                name: actor.name,
                groups: Vec::new(),
                operator: false,
            },
        }
    }

    /// The project of an environment that is there.
    pub(super) fn project_of(&self, record: &EnvironmentRecord) -> Result<Project, Broken> {
        let settings = self.world.settings();
        let project = settings.projects.get(&record.key.project).cloned();
        project.ok_or_else(|| missing("unknown-project", "its project is gone"))
    }

    /// Refuses what they may not do in an environment that is there.
    pub(super) fn may_in(&self, act: Act, record: &EnvironmentRecord) -> Result<(), Broken> {
        let project = self.project_of(record)?;
        let kind = kind_of(&self.world.settings(), &project, record);
        self.may(act, &project, record.key.id.as_str(), kind)
    }

    /// Refuses what they may not do in an environment.
    pub(super) fn may(
        &self,
        act: Act,
        project: &Project,
        environment: &str,
        kind: Type,
    ) -> Result<(), Broken> {
        self.may_in_named(act, project, environment, environment, kind)
    }

    /// The same in one that they are told of by another name than its id.
    pub(super) fn may_in_named(
        &self,
        act: Act,
        project: &Project,
        environment: &str,
        name: &str,
        kind: Type,
    ) -> Result<(), Broken> {
        let person = self.person(project);
        let may = rights::may(project.roles.as_ref(), &person, act, name, kind);
        may.map_err(|denied| {
            let facts = Facts {
                project: Some(project.name.to_string()),
                environment: Some(environment.to_owned()),
                environment_type: Some(kind.as_str().to_owned()),
                ..Facts::of_refusal(self.actor(project), "denied")
            };
            journal::say(Message::Refused, &facts, format_args!("refused: {denied}"));
            Broken::Refused(Refusal {
                code: "denied".into(),
                message: denied.to_string(),
                hint: Some(denied.hint()),
                exit: Exit::Refused,
            })
        })
    }

    /// Refuses what they may not do where a branch has its environment, if there still is one.
    pub(super) fn may_on(
        &self,
        act: Act,
        key: &EnvironmentKey,
        branch: &BranchName,
    ) -> Result<(), Broken> {
        let settings = self.world.settings();
        let project = settings.projects.get(&key.project);
        let project = project.ok_or_else(|| missing("unknown-project", "its project is gone"))?;
        let default = default_of(project);
        let kind = settings.environment(project, branch, default.as_ref()).kind;
        self.may(act, project, key.id.as_str(), kind)
    }

    /// How many records are read for so many that are shown: of some nothing may be seen.
    pub(super) fn reach(&self, shown: u32, most: u32) -> u32 {
        if self.has_roles() { most } else { shown }
    }

    /// Whether there is something that not everybody may see.
    pub(super) fn has_roles(&self) -> bool {
        let settings = self.world.settings();
        let mut projects = settings.projects.values();
        projects.any(|project| project.roles.is_some())
    }

    /// Refuses to look at an activity, also of an environment that is gone.
    pub(super) fn may_see(&self, activity: &Activity) -> Result<(), Broken> {
        let mut eyes = self.eyes();
        match eyes.see_activity(activity) {
            true => Ok(()),
            false => {
                let actor = eyes.actor(&activity.project);
                Err(Broken::Refused(Refusal {
                    code: "denied".into(),
                    message: format!("{actor} may not look at {}", activity.environment),
                    hint: Some("ask whoever keeps the project's [roles]".into()),
                    exit: Exit::Refused,
                }))
            }
        }
    }

    /// What they may see, for lists.
    pub(super) fn eyes(&self) -> Eyes<'_> {
        Eyes {
            session: self,
            people: BTreeMap::new(),
        }
    }

    /// Refuses what concerns the whole host to all but who owns it: root and the daemon's own account,
    /// acting for nobody else.
    pub(super) fn may_host(&self, what: &str) -> Result<(), Broken> {
        if self.owns_host() {
            return Ok(());
        }
        let facts = Facts::of_refusal(self.account.actor(), "operator-only");
        journal::say(Message::Refused, &facts, format_args!("refused: {what}"));
        Err(Broken::Refused(Refusal {
            code: "operator-only".into(),
            message: format!("only the host's operator may {what}"),
            hint: Some("on the host, as root or as the daemon's own user: sudo wharf ...".into()),
            exit: Exit::Refused,
        }))
    }

    pub(super) fn owns_host(&self) -> bool {
        self.account.owns_host() && self.claims.is_empty()
    }
}

/// What counts for what they may see of a project.
pub(super) struct Seen {
    pub(super) project: Project,
    person: Person,
    /// The branch that HEAD names, where it matters.
    pub(super) default: Option<BranchName>,
}

impl Seen {
    pub(super) fn is_open(&self) -> bool {
        self.project.roles.is_none()
    }

    pub(super) fn may_view(&self, kind: Type) -> bool {
        rights::may(
            self.project.roles.as_ref(),
            &self.person,
            Act::View,
            "",
            kind,
        )
        .is_ok()
    }
}

/// What somebody may see. Each project's people are looked up once.
pub(super) struct Eyes<'s> {
    session: &'s Session,
    people: BTreeMap<ProjectName, Option<Seen>>,
}

impl Eyes<'_> {
    /// Whether they may see an environment.
    pub(super) fn see(&mut self, record: &EnvironmentRecord) -> bool {
        let settings = self.session.world.settings();
        match self.of(&record.key.project) {
            Some(seen) => {
                seen.is_open() || seen.may_view(kind_of(&settings, &seen.project, record))
            }
            // Its roles are gone with its file.
            None => self.session.owns_host(),
        }
    }

    /// Whether they may see anything of a project.
    pub(super) fn see_project(&mut self, project: &ProjectName) -> bool {
        let seen = self.of(project);
        seen.is_some_and(|seen| Type::ALL.iter().any(|kind| seen.may_view(*kind)))
    }

    /// Whether they may see an activity: as its environment, or as its branch would be one.
    pub(super) fn see_activity(&mut self, activity: &Activity) -> bool {
        let settings = self.session.world.settings();
        let named = ProjectName::parse(&activity.project);
        let named = named.ok().zip(BranchName::parse(&activity.branch).ok());
        let Some((name, branch)) = named else {
            return self.session.owns_host();
        };
        let Some(seen) = self.of(&name) else {
            return self.session.owns_host();
        };
        let default = seen.default.as_ref();
        seen.is_open() || seen.may_view(settings.environment(&seen.project, &branch, default).kind)
    }

    fn actor(&mut self, project: &str) -> String {
        let name = ProjectName::parse(project).ok();
        let name = name.and_then(|name| self.of(&name).map(|seen| seen.person.name.clone()));
        name.unwrap_or_else(|| self.session.account.actor().name)
    }

    /// The settings that count now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.session.world.settings()
    }

    pub(super) fn owns_host(&self) -> bool {
        self.session.owns_host()
    }

    pub(super) fn of(&mut self, name: &ProjectName) -> Option<&Seen> {
        let known = self.people.entry(name.clone()).or_insert_with(|| {
            let project = self.session.world.settings().projects.get(name).cloned()?;
            Some(Seen {
                person: self.session.person(&project),
                default: project.roles.as_ref().and_then(|_| default_of(&project)),
                project,
            })
        });
        known.as_ref()
    }
}

/// The type that counts: today's by the project's file, not the one of the last push.
pub(super) fn kind_of(settings: &Settings, project: &Project, record: &EnvironmentRecord) -> Type {
    let is_production = record.kind == Type::Production.as_str();
    let default = is_production.then_some(&record.branch);
    settings.environment(project, &record.branch, default).kind
}

fn default_of(project: &Project) -> Option<BranchName> {
    tokio::task::block_in_place(|| refs::default_of(project))
}
