//! Reads project files.

mod directory;
mod environments;
mod people;
mod policy;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::{Kind, MaxActive, PLANS, Project, Remote, Sanitize, remote};
use crate::{
    application::command,
    host::ON_FAILURE,
    name::{Domain, ProjectName},
    notify::read::destinations,
    problem::{Problem, Problems},
    reader::{Item, Reader, Table, anybodys},
};
pub(super) use directory::all;
use environments::Tree;
pub(crate) use people::previews;
pub(crate) use policy::networks;

pub(crate) const KINDS: [(&str, Kind); 3] = [
    ("production", Kind::Production),
    ("staging", Kind::Staging),
    ("development", Kind::Development),
];
pub(super) fn one(file: &Path) -> Result<Project, Problems> {
    let name = name_of(file)?;
    read(Reader::open(file)?, name)
}

fn read(reader: Reader, name: ProjectName) -> Result<Project, Problems> {
    let project = reader.read(|table| project(table, name))?;
    Ok(project.expect("without a problem there is a project"))
}

/// The file's name without `.toml` is the project's.
fn name_of(file: &Path) -> Result<ProjectName, Problems> {
    let shown = file.display().to_string();
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    ProjectName::parse(stem).map_err(|error| {
        Problem::new(shown, "bad-name", error.to_string())
            .hint("the file's name without .toml is the project's; rename it")
            .into()
    })
}

/// None only with a problem.
fn project(table: Table<'_>, name: ProjectName) -> Option<Project> {
    let repository = table.get("repository");
    if repository.is_none() {
        let hint = "write repository = \"/srv/git/NAME.git\"";
        table.missing(&["repository"], "`repository` is missing".to_owned(), hint);
    }
    let repository = repository.and_then(|item| absolute(&item));
    let domain = table
        .get("domain")
        .and_then(|item| item.parsed("\"shop.example.com\"", Domain::parse));
    let zone = table.get("timezone").and_then(|item| zone(&item));
    let on_new_branch = table
        .get("on_new_branch")
        .and_then(|item| item.one_of(&policy::ON_NEW_BRANCH));
    let inherited = policy::Inherited {
        zone,
        on_new_branch: on_new_branch.unwrap_or_default(),
    };
    let tree = match table.get("environments") {
        Some(item) => environments::read(&item, &inherited),
        None => Tree::undeclared(&inherited),
    };
    let max_active = max_active(&table);
    let roles = people::roles(&table);
    let previews = table.get("previews").and_then(|item| previews(&item));
    let operators = table
        .get("operators")
        .and_then(|item| policy::networks(&item));
    let push = table.get("push").and_then(|item| item.table(""));
    let on_failure = push.as_ref().and_then(|push| {
        let item = push.get("on_failure")?;
        item.one_of(&ON_FAILURE)
    });
    let remote = push.as_ref().and_then(remote_of);
    if let Some(push) = push {
        push.finish();
    }
    let notify = table.get("notify").map(|item| destinations(&item));
    let sanitize = table.get("data").and_then(|item| sanitize(&item));
    table.later(&["env"]);
    table.finish();
    Some(Project {
        name,
        repository: repository?,
        domain,
        environments: tree.declared,
        patterns: tree.patterns,
        mirror: tree.mirror,
        max_active,
        roles,
        previews: previews.unwrap_or_default(),
        operators: operators.unwrap_or_default(),
        on_failure,
        remote,
        notify: notify.unwrap_or_default(),
        sanitize: sanitize.unwrap_or_default(),
    })
}

/// `[data]`: how data goes down.
fn sanitize(item: &Item<'_>) -> Option<Sanitize> {
    let table = item.table("")?;
    let found = table.get("sanitize").and_then(|item| {
        if let DeValue::String(_) = item.value() {
            return command(&item).map(Sanitize::Command);
        }
        match item.boolean()? {
            false => Some(Sanitize::Needless),
            true => {
                let hint = "name a command: sanitize = \"bin/scrub\"; or false where nobody in the data has to be hidden";
                item.bad("says nothing of how", hint);
                None
            }
        }
    });
    table.finish();
    found
}

/// The git host that is to know of Wharf's own moves.
fn remote_of(push: &Table<'_>) -> Option<Remote> {
    let ssh = push.get("ssh_command");
    let Some(url) = push.get("remote") else {
        if let Some(ssh) = ssh {
            ssh.bad("counts with `push.remote` only", "write that, too");
        }
        return None;
    };
    let ssh = ssh.and_then(|item| item.text("\"ssh -i /etc/wharf/forge.key\""));
    Some(Remote {
        url: url.parsed("\"ssh://git@localhost/shop.git\"", remote::url)?,
        ssh_command: ssh.map(str::to_owned),
    })
}

/// A named plan, with what overrides it.
fn max_active(table: &Table<'_>) -> MaxActive {
    let words = PLANS.map(|plan| (plan, plan));
    let plan = table.get("plan").and_then(|item| item.one_of(&words));
    let mut max = plan.and_then(MaxActive::of_plan).unwrap_or_default();
    let Some(item) = table.get("max_active") else {
        return max;
    };
    let number = |item: Item<'_>| item.number(1..=10_000);
    if !item.is_table() {
        max.total = number(item).or(max.total);
        return max;
    }
    let Some(table) = item.table("") else {
        return max;
    };
    max.total = table.get("total").and_then(number).or(max.total);
    for (word, kind) in KINDS {
        if let Some(most) = table.get(word).and_then(number) {
            max.by_kind.insert(kind, most);
        }
    }
    table.finish();
    max
}

fn zone(item: &Item<'_>) -> Option<TimeZone> {
    item.parsed("\"Europe/Berlin\"", |text| {
        TimeZone::get(text).map_err(|_| "is no time zone that this host knows")
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
    anybodys(dir, &dir.metadata().map_err(fail)?)?;
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
