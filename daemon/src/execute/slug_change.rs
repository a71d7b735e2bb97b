//! What two slugs are made of, held against each other: short for a push, row by row for
//! `wharf slug why`. No value of a variable is among it.

use std::collections::{BTreeMap, BTreeSet};

use wharf_wire::slug::{Change as Row, ChangeKind, How};

use super::slug_key::{Ingredients, differing};

/// A part of the key that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The tree, by the ids of both.
    Tree(String, String),
    /// What is applied to it.
    Patches(Vec<Edit>),
    /// The build's commands.
    Steps(Vec<Edit>),
    /// Static content's commands and places.
    Assets(Vec<Edit>),
    /// Where mounts go.
    Mounts(Vec<Edit>),
    /// A runtime by its name, with its versions.
    Runtime(String, Option<String>, Option<String>),
    /// A variable that the build sees.
    Variable(String, How),
    /// A secret that it sees.
    Secret(String, How),
    /// The trust domain.
    TrustDomain(String, String),
    /// The layout of slugs.
    Format(u32, u32),
}

/// What became of one entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What.
    pub how: How,
    /// Which.
    pub name: String,
}

/// All that keeps a slug of `old` ingredients from being used for `new` ones, in the key's order;
/// empty when it can be.
#[must_use]
pub fn changes(old: &Ingredients, new: &Ingredients) -> Vec<Change> {
    let mut all = Vec::new();
    if old.tree != new.tree {
        all.push(Change::Tree(old.tree.clone(), new.tree.clone()));
    }
    type OfList = fn(Vec<Edit>) -> Change;
    let lists: [(&Vec<String>, &Vec<String>, OfList); 4] = [
        (&old.patches, &new.patches, |edits| {
            Change::Patches(by_path(edits))
        }),
        (&old.steps, &new.steps, Change::Steps),
        (&old.assets, &new.assets, Change::Assets),
        (&old.mounts, &new.mounts, Change::Mounts),
    ];
    for (before, after, change) in lists {
        if before != after {
            all.push(change(edits(before, after)));
        }
    }
    for name in differing(&old.runtimes, &new.runtimes) {
        let version = |all: &BTreeMap<String, String>| all.get(name).cloned();
        let (before, after) = (version(&old.runtimes), version(&new.runtimes));
        all.push(Change::Runtime(name.to_owned(), before, after));
    }
    for (name, how) in named(&old.variables, &new.variables) {
        all.push(Change::Variable(name, how));
    }
    for (name, how) in named(&old.secrets, &new.secrets) {
        all.push(Change::Secret(name, how));
    }
    if old.trust_domain != new.trust_domain {
        let (before, after) = (old.trust_domain.clone(), new.trust_domain.clone());
        all.push(Change::TrustDomain(before, after));
    }
    if old.format != new.format {
        all.push(Change::Format(old.format, new.format));
    }
    all
}

/// Says in a few words each why a slug of `old` ingredients cannot be used for `new` ones.
#[must_use]
pub fn explain(old: &Ingredients, new: &Ingredients) -> Vec<String> {
    let mut said: Vec<String> = changes(old, new).iter().map(Change::short).collect();
    // One that became a secret is two changes of one name.
    let mut seen = BTreeSet::new();
    said.retain(|text| seen.insert(text.clone()));
    said
}

impl Change {
    /// As the pusher reads it.
    #[must_use]
    pub fn short(&self) -> String {
        let what = match self {
            Change::Tree(..) => "tree",
            Change::Patches(_) => "patches",
            Change::Steps(_) => "build steps",
            Change::Assets(_) => "assets",
            Change::Mounts(_) => "mounts",
            Change::Runtime(name, ..) | Change::Variable(name, _) | Change::Secret(name, _) => name,
            Change::TrustDomain(..) => "trust domain",
            Change::Format(..) => "slug format",
        };
        format!("{what} changed")
    }

    /// One by one. The tree is one row here: who has the repository knows its files.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let of_list = |kind, edits: &[Edit]| {
            let row = |edit: &Edit| row(kind, edit.how, &edit.name);
            edits.iter().map(row).collect()
        };
        match self {
            Change::Tree(..) => vec![row(ChangeKind::Tree, How::Changed, "")],
            Change::Patches(edits) => of_list(ChangeKind::Patch, edits),
            Change::Steps(edits) => of_list(ChangeKind::Step, edits),
            Change::Assets(edits) => of_list(ChangeKind::Assets, edits),
            Change::Mounts(edits) => of_list(ChangeKind::Mount, edits),
            Change::Runtime(name, old, new) => vec![Row {
                old: old.clone(),
                new: new.clone(),
                ..row(ChangeKind::Runtime, how(old, new), name)
            }],
            Change::Variable(name, how) => vec![row(ChangeKind::Variable, *how, name)],
            Change::Secret(name, how) => vec![row(ChangeKind::Secret, *how, name)],
            Change::TrustDomain(old, new) => vec![Row {
                old: Some(old.clone()),
                new: Some(new.clone()),
                ..row(ChangeKind::TrustDomain, How::Changed, "")
            }],
            Change::Format(old, new) => vec![Row {
                old: Some(old.to_string()),
                new: Some(new.to_string()),
                ..row(ChangeKind::Format, How::Changed, "")
            }],
        }
    }
}

/// A row without values.
#[must_use]
pub fn row(kind: ChangeKind, how: How, name: &str) -> Row {
    Row {
        kind,
        how,
        name: name.to_owned(),
        old: None,
        new: None,
    }
}

fn how<T>(old: &Option<T>, new: &Option<T>) -> How {
    match (old, new) {
        (None, _) => How::Added,
        (Some(_), None) => How::Removed,
        (Some(_), Some(_)) => How::Changed,
    }
}

fn named(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<(String, How)> {
    let names = differing(old, new).into_iter();
    names
        .map(|name| (name.to_owned(), how(&old.get(name), &new.get(name))))
        .collect()
}

/// What makes one list of the other: removed, added, and what stands elsewhere among the rest.
fn edits(old: &[String], new: &[String]) -> Vec<Edit> {
    let kept_old = common(old, new);
    let kept_new = common(new, old);
    let edit = |how, name: &String| Edit {
        how,
        name: name.clone(),
    };
    let removed = old.iter().zip(&kept_old).filter(|(_, kept)| !**kept);
    let added = new.iter().zip(&kept_new).filter(|(_, kept)| !**kept);
    let before = old.iter().zip(&kept_old).filter(|(_, kept)| **kept);
    let after = new.iter().zip(&kept_new).filter(|(_, kept)| **kept);
    let moved = before.zip(after).filter(|(one, other)| one.0 != other.0);
    removed
        .map(|(name, _)| edit(How::Removed, name))
        .chain(added.map(|(name, _)| edit(How::Added, name)))
        .chain(moved.map(|(_, (name, _))| edit(How::Moved, name)))
        .collect()
}

/// Which entries have their like in the other list, each of which is one's like only.
fn common(of: &[String], other: &[String]) -> Vec<bool> {
    let mut left: BTreeMap<&String, usize> = BTreeMap::new();
    for name in other {
        *left.entry(name).or_default() += 1;
    }
    let take = |name: &String| match left.get_mut(name) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    of.iter().map(take).collect()
}

/// Of a patch the id is behind its path: one path gone and there is one that changed.
fn by_path(edits: Vec<Edit>) -> Vec<Edit> {
    let path = |edit: &Edit| {
        let place = edit.name.starts_with(PLACE);
        let path = edit.name.rsplit_once(' ').filter(|_| !place);
        path.map_or(edit.name.clone(), |(path, _)| path.to_owned())
    };
    let has = |how: How| -> BTreeSet<String> {
        let of = edits.iter().filter(|edit| edit.how == how);
        of.map(path).collect()
    };
    let (gone, come) = (has(How::Removed), has(How::Added));
    let mut all = Vec::new();
    for edit in &edits {
        let name = path(edit);
        let both = gone.contains(&name) && come.contains(&name);
        let how = match (edit.how, both) {
            (How::Removed, true) => continue,
            (How::Added, true) => How::Changed,
            (how, _) => how,
        };
        all.push(Edit { how, name });
    }
    all
}

/// How the key says after which step patches are applied.
const PLACE: &str = "after step ";

#[cfg(test)]
mod tests;
