//! The parts of `wharf.toml`.

use std::{collections::BTreeMap, time::Duration};

use toml::de::DeValue;

use super::{Application, Build, Deploy, Health, Mount, Process, Step, Value};
use crate::{
    name::{CachePath, ProcessName, RelPath, VariableName},
    plain::{plain, quoted, shortened},
    reader::{Item, Table},
};

const MAX_STEPS: usize = 64;
const MAX_CACHES: usize = 16;
const MAX_WORKERS: usize = 16;
const MAX_MOUNTS: usize = 64;
const MAX_VARIABLES: usize = 256;
const MAX_WITHIN: Duration = Duration::from_secs(60 * 60);

/// What is in a build's and a deploy's table, so that both spellings read alike.
const COMMAND: &str = "\"npm run build\"";

/// The build; only called where the key is there.
pub(super) fn build(item: &Item<'_>) -> Build {
    if !matches!(item.value(), DeValue::Table(_)) {
        let steps = steps(item);
        return Build {
            steps,
            cache: Vec::new(),
        };
    }
    let Some(table) = item.table("") else {
        return Build::default();
    };
    table.later(&["patches", "network"]);
    let (listed, run) = (table.get("steps"), table.get("run"));
    if let (Some(_), Some(run)) = (&listed, &run) {
        run.bad_key(
            "bad-value",
            "`steps` is there too",
            "put this command into `steps`",
        );
    }
    let build = Build {
        steps: listed.or(run).map(|item| steps(&item)).unwrap_or_default(),
        cache: table
            .get("cache")
            .map(|item| caches(&item))
            .unwrap_or_default(),
    };
    table.finish();
    build
}

/// Whether a build says which steps there are, even if none.
pub(super) fn names_steps(item: &Item<'_>) -> bool {
    match item.value() {
        DeValue::Table(table) => table.contains_key("steps") || table.contains_key("run"),
        _ => true,
    }
}

fn caches(item: &Item<'_>) -> Vec<CachePath> {
    let list = item.list(MAX_CACHES, "[\"~/.npm\"]").unwrap_or_default();
    list.iter()
        .filter_map(|item| item.parsed("\"~/.npm\"", CachePath::parse))
        .collect()
}

/// The deployment.
pub(super) fn deploy(item: &Item<'_>) -> Deploy {
    let mut deploy = Deploy::default();
    if !matches!(item.value(), DeValue::Table(_)) {
        deploy.run = steps(item);
        return deploy;
    }
    let Some(table) = item.table("") else {
        return deploy;
    };
    table.later(&["maintenance", "hold", "install", "snapshot"]);
    let commands = |key| table.get(key).map(|item| steps(&item)).unwrap_or_default();
    deploy.run = commands("run");
    deploy.after = commands("after");
    if let Some(item) = table.get("health") {
        deploy.health = health(&item);
    }
    if let Some(item) = table.get("repeatable") {
        deploy.repeatable = item.boolean().unwrap_or_default();
    }
    table.finish();
    deploy
}

/// A command, or a list of commands.
fn steps(item: &Item<'_>) -> Vec<Step> {
    match item.value() {
        DeValue::Array(_) => {
            let list = item.list(MAX_STEPS, "").unwrap_or_default();
            list.iter().filter_map(step).collect()
        }
        _ => step(item).into_iter().collect(),
    }
}

fn step(item: &Item<'_>) -> Option<Step> {
    if !matches!(item.value(), DeValue::Table(_)) {
        return command(item).map(|run| Step {
            name: step_name(&run),
            run,
        });
    }
    let table = item.table("")?;
    let run = table.get("run").map(|item| command(&item));
    let name = table
        .get("name")
        .and_then(|item| item.text("\"compile\"").map(step_name));
    if run.is_none() {
        let message = format!("{} has no `run`", quoted(item.path()));
        table.problem(
            "missing-key",
            message,
            "write { name = \"compile\", run = \"make\" }",
        );
    }
    table.finish();
    let run = run.flatten()?;
    Some(Step {
        name: name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| step_name(&run)),
        run,
    })
}

/// What people read of a command: its first line, shortened.
pub(crate) fn step_name(run: &str) -> String {
    let line = run.trim().lines().next().unwrap_or_default().trim();
    shortened(&plain(&shortened(line, 60)), 60)
}

fn command(item: &Item<'_>) -> Option<String> {
    let text = item.text(COMMAND)?;
    if text.trim().is_empty() {
        item.bad("the command is empty", "write a command, or remove the key");
        return None;
    }
    Some(text.to_owned())
}

fn health(item: &Item<'_>) -> Health {
    let mut health = Health::default();
    if let DeValue::String(_) = item.value() {
        health.path = request_path(item);
        return health;
    }
    let Some(table) = item.table("\"/health\"") else {
        return health;
    };
    health.path = table.get("path").and_then(|item| request_path(&item));
    if let Some(within) = table
        .get("within")
        .and_then(|item| item.duration(MAX_WITHIN))
    {
        health.within = within;
    }
    table.finish();
    health
}

/// A path that goes into a request line as it is.
fn request_path(item: &Item<'_>) -> Option<String> {
    let text = item.text("\"/health\"")?;
    let strange = |c: &char| !c.is_ascii_graphic() || *c == '#';
    if !text.starts_with('/') || text.starts_with("//") {
        item.bad(
            "must begin with one slash",
            "write a path such as \"/health\"",
        );
    } else if let Some(c) = text.chars().find(strange) {
        item.bad(
            format!("{} cannot stand in a request", quoted(&c.to_string())),
            "encode it as %XX",
        );
    } else if text.len() > 1_024 {
        item.bad("it has more than 1024 bytes", "write a shorter path");
    } else {
        return Some(text.to_owned());
    }
    None
}

/// A process: its command, or a table with `start`.
pub(super) fn process(item: &Item<'_>) -> Option<Process> {
    if let DeValue::String(_) = item.value() {
        return command(item).map(|start| Process { start });
    }
    let table = item.table("\"python3 server.py\"")?;
    let start = table.get("start").map(|item| command(&item));
    if start.is_none() {
        let message = format!("{} has no `start`", quoted(item.path()));
        table.problem("missing-key", message, "write start = \"COMMAND\" below it");
    }
    table.finish();
    start.flatten().map(|start| Process { start })
}

/// The workers by name.
pub(super) fn workers(item: &Item<'_>) -> BTreeMap<ProcessName, Process> {
    let entries = entries(item, MAX_WORKERS, "workers");
    let worker = |item: &Item<'_>| {
        if item.key() == "web" {
            item.bad_key(
                "bad-name",
                "the web process is no worker",
                "write it in [web]",
            );
            return None;
        }
        let (name, process) = (
            item.key_as("mailer = \"python3 mailer.py\"", ProcessName::parse),
            process(item),
        );
        name.zip(process)
    };
    entries.iter().filter_map(worker).collect()
}

/// The mounts by path; none inside another.
pub(super) fn mounts(item: &Item<'_>) -> BTreeMap<RelPath, Mount> {
    let words = [("private", Mount::Private), ("data", Mount::Data)];
    let mut mounts = BTreeMap::<RelPath, Mount>::new();
    for item in entries(item, MAX_MOUNTS, "mounts") {
        let (path, mount) = (
            item.key_as("\"var/cache\" = \"private\"", RelPath::parse),
            item.one_of(&words),
        );
        let (Some(path), Some(mount)) = (path, mount) else {
            continue;
        };
        if path.is_top() {
            let hint = "mount the directories that are written to";
            item.bad_key("bad-value", "the code itself is read-only", hint);
        } else if let Some(other) = mounts.keys().find(|p| p.holds(&path) || path.holds(p)) {
            let why = format!("overlaps with the mount {}", quoted(other.as_str()));
            item.bad_key("bad-value", why, "keep the outer one");
        } else {
            mounts.insert(path, mount);
        }
    }
    mounts
}

/// The variables by name.
pub(super) fn env(item: &Item<'_>) -> BTreeMap<VariableName, Value> {
    let variable = |item: &Item<'_>| {
        let name = item.key_as("LOG_LEVEL = \"info\"", VariableName::parse);
        let value = value(item);
        if name.as_ref().is_some_and(VariableName::is_reserved) {
            let hint = "choose another name";
            item.bad_key(
                "reserved-variable",
                "the name is reserved: Wharf sets it",
                hint,
            );
            return None;
        }
        name.zip(value)
    };
    entries(item, MAX_VARIABLES, "env")
        .iter()
        .filter_map(variable)
        .collect()
}

fn value(item: &Item<'_>) -> Option<Value> {
    if !matches!(item.value(), DeValue::Table(_)) {
        return item
            .text("\"text\"")
            .map(|text| Value::Plain(text.to_owned()));
    }
    let table = item.table("")?;
    let generate = table.get("generate");
    let required = table.get("required");
    let help = table.get("help");
    let value = match (&generate, &required) {
        (Some(generate), None) => {
            if let Some(help) = &help {
                help.bad_key("bad-value", "a generated secret needs no help", "remove it");
            }
            generate
                .one_of(&[("secret", Value::Generate)].map(|(word, _)| (word, ())))
                .map(|()| Value::Generate)
        }
        (None, Some(required)) => {
            let help = help
                .and_then(|help| help.text("\"what it is\""))
                .map(str::to_owned);
            match required.boolean() {
                Some(true) => Some(Value::Required { help }),
                Some(false) => {
                    required.bad("only `true` has a meaning", "remove the variable");
                    None
                }
                None => None,
            }
        }
        _ => {
            let message = format!(
                "{} needs one of `generate`, `required`",
                quoted(item.path())
            );
            let hint = "write \"text\", { generate = \"secret\" } or { required = true }";
            table.problem("missing-key", message, hint);
            None
        }
    };
    table.finish();
    value
}

fn entries<'a>(item: &Item<'a>, most: usize, what: &str) -> Vec<Item<'a>> {
    let entries = item.table("").map(Table::entries).unwrap_or_default();
    if entries.len() > most {
        item.bad_key(
            "bad-value",
            format!("more than {most} {what}"),
            "leave some out",
        );
        return Vec::new();
    }
    entries
}

/// Adds what `wharf.toml` says about nothing in particular.
pub(super) fn top(table: &Table<'_>, app: &mut Application) {
    if let Some(item) = table.get("runtime") {
        app.runtime_at = Some(item.spot());
        app.runtime = item.text("\"python:3.11\"").and_then(|text| {
            let bad = |(why, hint): (String, String)| item.bad(why, &hint);
            super::Runtime::parse(text).map_err(bad).ok()
        });
    }
    if let Some(item) = table.get("public") {
        app.public = item.parsed("\"dist\"", RelPath::parse);
    }
}
