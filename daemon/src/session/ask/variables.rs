//! `wharf variable list` and `get`: what is set, what counts, what waits for a deployment.

use std::collections::BTreeSet;

use wharf_config::application::{Application, Visible};
use wharf_config::name::{EnvironmentId, VariableName};
use wharf_config::project::Kind as Type;
use wharf_wire::Refusal;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::variable::{self as wire, Level as AskedLevel};
use wharf_wire::view::Item;

use super::super::Session;
use super::super::peer::Broken;
use super::super::scope::missing;
use super::set::Place;
use super::store;
use crate::plan::rights::Act;
use crate::plan::variables::listing::{Counted, Origin, counted};
use crate::plan::variables::{Given, Level, Variable, differing};
use crate::store::release::ReleaseRecord;

/// Bytes of a value in an answer: as JSON each may take six, and it goes in one frame.
const SHOWN: usize = 10 * 1024;

/// All that decides what counts in an environment.
#[derive(Debug)]
pub(super) struct State {
    pub(super) id: EnvironmentId,
    pub(super) kind: Type,
    /// The release that serves.
    pub(super) live: Option<ReleaseRecord>,
    /// What is set.
    pub(super) set: Vec<Variable>,
    /// The code that serves; nothing where none does.
    pub(super) application: Application,
}

impl State {
    /// What it would be given if it were deployed now, by the code that serves.
    pub(super) fn given(&self) -> Given {
        Given::of(&self.set, &self.id, self.kind, &self.application.committed)
    }

    /// What the release that serves has otherwise, in builds and in runs.
    fn pending(&self) -> Waiting {
        match &self.live {
            Some(live) => Waiting::of(&self.given(), &live.variables),
            None => Waiting::default(),
        }
    }
}

/// Names that wait for a deployment.
#[derive(Debug, Default)]
struct Waiting {
    build: BTreeSet<VariableName>,
    run: BTreeSet<VariableName>,
}

impl Waiting {
    fn of(now: &Given, before: &Given) -> Waiting {
        Waiting {
            build: differing(&now.build, &before.build),
            run: differing(&now.run, &before.run),
        }
    }

    fn has(&self, row: &Counted<'_>) -> bool {
        let (in_build, in_run) = (row.visible.in_build(), row.visible.in_run());
        in_build && self.build.contains(row.name) || in_run && self.run.contains(row.name)
    }
}

impl Session {
    pub(super) async fn variables(
        &mut self,
        scope: &Scope,
        level: Option<AskedLevel>,
        name: Option<&str>,
    ) -> Result<(), Broken> {
        let mut items = match level {
            Some(level) => {
                let place = self.place(scope, level).await?;
                self.may_view(&place)?;
                self.set_at(&place).await?
            }
            None => {
                let place = self.place(scope, AskedLevel::Environment).await?;
                self.may_view(&place)?;
                self.counting(&place).await?
            }
        };
        if let Some(name) = name {
            items.retain(|item| item.name == name && item.level != "gone");
            let first = items.first().ok_or_else(|| {
                let name: String = name.chars().take(60).collect();
                let name = name.escape_default();
                missing("unknown-variable", &format!("{name} is not set there"))
                    .hint("see what is: wharf variable list")
            })?;
            if first.secret {
                return Err(Broken::Refused(Refusal {
                    code: "variable-secret".into(),
                    message: format!("{} is a secret, which is never shown", first.name),
                    hint: Some(format!(
                        "set another value: wharf variable set {} -",
                        first.name
                    )),
                    exit: Exit::Refused,
                }));
            }
            // What runs see is what people mean.
            let runs = |item: &wire::Variable| item.visible != wire::Visible::Build;
            if let Some(seen) = items.iter().position(runs) {
                items.swap(0, seen);
            }
            items.truncate(1);
        }
        for item in items {
            self.item(Item::Variable(item)).await?;
        }
        self.end(Exit::Ok).await
    }

    fn may_view(&self, place: &Place) -> Result<(), Broken> {
        let project = &place.project;
        for (name, kind) in place.concerned() {
            self.may(Act::View, project, &name, kind)?;
        }
        Ok(())
    }

    /// What is set at a level.
    async fn set_at(&self, place: &Place) -> Result<Vec<wire::Variable>, Broken> {
        let recorder = &self.world.recorder;
        let at = recorder.variables_at(&place.project.name, place.level.clone());
        let (own, _) = at.await.map_err(store)?;
        let item = |variable: &Variable| {
            let visible = variable.visible;
            let origin = Origin::Set(variable);
            let name = &variable.name;
            let counted = Counted {
                name,
                origin,
                visible,
            };
            view(place, counted, None, false, None)
        };
        Ok(own.iter().map(item).collect())
    }

    /// What counts in an environment, and what waits for a deployment.
    async fn counting(&self, place: &Place) -> Result<Vec<wire::Variable>, Broken> {
        let state = self.state(place).await?;
        let pending = state.pending();
        let id = Some(&state.id);
        let commit = state.live.as_ref().map(|live| live.commit.as_str());
        let rows = counted(&state.application, &state.set, &state.id, state.kind);
        let mut items: Vec<_> = rows
            .iter()
            .map(|row| view(place, *row, commit, pending.has(row), id))
            .collect();
        for name in pending.build.union(&pending.run) {
            // Only the release that serves has it.
            if !rows.iter().any(|row| row.name == name) {
                items.push(gone(place, name, &state.id));
            }
        }
        items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(items)
    }

    /// What decides there.
    pub(super) async fn state(&self, place: &Place) -> Result<State, Broken> {
        let recorder = &self.world.recorder;
        let live = match &place.record {
            Some(record) => match record.live {
                Some(live) => recorder.release(&record.key, live).await.map_err(store)?,
                None => None,
            },
            None => None,
        };
        let set = recorder.variables(&place.key, None).await.map_err(store)?;
        let application = live.as_ref().map(|live| live.application.clone());
        Ok(State {
            id: place.key.id.clone(),
            kind: place.kind,
            live,
            set: set.all,
            application: application.unwrap_or_default(),
        })
    }
}

fn gone(place: &Place, name: &VariableName, id: &EnvironmentId) -> wire::Variable {
    wire::Variable {
        project: place.project.name.to_string(),
        environment: Some(id.to_string()),
        name: name.to_string(),
        value: None,
        level: "gone".into(),
        target: None,
        visible: wire::Visible::Both,
        secret: false,
        inheritable: false,
        json: false,
        commit: None,
        pending: true,
        set_by: None,
        set_at: None,
    }
}

fn view(
    place: &Place,
    row: Counted<'_>,
    commit: Option<&str>,
    pending: bool,
    id: Option<&EnvironmentId>,
) -> wire::Variable {
    let (level, set) = match row.origin {
        Origin::Code(_) => ("code", None),
        Origin::Generated => ("generated", None),
        Origin::Committed(_) => ("committed", None),
        Origin::Set(variable) => (variable.level.word(), Some(variable)),
    };
    let target = set.filter(|variable| variable.level != Level::Project);
    wire::Variable {
        project: place.project.name.to_string(),
        environment: id.map(ToString::to_string),
        name: row.name.to_string(),
        value: row.value().map(shown),
        level: level.into(),
        target: target.map(|variable| variable.level.target().to_owned()),
        visible: seen_by(row.visible),
        secret: row.value().is_none(),
        inheritable: set.is_some_and(|variable| variable.inheritable),
        json: set.is_some_and(|variable| variable.json),
        commit: matches!(row.origin, Origin::Committed(_))
            .then(|| commit.map(str::to_owned))
            .flatten(),
        pending,
        set_by: set.map(|variable| variable.set_by.clone()),
        set_at: set.map(|variable| variable.set_at),
    }
}

/// Only what stands in `wharf.toml` can be longer, or have characters that take more room.
pub(super) fn shown(value: &str) -> String {
    let plain = !value
        .chars()
        .any(|c| c.is_control() && !"\n\r\t".contains(c));
    match plain && value.len() <= wharf_config::application::MAX_VALUE {
        true => value.to_owned(),
        false => {
            // The last character may be cut.
            let cut = &value.as_bytes()[..value.len().min(SHOWN)];
            format!("{} ...", String::from_utf8_lossy(cut))
        }
    }
}

pub(super) fn seen_by(visible: Visible) -> wire::Visible {
    match visible {
        Visible::Build => wire::Visible::Build,
        Visible::Run => wire::Visible::Run,
        Visible::Both => wire::Visible::Both,
    }
}
