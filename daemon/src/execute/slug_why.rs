//! What a release or a tip is made of against what served before it, and what that comes to.

use std::collections::BTreeSet;
use std::path::Path;

use wharf_wire::slug::{Change as Row, ChangeKind, Effect, How};

use super::slug_change::{Change, changes, row};
use super::slug_key::Ingredients;
use super::tree_changes;
use crate::plan::variables::Given;

/// Rows of one comparison, at most.
const MOST: usize = 200;
/// Bytes of them as JSON: two comparisons go in one frame.
const BYTES: usize = 24 * 1024;
/// Characters of one name.
const LONGEST: usize = 500;

/// What a release is made of, or would be.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// What its slug is made of.
    pub ingredients: &'a Ingredients,
    /// Its commit, in hex.
    pub commit: &'a str,
    /// What was set for it, as far as known.
    pub given: Option<&'a Given>,
    /// Whether its slug was built again on request.
    pub rebuilt: bool,
}

/// What is not as it was, and how much more than fits.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Row by row: files come last.
    pub rows: Vec<Row>,
    /// How many more there are.
    pub left_out: u64,
}

/// Holds two against each other. Blocks: it reads trees.
#[must_use]
pub fn compare(repository: &Path, old: &Made<'_>, new: &Made<'_>) -> Rows {
    let (tree, others): (Vec<_>, Vec<_>) = changes(old.ingredients, new.ingredients)
        .into_iter()
        .partition(|change| matches!(change, Change::Tree(..)));
    let mut rows: Vec<Row> = others.iter().flat_map(Change::rows).collect();
    if new.rebuilt {
        rows.push(row(ChangeKind::Rebuild, How::Added, ""));
    }
    rows.extend(of_runs(old, new, &rows));
    let mut left_out = 0;
    for change in &tree {
        let Change::Tree(before, after) = change else {
            continue;
        };
        match tree_changes::files(repository, before, after, MOST) {
            Ok(files) => {
                let file = |(path, how): &(String, How)| row(ChangeKind::File, *how, path);
                rows.extend(files.first.iter().map(file));
                left_out += files.more;
            }
            // The older one is gone with the branch that had it.
            Err(_) => rows.extend(change.rows()),
        }
    }
    fitting(rows, left_out)
}

/// What no build sees.
fn of_runs(old: &Made<'_>, new: &Made<'_>, told: &[Row]) -> Vec<Row> {
    let mut rows = Vec::new();
    if let (Some(before), Some(after)) = (old.given, new.given) {
        let is_told = |name: &str| {
            let of_build = [ChangeKind::Variable, ChangeKind::Secret];
            let mut told = told.iter();
            told.any(|row| of_build.contains(&row.kind) && row.name == name)
        };
        let names: BTreeSet<_> = after.differing(before);
        for name in names.iter().filter(|name| !is_told(name.as_str())) {
            let how = match (before.run.get(name), after.run.get(name)) {
                (None, Some(_)) => How::Added,
                (Some(_), None) => How::Removed,
                _ => How::Changed,
            };
            rows.push(row(ChangeKind::RunVariable, how, name.as_str()));
        }
    }
    if old.commit != new.commit && old.ingredients.tree == new.ingredients.tree {
        rows.push(Row {
            old: Some(old.commit.to_owned()),
            new: Some(new.commit.to_owned()),
            ..row(ChangeKind::Commit, How::Changed, "")
        });
    }
    rows
}

/// What deploying comes to where these rows differ; `found` says whether a slug of it is there.
#[must_use]
pub fn effect(rows: &[Row], found: bool) -> Effect {
    if rows.is_empty() && found {
        Effect::Nothing
    } else if found {
        Effect::Redeploy
    } else {
        Effect::Rebuild
    }
}

/// As many as one answer holds.
fn fitting(rows: Vec<Row>, mut left_out: u64) -> Rows {
    let mut kept = Vec::new();
    let mut bytes = 0;
    for mut row in rows {
        if row.name.chars().nth(LONGEST).is_some() {
            row.name = row.name.chars().take(LONGEST).collect();
            row.name.push_str("...");
        }
        let size = serde_json::to_string(&row).map_or(BYTES, |text| text.len());
        if kept.len() < MOST && bytes + size <= BYTES {
            bytes += size;
            kept.push(row);
        } else {
            left_out += 1;
        }
    }
    Rows {
        rows: kept,
        left_out,
    }
}

#[cfg(test)]
mod tests;
