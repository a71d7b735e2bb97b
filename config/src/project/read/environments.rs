//! Reads the tree of environments.

use std::collections::BTreeMap;

use super::policy::{self, Inherited};
use super::{
    super::{BranchPattern, Declared, Kind, Pattern, Policy},
    KINDS,
};
use crate::{
    name::{BranchName, Domain},
    plain::quoted,
    reader::{Item, Table},
};

const MAX_ENVIRONMENTS: usize = 200;
const MAX_HOSTS: usize = 50;

/// An environment before the parents' names are looked up.
struct Raw<'a> {
    at: Item<'a>,
    branch: BranchName,
    kind: Kind,
    parent: Option<Item<'a>>,
    hosts: Vec<Domain>,
    policy: Policy,
    mirror: Option<Item<'a>>,
}

/// A pattern before its parent's name is looked up.
struct Others<'a> {
    branches: BranchPattern,
    kind: Kind,
    parent: Option<Item<'a>>,
    policy: Policy,
}

/// What is declared of a project's environments.
pub(super) struct Tree {
    pub(super) declared: Vec<Declared>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) mirror: Option<BranchName>,
}

impl Tree {
    /// Where nothing is.
    pub(super) fn undeclared(inherited: &Inherited) -> Self {
        let mut others = Pattern::others();
        others.policy.on_new_branch = inherited.on_new_branch;
        others.policy.schedule.zone.clone_from(&inherited.zone);
        Self {
            declared: Vec::new(),
            patterns: vec![others],
            mirror: None,
        }
    }
}

pub(super) fn read(item: &Item<'_>, inherited: &Inherited) -> Tree {
    let entries = item.table("").map(Table::entries).unwrap_or_default();
    if entries.len() > MAX_ENVIRONMENTS {
        item.bad_key(
            "bad-value",
            format!("more than {MAX_ENVIRONMENTS}"),
            "leave some out",
        );
        return Tree::undeclared(inherited);
    }
    let mut raw = Vec::new();
    let mut patterns = Vec::new();
    let mut keys = Vec::new();
    for entry in entries {
        // No branch has one of these in its name.
        if entry.key().contains(['*', '?', '[', '{']) {
            patterns.extend(others(&entry, inherited));
        } else {
            keys.push(entry.key().to_owned());
            raw.extend(declared(entry, inherited));
        }
    }
    let mut branches = BTreeMap::new();
    for one in &raw {
        if let Some(other) = branches.insert(&one.branch, one.at.key()) {
            let why = format!("has the branch of {} too", quoted(other));
            one.at
                .bad_key("bad-value", why, "one branch is one environment");
        }
    }
    let productions = || raw.iter().filter(|one| one.kind == Kind::Production);
    match productions().nth(1) {
        Some(second) => {
            let hint = "a project has one; make the other staging or development";
            second
                .at
                .bad_key("bad-value", "is a second production", hint);
        }
        // One that is wrong otherwise may be meant to be it.
        None if productions().next().is_none() && !raw.is_empty() && raw.len() == keys.len() => {
            item.bad_key(
                "missing-key",
                "none of them is production",
                "write type = \"production\" in one of them",
            )
        }
        None => {}
    }
    let branch_of = |parent: &Item<'_>| {
        let key = parent.text("\"production\"")?;
        let found = raw
            .iter()
            .find(|one| one.at.key() == key)
            .map(|one| one.branch.clone());
        // What is wrong with one that is declared is said there.
        if found.is_none() && !keys.iter().any(|declared| declared == key) {
            parent.bad(
                format!("there is no environment {}", quoted(key)),
                "declare it here",
            );
        }
        found
    };
    let root = productions().next().map(|one| one.branch.clone());
    let mut list = Vec::new();
    for one in &raw {
        let parent = match (&one.parent, one.kind) {
            (Some(parent), Kind::Production) => {
                parent.bad_key("bad-value", "production is the root", "remove it");
                None
            }
            (Some(parent), _) => branch_of(parent),
            (None, Kind::Production) => None,
            (None, _) => root.clone(),
        };
        list.push(Declared {
            key: one.at.key().to_owned(),
            branch: one.branch.clone(),
            kind: one.kind,
            parent,
            hosts: one.hosts.clone(),
            policy: one.policy.clone(),
        });
    }
    for one in &raw {
        if in_a_circle(&one.branch, &list) {
            let hint = "every chain of parents must end at production";
            one.at
                .bad_key("bad-value", "its parents go in a circle", hint);
        }
    }
    let mirror = raw.iter().find_map(|one| mirror(one, &list));
    let mut patterns: Vec<Pattern> = patterns
        .into_iter()
        .map(|one| Pattern {
            branches: one.branches,
            kind: one.kind,
            parent: one.parent.as_ref().and_then(branch_of),
            policy: one.policy,
        })
        .collect();
    // The more letters a pattern has, the more particular it is.
    patterns.sort_by_key(|one| std::cmp::Reverse(one.branches.as_str().len()));
    if patterns.iter().all(|one| one.branches.as_str() != "*") {
        patterns.extend(Tree::undeclared(inherited).patterns);
    }
    list.sort_by_key(|one| one.kind);
    Tree {
        declared: list,
        patterns,
        mirror,
    }
}

/// The branch that follows production.
fn mirror(one: &Raw<'_>, list: &[Declared]) -> Option<BranchName> {
    let item = one.mirror.as_ref()?;
    if one.kind != Kind::Production {
        item.bad_key("bad-value", "only production has a mirror", "remove it");
        return None;
    }
    let branch = item.parsed("\"master\"", BranchName::parse)?;
    if let Some(taken) = list.iter().find(|other| other.branch == branch) {
        let why = format!("is the branch of {}", quoted(&taken.key));
        item.bad(why, "a mirror is nobody's environment: name another branch");
        return None;
    }
    Some(branch)
}

fn in_a_circle(branch: &BranchName, list: &[Declared]) -> bool {
    let mut at = branch;
    for _ in 0..=list.len() {
        match list
            .iter()
            .find(|one| one.branch == *at)
            .and_then(|one| one.parent.as_ref())
        {
            Some(parent) => at = parent,
            None => return false,
        }
    }
    true
}

fn declared<'a>(at: Item<'a>, inherited: &Inherited) -> Option<Raw<'a>> {
    let table = at.table("{ branch = \"main\" }")?;
    let branch = match table.get("branch") {
        Some(item) => item.parsed("\"main\"", BranchName::parse),
        None => at.key_as("[environments.main]", BranchName::parse),
    };
    let kind = match table.get("type") {
        Some(item) => item.one_of(&KINDS),
        None if at.key() == "production" => Some(Kind::Production),
        None => Some(Kind::Development),
    };
    let parent = table.get("parent");
    let hosts = table
        .get("hosts")
        .and_then(|item| item.list(MAX_HOSTS, "[\"example.com\"]"));
    let host = |item: &Item<'_>| item.parsed("\"example.com\"", Domain::parse);
    let hosts = hosts.unwrap_or_default().iter().filter_map(host).collect();
    let mirror = table.get("mirror_to");
    let policy = policy::read(&table, inherited, kind);
    table.finish();
    let (branch, kind) = (branch?, kind?);
    Some(Raw {
        at,
        branch,
        kind,
        parent,
        hosts,
        policy,
        mirror,
    })
}

fn others<'a>(at: &Item<'a>, inherited: &Inherited) -> Option<Others<'a>> {
    let branches = at.key_as("[environments.\"feature/*\"]", BranchPattern::parse);
    let table = at.table("{ type = \"development\" }")?;
    let kind = match table.get("type") {
        Some(item) => item.one_of(&KINDS[1..]),
        None => Some(Kind::Development),
    };
    let parent = table.get("parent");
    let policy = policy::read(&table, inherited, kind);
    table.finish();
    Some(Others {
        branches: branches?,
        kind: kind?,
        parent,
        policy,
    })
}
