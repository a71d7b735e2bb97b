//! Reads project files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Declared, Directory, Kind, Pattern, Project};
use crate::{
    host::ON_FAILURE,
    name::{BranchName, Domain, ProjectName},
    plain::quoted,
    problem::{Problem, Problems},
    reader::{Item, Reader, Table},
};

const MAX_ENVIRONMENTS: usize = 200;
const MAX_HOSTS: usize = 50;
const KINDS: [(&str, Kind); 3] = [
    ("production", Kind::Production),
    ("staging", Kind::Staging),
    ("development", Kind::Development),
];
/// Keys of an environment that later versions act on.
const LATER: &[&str] = &[
    "accept",
    "mirror_to",
    "snapshots",
    "access",
    "data",
    "pause_after",
    "on_new_branch",
    "branchable",
    "approve",
    "deploy_window",
    "deploy_at",
    "network",
    "env",
];

pub(super) fn one(file: &Path) -> Result<Project, Problems> {
    let shown = file.display().to_string();
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let name = ProjectName::parse(stem).map_err(|error| {
        Problem::new(shown, "bad-name", error.to_string())
            .hint("the file's name without .toml is the project's; rename it")
    })?;
    let project = Reader::open(file)?.read(|table| project(table, name))?;
    Ok(project.expect("without a problem there is a project"))
}

/// None only with a problem.
fn project(table: Table<'_>, name: ProjectName) -> Option<Project> {
    let repository = table.get("repository");
    if repository.is_none() {
        let hint = "write repository = \"/srv/git/NAME.git\"";
        table.problem("missing-key", "`repository` is missing".to_owned(), hint);
    }
    let repository = repository.and_then(|item| absolute(&item));
    let domain = table
        .get("domain")
        .and_then(|item| item.parsed("\"shop.example.com\"", Domain::parse));
    let (environments, others) = table
        .get("environments")
        .map(|item| environments(&item))
        .unwrap_or_default();
    let push = table.get("push").and_then(|item| item.table(""));
    let on_failure = push.as_ref().and_then(|push| {
        let item = push.get("on_failure")?;
        item.one_of(&ON_FAILURE)
    });
    if let Some(push) = push {
        push.finish();
    }
    table.later(&[
        "plan",
        "roles",
        "data",
        "max_active",
        "on_new_branch",
        "env",
    ]);
    table.finish();
    Some(Project {
        name,
        repository: repository?,
        domain,
        environments,
        others,
        on_failure,
    })
}

/// An absolute path without `..`.
pub(crate) fn absolute(item: &Item<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(item.text("\"/srv/git/shop.git\"")?);
    let up = path
        .components()
        .any(|part| part == std::path::Component::ParentDir);
    if path.is_absolute() && !up {
        return Some(path);
    }
    item.bad(
        "must be an absolute path without `..`",
        "write it from / on",
    );
    None
}

impl Default for Pattern {
    fn default() -> Self {
        Self {
            kind: Kind::Development,
            parent: None,
        }
    }
}

/// An environment before the parents' names are looked up.
struct Raw<'a> {
    at: Item<'a>,
    branch: BranchName,
    kind: Kind,
    parent: Option<Item<'a>>,
    hosts: Vec<Domain>,
}

fn environments(item: &Item<'_>) -> (Vec<Declared>, Pattern) {
    let entries = item.table("").map(Table::entries).unwrap_or_default();
    if entries.len() > MAX_ENVIRONMENTS {
        item.bad_key(
            "bad-value",
            format!("more than {MAX_ENVIRONMENTS}"),
            "leave some out",
        );
        return Default::default();
    }
    let mut raw = Vec::new();
    let mut pattern = None;
    for entry in entries {
        match entry.key() {
            "*" => pattern = others(&entry),
            _ => raw.extend(declared(entry)),
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
        None if productions().next().is_none() && !raw.is_empty() => item.bad_key(
            "missing-key",
            "none of them is production",
            "write type = \"production\" in one of them",
        ),
        None => {}
    }
    let branch_of = |parent: &Item<'_>| {
        let key = parent.text("\"production\"")?;
        let found = raw
            .iter()
            .find(|one| one.at.key() == key)
            .map(|one| one.branch.clone());
        if found.is_none() {
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
        });
    }
    for one in &raw {
        if in_a_circle(&one.branch, &list) {
            let hint = "every chain of parents must end at production";
            one.at
                .bad_key("bad-value", "its parents go in a circle", hint);
        }
    }
    let others = pattern
        .map(|(kind, parent)| Pattern {
            kind,
            parent: parent.as_ref().and_then(branch_of),
        })
        .unwrap_or_default();
    list.sort_by_key(|one| one.kind);
    (list, others)
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

fn declared(at: Item<'_>) -> Option<Raw<'_>> {
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
    table.later(LATER);
    table.finish();
    let (branch, kind) = (branch?, kind?);
    Some(Raw {
        at,
        branch,
        kind,
        parent,
        hosts,
    })
}

fn others<'a>(at: &Item<'a>) -> Option<(Kind, Option<Item<'a>>)> {
    let table = at.table("{ type = \"development\" }")?;
    let kind = match table.get("type") {
        Some(item) => item.one_of(&KINDS[1..]),
        None => Some(Kind::Development),
    };
    let parent = table.get("parent");
    table.later(LATER);
    table.finish();
    Some((kind?, parent))
}

pub(super) fn all(dir: &Path) -> Result<Directory, Problems> {
    let mut found = Directory::default();
    for file in toml_files(dir)? {
        match one(&file) {
            Ok(project) => match clash(&project, &found.projects) {
                None => found.projects.push(project),
                Some(why) => {
                    let problem = Problem::new(file.display().to_string(), "bad-value", why)
                        .hint("change one of the two files");
                    found.broken.push((file, problem.into()));
                }
            },
            Err(problems) => found.broken.push((file, problems)),
        }
    }
    Ok(found)
}

/// What two projects cannot share.
fn clash(project: &Project, others: &[Project]) -> Option<String> {
    let hosts = |p: &Project| -> Vec<Domain> {
        p.environments
            .iter()
            .flat_map(|e| e.hosts.clone())
            .chain(p.domain.clone())
            .collect()
    };
    let mine = hosts(project);
    others.iter().find_map(|other| {
        if other.repository == project.repository {
            return Some(format!(
                "project {} has the same repository",
                quoted(other.name.as_str())
            ));
        }
        let theirs = hosts(other);
        let shared = mine.iter().find(|host| theirs.contains(host))?;
        let (other, shared) = (quoted(other.name.as_str()), quoted(shared.as_str()));
        Some(format!("project {other} has the host {shared} too"))
    })
}

/// The `*.toml` of a directory, in name order, without hidden ones.
pub(crate) fn toml_files(dir: &Path) -> Result<Vec<PathBuf>, Problems> {
    let fail = |error: io::Error| {
        let message = format!("the directory cannot be read: {error}");
        Problems::from(Problem::new(
            dir.display().to_string(),
            "unreadable",
            message,
        ))
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        if !hidden && path.extension().is_some_and(|end| end == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
