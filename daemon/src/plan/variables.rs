//! Which variables count: what was set at three levels, over what the code says, below what is
//! committed. What a build sees and what runs see are decided apart, so that a value for runs alone
//! never changes a build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use wharf_config::application::{Application, Value, Visible, committed};
use wharf_config::name::{EnvironmentId, VariableName};
use wharf_config::project::Kind;

pub mod listing;

/// Variables that may be set at one level of one target.
pub const MOST: usize = 256;
/// Bytes of their names and values together.
pub const MOST_BYTES: usize = 128 * 1024;
/// Variables that may be set in one project.
pub const MOST_IN_PROJECT: usize = 10_000;

/// Text that no log shows, whoever prints what holds it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Where a variable is set; a later one wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For every environment of the project.
    Project,
    /// For every environment of a type.
    Type(Kind),
    /// For one environment.
    Environment(EnvironmentId),
}

impl Level {
    /// The word that people, the store and the wire use.
    pub fn word(&self) -> &'static str {
        match self {
            Level::Project => "project",
            Level::Type(_) => "type",
            Level::Environment(_) => "environment",
        }
    }

    /// For whom of that level.
    pub fn target(&self) -> &str {
        match self {
            Level::Project => "",
            Level::Type(kind) => kind.as_str(),
            Level::Environment(id) => id.as_str(),
        }
    }

    /// Whether an environment of that type gets what is set there.
    pub fn reaches(&self, id: &EnvironmentId, kind: Kind) -> bool {
        match self {
            Level::Project => true,
            Level::Type(own) => *own == kind,
            Level::Environment(own) => own == id,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Project => f.write_str("the project"),
            Level::Type(kind) => write!(f, "every {} environment", kind.as_str()),
            Level::Environment(id) => write!(f, "{id}"),
        }
    }
}

/// A variable that somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Where.
    pub level: Level,
    /// Its name.
    pub name: VariableName,
    /// Its value.
    pub value: Hidden,
    /// Who sees it.
    pub visible: Visible,
    /// Whether its value is never shown.
    pub secret: bool,
    /// Whether children get it when they are made.
    pub inheritable: bool,
    /// Whether the value is JSON.
    pub json: bool,
    /// Who set it.
    pub set_by: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub set_at: u64,
}

/// A value that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct One {
    /// The value.
    pub value: Hidden,
    /// Whether it is never shown.
    pub secret: bool,
}

/// What was set for an environment, as builds and as deploy commands and processes see it: a release
/// keeps what it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// What builds see.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub build: BTreeMap<VariableName, One>,
    /// What deploy commands and processes see.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub run: BTreeMap<VariableName, One>,
}

impl Given {
    /// What an environment of that type is given of what is set, where the code has these committed:
    /// they win.
    pub fn of<'a>(
        set: impl IntoIterator<Item = &'a Variable>,
        id: &EnvironmentId,
        kind: Kind,
        committed: &committed::All,
    ) -> Given {
        let reaches = |variable: &&Variable| variable.level.reaches(id, kind);
        let mut all: Vec<&Variable> = set.into_iter().filter(reaches).collect();
        all.sort_by(|one, other| one.level.cmp(&other.level));
        let hidden = |name, in_stage: fn(Visible) -> bool| {
            let committed = committed.get(name);
            committed.is_some_and(|one| in_stage(one.visible))
        };
        let mut given = Given::default();
        for variable in all {
            let (name, visible) = (&variable.name, variable.visible);
            let one = || One {
                value: variable.value.clone(),
                secret: variable.secret,
            };
            if visible.in_build() && !hidden(name, Visible::in_build) {
                given.build.insert(name.clone(), one());
            }
            if visible.in_run() && !hidden(name, Visible::in_run) {
                given.run.insert(name.clone(), one());
            }
        }
        given
    }

    /// Names whose value, or whether they are there, is not as it was.
    pub fn differing(&self, before: &Given) -> BTreeSet<VariableName> {
        let mut names = differing(&self.build, &before.build);
        names.extend(differing(&self.run, &before.run));
        names
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.build.is_empty() && self.run.is_empty()
    }

    /// Values that are never shown.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let all = self.build.values().chain(self.run.values());
        all.filter(|one| one.secret).map(|one| one.value.0.as_str())
    }

    /// What a build of this application sees.
    pub fn seen_by_build(&self, application: &Application) -> BTreeMap<VariableName, One> {
        seen(application, Visible::in_build, &self.build)
    }

    /// What deploy commands and processes of this application see, without generated secrets: those
    /// go below what is set.
    pub fn seen_by_run(&self, application: &Application) -> BTreeMap<VariableName, One> {
        seen(application, Visible::in_run, &self.run)
    }
}

/// Names of those that are not as before, or only there now or before.
pub fn differing(
    now: &BTreeMap<VariableName, One>,
    before: &BTreeMap<VariableName, One>,
) -> BTreeSet<VariableName> {
    let names = now.keys().chain(before.keys());
    let differs = |name: &&VariableName| now.get(*name) != before.get(*name);
    names.filter(differs).cloned().collect()
}

/// Defaults of the code, then what was set, then what is committed.
fn seen(
    application: &Application,
    in_stage: fn(Visible) -> bool,
    set: &BTreeMap<VariableName, One>,
) -> BTreeMap<VariableName, One> {
    let plain = |value: &str| One {
        value: Hidden(value.to_owned()),
        secret: false,
    };
    let written = application.env.iter().filter_map(|(name, value)| {
        let (value, visible) = value.written()?;
        in_stage(visible).then(|| (name.clone(), plain(value)))
    });
    let set = set.iter().map(|(name, one)| (name.clone(), one.clone()));
    let committed = application.committed.iter();
    let committed = committed
        .filter(|(_, one)| in_stage(one.visible))
        .map(|(name, one)| (name.clone(), plain(&one.value)));
    written.chain(set).chain(committed).collect()
}

/// A variable that the code needs and nobody has set where it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: VariableName,
    /// What it is.
    pub help: Option<String>,
    /// Who needs it.
    pub visible: Visible,
    /// Whether it is set, but not seen there.
    pub unseen: bool,
}

/// What is needed and not there.
pub fn missing(application: &Application, given: &Given) -> Vec<Missing> {
    let (build, run) = (
        given.seen_by_build(application),
        given.seen_by_run(application),
    );
    let needed = application.env.iter().filter_map(|(name, value)| {
        let Value::Required { help, visible } = value else {
            return None;
        };
        let (in_build, in_run) = (build.contains_key(name), run.contains_key(name));
        let there = (!visible.in_build() || in_build) && (!visible.in_run() || in_run);
        (!there).then(|| Missing {
            name: name.clone(),
            help: help.clone(),
            visible: *visible,
            unseen: in_build || in_run,
        })
    });
    needed.collect()
}

impl Missing {
    /// What is wrong.
    pub fn message(&self, environment: &str) -> String {
        let help = self.help.as_deref();
        let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
        let name = &self.name;
        match self.unseen {
            false => format!("variable {name} is required and not set in {environment}{help}"),
            true => format!(
                "variable {name} is set in {environment}, but must be visible: {}{help}",
                self.visible.word()
            ),
        }
    }

    /// The command that mends it: it reads the value from the terminal.
    pub fn hint(&self, environment: &str) -> String {
        let visible = match self.visible {
            Visible::Run => "",
            Visible::Build => " --visible build",
            Visible::Both => " --visible both",
        };
        let name = &self.name;
        format!("set it: wharf variable set -e {environment}{visible} {name} -")
    }
}

/// The bound that one more variable would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Too many of them.
    #[error("{MOST} variables are set for {0} already")]
    Many(String),
    /// Too many bytes.
    #[error("the variables of {0} would have more than {MOST_BYTES} bytes together")]
    Large(String),
    /// Too many in the whole project.
    #[error("{MOST_IN_PROJECT} variables are set in the project already")]
    Project,
}

/// Whether a variable can be set beside these of its level, where so many are set in its project.
///
/// # Errors
/// The bound that it would break.
pub fn fits(own: &[Variable], in_project: usize, new: &Variable) -> Result<(), TooMuch> {
    let others = || own.iter().filter(|one| one.name != new.name);
    let known = own.len() > others().count();
    if !known && in_project >= MOST_IN_PROJECT {
        return Err(TooMuch::Project);
    }
    if others().count() >= MOST {
        return Err(TooMuch::Many(new.level.to_string()));
    }
    let size = |one: &Variable| one.name.as_str().len() + one.value.0.len();
    let bytes = others().map(size).sum::<usize>() + size(new);
    match bytes > MOST_BYTES {
        true => Err(TooMuch::Large(new.level.to_string())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
