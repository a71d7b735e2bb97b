//! `[seed]`: sample data for new environments.

use serde::{Deserialize, Serialize};

use super::step::{self, Step};
use crate::{project::Kind, reader::Item};

/// Sample data for an environment that has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// The commands.
    pub run: Vec<Step>,
    /// The types of environments that get it.
    pub only: Vec<Kind>,
}

/// Reads it; commands alone are for development.
pub(super) fn seed(item: &Item<'_>) -> Option<Seed> {
    let table = item.table("")?;
    let only = table.get("only").and_then(|item| types(&item));
    let run = table.get("run").map(|item| step::steps(&item));
    table.finish();
    let Some(run) = run.filter(|run| !run.is_empty()) else {
        let hint = "write: run = \"bin/sample-data\"";
        item.bad_key("bad-value", "has no command that makes the data", hint);
        return None;
    };
    let only = only.unwrap_or_else(|| vec![Kind::Development]);
    Some(Seed { run, only })
}

fn types(item: &Item<'_>) -> Option<Vec<Kind>> {
    let words = Kind::ALL.map(|kind| (kind.as_str(), kind));
    let list = item.list(words.len(), "[\"development\"]")?;
    let kinds = list.iter().filter_map(|item| item.one_of(&words));
    Some(kinds.collect())
}
