//! `wharf variable set` and `delete`: recorded with who did it, never deployed by themselves.

use wharf_config::application::{Visible, check_value};
use wharf_config::name::{BranchName, VariableName};
use wharf_config::project::{Kind as Type, Project};
use wharf_wire::Refusal;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::variable::{self as wire, Level as AskedLevel, NewVariable};

use super::super::Session;
use super::super::peer::Broken;
use super::super::rights::kind_of;
use super::super::scope::{missing, plain};
use super::refuse::Against;
use super::store;
use super::tree::{Tree, refusal};
use crate::dispatch::variables::too_much;
use crate::order;
use crate::plan::rights::Act;
use crate::plan::variables::{Hidden, Level, Variable, fits};
use crate::report;
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};
use crate::store::now;
use crate::store::variable::Change;

/// A secret of fewer bytes is not starred where it is printed.
const STARRED: usize = 8;
/// Environments that one line names.
const NAMED: usize = 10;

/// Where variables are set.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) project: Project,
    pub(super) level: Level,
    /// Where a change is recorded: the environment, or production for what is about many.
    pub(super) key: EnvironmentKey,
    pub(super) branch: BranchName,
    /// Its type.
    pub(super) kind: Type,
    /// None where it is not there yet.
    pub(super) record: Option<EnvironmentRecord>,
}

impl Place {
    /// Which environments get what is set here, as people read it, and of which type they are.
    pub(super) fn concerned(&self) -> Vec<(String, Type)> {
        let every = |kind: &Type| (format!("every {} environment", kind.as_str()), *kind);
        match &self.level {
            Level::Project => Type::ALL.iter().map(every).collect(),
            Level::Type(kind) => vec![every(kind)],
            Level::Environment(id) => vec![(id.to_string(), self.kind)],
        }
    }
}

impl Session {
    pub(super) async fn set_variable(
        &mut self,
        scope: &Scope,
        level: AskedLevel,
        new: NewVariable,
    ) -> Result<(), Broken> {
        let place = self.place(scope, level).await?;
        let mut against = self.rights_against(&place)?;
        let name = against.take(named(&new.name))?;
        if let Err(why) = check_value(&new.value) {
            let message = format!("that is no value of a variable: {why}");
            let hint = "keep large values in a file on a mount";
            against.push(reason("variable-value", message, hint));
        }
        let Some(name) = name else {
            return against.verdict();
        };
        let variable = self.wanted(&place, name, new, &mut against).await?;
        against.verdict()?;
        if variable.secret && variable.value.0.len() < STARRED {
            let text = "it has fewer than 8 bytes: output that shows it is not starred";
            self.peer.lines(report::warning(text)).await?;
        }
        self.say_committed(&place, &variable.name).await?;
        self.record_change(place, Change::Set(variable)).await
    }

    /// Says which environments have a variable of many committed, so that nothing changes there.
    async fn say_committed(&mut self, place: &Place, name: &VariableName) -> Result<(), Broken> {
        if matches!(place.level, Level::Environment(_)) {
            return Ok(());
        }
        let recorder = &self.world.recorder;
        let project = place.project.name.clone();
        let all = recorder.overview(Some(project)).await.map_err(store)?;
        let settings = self.world.settings();
        let mut places: Vec<String> = Vec::new();
        for one in &all {
            let kind = kind_of(&settings, &place.project, &one.record);
            let live = one.live.as_ref();
            let live = live.filter(|live| live.committed.contains_key(name));
            if place.level.reaches(&one.record.key.id, kind)
                && let Some(live) = live
            {
                let commit = live.commit.get(..8).unwrap_or(&live.commit);
                places.push(format!("{} in {commit}", one.record.key.id));
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let more = match places.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        places.truncate(NAMED);
        let file = wharf_config::application::committed::FILE;
        let places = places.join(", ");
        let text = format!(
            "{name} is committed ({file}) and read-only, so this changes nothing, in: {places}{more}"
        );
        self.peer.lines(report::warning(&text)).await
    }

    /// The variable as it is to be: what is not said of one that is there stays.
    async fn wanted(
        &self,
        place: &Place,
        name: VariableName,
        new: NewVariable,
        against: &mut Against,
    ) -> Result<Variable, Broken> {
        let recorder = &self.world.recorder;
        let at = recorder.variables_at(&place.project.name, place.level.clone());
        let (own, in_project) = at.await.map_err(store)?;
        let old = own.iter().find(|variable| variable.name == name);
        let secret = new.secret || old.is_some_and(|old| old.secret);
        let by_default = match secret {
            true => Visible::Run,
            false => Visible::Both,
        };
        let visible = new.visible.map(visible).or(old.map(|old| old.visible));
        let variable = Variable {
            level: place.level.clone(),
            name,
            value: Hidden(new.value),
            visible: visible.unwrap_or(by_default),
            secret,
            inheritable: new.inheritable || old.is_some_and(|old| old.inheritable),
            json: new.json || old.is_some_and(|old| old.json),
            set_by: self.actor(&place.project).name,
            set_at: now(),
        };
        if variable.json
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&variable.value.0)
        {
            let message = format!("the value of {} is no JSON: {error}", variable.name);
            against.push(reason(
                "variable-json",
                message,
                "mend it, or set it without --as-json once it is deleted",
            ));
        }
        against.extend(self.committed_against(place, &variable.name).await?);
        if let Err(bound) = fits(&own, in_project, &variable) {
            against.push(too_much(&bound));
        }
        Ok(variable)
    }

    /// Why a variable is read-only: the deployed commit has it.
    async fn committed_against(
        &self,
        place: &Place,
        name: &VariableName,
    ) -> Result<Option<Refusal>, Broken> {
        if !matches!(place.level, Level::Environment(_)) {
            return Ok(None);
        }
        let state = self.state(place).await?;
        let Some(live) = state.live else {
            return Ok(None);
        };
        if !live.application.committed.contains_key(name) {
            return Ok(None);
        }
        let file = wharf_config::application::committed::FILE;
        let commit = live.commit.get(..8).unwrap_or(&live.commit);
        Ok(Some(reason(
            "variable-committed",
            format!(
                "{name} is committed in {commit} ({file}), and read-only in {}",
                place.key.id
            ),
            &format!("change it in {file}, or take it out there; commit and push"),
        )))
    }

    pub(super) async fn delete_variable(
        &mut self,
        scope: &Scope,
        level: AskedLevel,
        name: &str,
    ) -> Result<(), Broken> {
        let place = self.place(scope, level).await?;
        self.rights_against(&place)?.verdict()?;
        let recorder = &self.world.recorder;
        let at = recorder.variables_at(&place.project.name, place.level.clone());
        let (own, _) = at.await.map_err(store)?;
        let found = own.into_iter().find(|one| one.name.as_str() == name);
        let Some(found) = found else {
            let name: String = name.chars().take(60).collect();
            let message = format!("{} is not set for {}", name.escape_default(), place.level);
            return Err(missing("unknown-variable", &message)
                .hint("see what is set, and where: wharf variable list"));
        };
        let change = Change::Delete(place.level.clone(), found.name);
        self.record_change(place, change).await
    }

    /// Every right that they lack.
    fn rights_against(&self, place: &Place) -> Result<Against, Broken> {
        let act = match place.level {
            Level::Environment(_) => Act::SetVariable,
            Level::Project | Level::Type(_) => Act::SetVariables,
        };
        let mut against = Against::default();
        for (name, kind) in place.concerned() {
            against.take(self.may(act, &place.project, &name, kind))?;
        }
        Ok(against)
    }

    async fn record_change(&mut self, place: Place, change: Change) -> Result<(), Broken> {
        if place.record.is_none() && matches!(place.level, Level::Environment(_)) {
            let text = format!(
                "{} is no environment yet: it counts once that branch is pushed",
                place.branch
            );
            self.peer.lines(report::warning(&text)).await?;
        }
        let actor = self.actor(&place.project);
        let activity = order::of_change(place.key, place.branch, place.kind, actor, change);
        let ids = self.ordered(vec![activity]).await?;
        self.follow_moved(ids).await
    }

    /// Where variables of a level are.
    pub(super) async fn place(&self, scope: &Scope, level: AskedLevel) -> Result<Place, Broken> {
        let level = match level {
            AskedLevel::Environment => return self.own_place(scope).await,
            AskedLevel::Project => Level::Project,
            AskedLevel::Type(word) => Level::Type(Type::parse(&word).ok_or_else(|| {
                let word: String = word.chars().take(60).collect();
                let message = format!("there is no type `{}`", word.escape_default());
                let hint = "they are: production, staging, development";
                missing("unknown-type", &message).hint(hint)
            })?),
        };
        let tree = self.tree(scope).await?;
        let root = tree.records.iter().find(|record| record.is_production());
        let branch = match root {
            Some(root) => root.branch.clone(),
            None => root_branch(&tree)?,
        };
        let environment = tree.place(&branch);
        Ok(Place {
            level,
            key: key(&tree, environment.id),
            branch,
            kind: environment.kind,
            record: root.cloned(),
            project: tree.project,
        })
    }

    /// The environment that is meant, or the one that a branch of that name would have.
    async fn own_place(&self, scope: &Scope) -> Result<Place, Broken> {
        let found = match self.environment(scope).await {
            Ok(record) => Ok(record),
            Err(Broken::Refused(refusal)) if refusal.exit == Exit::NotFound => Err(refusal),
            Err(other) => return Err(other),
        };
        match found {
            Ok(record) => {
                let project = self.project_of(&record)?;
                Ok(Place {
                    level: Level::Environment(record.key.id.clone()),
                    key: record.key.clone(),
                    branch: record.branch.clone(),
                    kind: kind_of(&self.world.settings(), &project, &record),
                    record: Some(record),
                    project,
                })
            }
            Err(refusal) => {
                let name = scope
                    .environment
                    .as_deref()
                    .map(plain)
                    .map(BranchName::parse);
                let Some(Ok(branch)) = name else {
                    return Err(Broken::Refused(refusal));
                };
                let tree = self.tree(scope).await?;
                let environment = tree.place(&branch);
                Ok(Place {
                    level: Level::Environment(environment.id.clone()),
                    key: key(&tree, environment.id),
                    branch,
                    kind: environment.kind,
                    record: None,
                    project: tree.project,
                })
            }
        }
    }
}

/// The branch of production, where it is not there yet.
fn root_branch(tree: &Tree) -> Result<BranchName, Broken> {
    let project = &tree.project;
    let root = project.production(tree.default.as_ref());
    root.cloned().ok_or_else(|| {
        refusal(
            "no-parent",
            format!("{} has no production yet", project.name),
            "push its default branch first",
        )
    })
}

fn key(tree: &Tree, id: wharf_config::name::EnvironmentId) -> EnvironmentKey {
    EnvironmentKey {
        project: tree.project.name.clone(),
        id,
    }
}

/// A variable's name that nobody else uses.
fn named(text: &str) -> Result<VariableName, Broken> {
    let refused = |code, message, hint| Err(Broken::Refused(reason(code, message, hint)));
    match VariableName::parse(text) {
        Ok(name) if !name.is_reserved() => Ok(name),
        Ok(name) => {
            let message = format!("{name} is reserved: Wharf sets it");
            refused("reserved-variable", message, "choose another name")
        }
        Err(error) => refused("variable-name", error.to_string(), "for example: LOG_LEVEL"),
    }
}

fn reason(code: &str, message: String, hint: &str) -> Refusal {
    Refusal {
        code: code.into(),
        message,
        hint: Some(hint.to_owned()),
        exit: Exit::Refused,
    }
}

fn visible(visible: wire::Visible) -> Visible {
    match visible {
        wire::Visible::Build => Visible::Build,
        wire::Visible::Run => Visible::Run,
        wire::Visible::Both => Visible::Both,
    }
}
