//! Commands: one, or several in order.

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::At;
use crate::{
    name::RelPath,
    plain::{plain, quoted, shortened},
    reader::Item,
};

const MAX_STEPS: usize = 64;
const MAX_PATHS: usize = 64;

/// What is in a build's and a deploy's table, so that both spellings read alike.
const COMMAND: &str = "\"npm run build\"";

/// A command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What people read: printable ASCII, at most 60 characters.
    pub name: String,
    /// What `/bin/sh -c` gets.
    pub run: String,
    /// Files and directories that alone decide what it makes: where they are as they were, what it
    /// made then is used again. None: it always runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<RelPath>,
    /// Whether it runs at the same time as the one before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
    /// Where it is written. Not stored.
    #[serde(skip)]
    pub at: At,
}

impl Step {
    /// A command that always runs, after the one before it.
    pub fn new(name: impl Into<String>, run: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            run: run.into(),
            ..Self::default()
        }
    }

    /// A command that is asked something: people read its first line.
    pub fn asking(run: &str) -> Self {
        Self::new(step_name(run), run)
    }

    /// The same, written there.
    #[must_use]
    pub fn at(self, at: At) -> Self {
        Self { at, ..self }
    }
}

/// A command, or a list of commands, in which a list is commands that run at the same time.
pub(super) fn groups(item: &Item<'_>) -> Vec<Step> {
    let DeValue::Array(_) = item.value() else {
        return steps(item);
    };
    let list = item.list(MAX_STEPS, "").unwrap_or_default();
    let mut steps = Vec::new();
    for item in &list {
        if !matches!(item.value(), DeValue::Array(_)) {
            steps.extend(step(item, Place::Build));
            continue;
        }
        let group = item.list(MAX_STEPS, "").unwrap_or_default();
        let mut beside = false;
        for item in &group {
            let Some(step) = step(item, Place::Build) else {
                continue;
            };
            if group.len() > 1 && !step.inputs.is_empty() {
                item.bad(
                    "`inputs` cannot stand in a group",
                    "what it makes cannot be told from what the others make: let it run alone",
                );
            }
            steps.push(Step { beside, ..step });
            beside = true;
        }
    }
    if steps.len() > MAX_STEPS {
        item.bad(
            format!("{} steps, at most {MAX_STEPS} are allowed", steps.len()),
            "put some into a script",
        );
    }
    steps
}

/// A command, or a list of commands in order.
pub(super) fn steps(item: &Item<'_>) -> Vec<Step> {
    match item.value() {
        DeValue::Array(_) => {
            let list = item.list(MAX_STEPS, "").unwrap_or_default();
            let steps = list.iter().filter_map(|item| step(item, Place::Other));
            steps.collect()
        }
        _ => step(item, Place::Other).into_iter().collect(),
    }
}

/// Where a command stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// What it makes may be used again.
    Build,
    /// It acts on what is outside the slug.
    Other,
}

fn step(item: &Item<'_>, place: Place) -> Option<Step> {
    if !matches!(item.value(), DeValue::Table(_)) {
        return command(item).map(|run| Step::new(step_name(&run), run).at(at(item)));
    }
    let table = item.table("")?;
    let mut place_of = at(item);
    let run = table.get("run").map(|item| {
        place_of = at(&item);
        command(&item)
    });
    let name = table
        .get("name")
        .and_then(|item| item.text("\"compile\"").map(step_name));
    let inputs = match place {
        Place::Build => table.get("inputs").map(|item| paths(&item)),
        Place::Other => None,
    };
    if run.is_none() {
        let message = format!("{} has no `run`", quoted(item.path()));
        let hint = "write { name = \"compile\", run = \"make\" }";
        table.missing(&["run"], message, hint);
    }
    table.finish();
    let run = run.flatten()?;
    Some(Step {
        name: name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| step_name(&run)),
        run,
        inputs: inputs.unwrap_or_default(),
        beside: false,
        at: place_of,
    })
}

fn at(item: &Item<'_>) -> At {
    At::Spot(item.spot())
}

/// A list of files and directories of the tree.
pub(super) fn paths(item: &Item<'_>) -> Vec<RelPath> {
    const EXAMPLE: &str = "\"package-lock.json\"";
    let list = item.list(MAX_PATHS, EXAMPLE).unwrap_or_default();
    let paths = list
        .iter()
        .filter_map(|item| item.parsed(EXAMPLE, RelPath::parse));
    paths.collect()
}

/// What people read of a command: its first line, shortened.
pub(crate) fn step_name(run: &str) -> String {
    let line = run.trim().lines().next().unwrap_or_default().trim();
    shortened(&plain(&shortened(line, 60)), 60)
}

/// A command's text.
pub(crate) fn command(item: &Item<'_>) -> Option<String> {
    let text = item.text(COMMAND)?;
    if text.trim().is_empty() {
        item.bad("the command is empty", "write a command, or remove the key");
        return None;
    }
    Some(text.to_owned())
}
