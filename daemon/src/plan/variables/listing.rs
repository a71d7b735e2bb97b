//! What counts in an environment, name by name, and where each comes from.

use std::collections::{BTreeMap, BTreeSet};

use wharf_config::application::{Application, Value, Visible};
use wharf_config::name::{EnvironmentId, VariableName};
use wharf_config::project::Kind;

use super::{Given, One, Variable};

/// Where a value comes from; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// `wharf.toml`.
    Code(&'a str),
    /// Wharf made it.
    Generated,
    /// Somebody set it.
    Set(&'a Variable),
    /// `wharf.config.toml`.
    Committed(&'a str),
}

/// A variable that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted<'a> {
    /// Its name.
    pub name: &'a VariableName,
    /// Where it comes from.
    pub origin: Origin<'a>,
    /// Who sees this value.
    pub visible: Visible,
}

impl<'a> Counted<'a> {
    /// Its value; none of a secret.
    pub fn value(&self) -> Option<&'a str> {
        match self.origin {
            Origin::Code(value) | Origin::Committed(value) => Some(value),
            Origin::Set(variable) => (!variable.secret).then_some(&variable.value.0),
            Origin::Generated => None,
        }
    }
}

/// What counts where this code serves: at most two of a name, one that builds see and one that runs
/// see.
pub fn counted<'a>(
    application: &'a Application,
    set: &'a [Variable],
    id: &EnvironmentId,
    kind: Kind,
) -> Vec<Counted<'a>> {
    let mut names: BTreeMap<&VariableName, Vec<(Origin<'a>, Visible)>> = BTreeMap::new();
    let mut add = |name, origin, visible| {
        names.entry(name).or_default().push((origin, visible));
    };
    for (name, value) in &application.env {
        match value {
            Value::Generate => add(name, Origin::Generated, Visible::Run),
            value => {
                if let Some((text, visible)) = value.written() {
                    add(name, Origin::Code(text), visible);
                }
            }
        }
    }
    let reaches = |variable: &&Variable| variable.level.reaches(id, kind);
    let mut all: Vec<&Variable> = set.iter().filter(reaches).collect();
    all.sort_by(|one, other| one.level.cmp(&other.level));
    for variable in all {
        add(&variable.name, Origin::Set(variable), variable.visible);
    }
    for (name, one) in &application.committed {
        add(name, Origin::Committed(&one.value), one.visible);
    }
    let mut counted = Vec::new();
    for (name, candidates) in names {
        let last = |in_stage: fn(Visible) -> bool| {
            let seen = |(_, visible): &(Origin<'_>, Visible)| in_stage(*visible);
            candidates.iter().rposition(seen)
        };
        let (build, run) = (last(Visible::in_build), last(Visible::in_run));
        let mut one = |at: Option<usize>, visible| {
            let origin = at.map(|at| candidates[at].0);
            counted.extend(origin.map(|origin| Counted {
                name,
                origin,
                visible,
            }));
        };
        if build == run {
            one(build, Visible::Both);
        } else {
            one(build, Visible::Build);
            one(run, Visible::Run);
        }
    }
    counted
}

/// A variable as two environments have it.
#[derive(Debug, PartialEq, Eq)]
pub struct Compared<'a> {
    /// Its name.
    pub name: &'a VariableName,
    /// Where they have it so.
    pub visible: Visible,
    /// In the one.
    pub first: Option<&'a One>,
    /// In the other.
    pub second: Option<&'a One>,
}

/// What builds and runs of an application see.
#[derive(Debug, Default)]
pub struct Sight {
    build: BTreeMap<VariableName, One>,
    run: BTreeMap<VariableName, One>,
}

impl Sight {
    /// Of this code, where this is given.
    pub fn of(application: &Application, given: &Given) -> Sight {
        Sight {
            build: given.seen_by_build(application),
            run: given.seen_by_run(application),
        }
    }
}

/// Both sides of each name, in one row where builds and runs see the same.
pub fn compare<'a>(first: &'a Sight, second: &'a Sight) -> Vec<Compared<'a>> {
    let all = [&first.build, &first.run, &second.build, &second.run];
    let names: BTreeSet<&VariableName> = all.iter().flat_map(|seen| seen.keys()).collect();
    let mut rows = Vec::new();
    for name in names {
        let build = (first.build.get(name), second.build.get(name));
        let run = (first.run.get(name), second.run.get(name));
        let mut row = |(first, second): (Option<&'a One>, Option<&'a One>), visible| {
            if first.is_some() || second.is_some() {
                rows.push(Compared {
                    name,
                    visible,
                    first,
                    second,
                });
            }
        };
        if build == run {
            row(build, Visible::Both);
        } else {
            row(build, Visible::Build);
            row(run, Visible::Run);
        }
    }
    rows
}
