//! `wharf variable`: what is set, and setting it.

use std::io::{self, IsTerminal as _, Read as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use wharf_config::{application::MAX_VALUE, place::Place};
use wharf_wire::{
    ask::{Ask, Scope},
    outcome::Exit,
    variable::{Level, NewVariable, Variable as Record, Visible},
    view::Item,
};

use crate::{
    act::act,
    args::variable::{self as args, At, Set, Variable},
    ask::pick,
    daemon,
    failure::{self, Failure},
    show::{self, variables},
};

/// Asks this machine's daemon.
///
/// # Errors
/// The daemon's refusal, or that it cannot be asked; that there is no value.
pub fn answer(
    place: &Place,
    scope: Scope,
    json: bool,
    variable: &Variable,
) -> Result<Exit, Failure> {
    match variable {
        Variable::List { at } => {
            let own = at.level.is_none() && at.kind.is_none();
            let level = (!own).then(|| level(at));
            let (found, exit) = records(place, scope, level, None)?;
            if json {
                show::json(&found)?;
            } else if found.is_empty() {
                failure::note("no variables yet; set one with: wharf variable set NAME VALUE");
            } else {
                show::data(variables::draw(&found, show::width()).as_bytes())?;
                waiting(&found);
            }
            Ok(exit)
        }
        Variable::Get { name, at } => {
            let level = (!at.is_own() || at.level.is_some()).then(|| level(at));
            let (found, exit) = records(place, scope, level, Some(name.clone()))?;
            for one in &found {
                match json {
                    true => show::json(one)?,
                    false => show::line(one.value.as_deref().unwrap_or_default())?,
                }
            }
            Ok(exit)
        }
        Variable::Set(set) => {
            let value = value(set)?;
            let variable = NewVariable {
                name: set.name().to_owned(),
                value,
                visible: set.visible.map(|visible| match visible {
                    args::Visible::Build => Visible::Build,
                    args::Visible::Run => Visible::Run,
                    args::Visible::Both => Visible::Both,
                }),
                secret: set.secret,
                inheritable: set.inheritable,
                json: set.as_json,
            };
            let level = level(&set.at);
            let ask = Ask::SetVariable {
                scope,
                level,
                variable,
            };
            act(place, ask, json)
        }
        Variable::Delete { name, at } => {
            let (level, name) = (level(at), name.clone());
            let ask = Ask::DeleteVariable { scope, level, name };
            act(place, ask, json)
        }
    }
}

fn level(at: &At) -> Level {
    match (at.level, at.kind) {
        (Some(args::Level::Project), _) => Level::Project,
        (_, Some(kind)) => Level::Type(args::word(kind)),
        _ => Level::Environment,
    }
}

fn records(
    place: &Place,
    scope: Scope,
    level: Option<Level>,
    name: Option<String>,
) -> Result<(Vec<Record>, Exit), Failure> {
    let (items, exit) = daemon::records(place, Ask::Variables { scope, level, name })?;
    let found = pick(items, |item| match item {
        Item::Variable(variable) => Some(variable),
        _ => None,
    });
    Ok((found, exit))
}

/// Says what makes those count that wait.
fn waiting(found: &[Record]) {
    let mut pending: Vec<&Record> = found.iter().filter(|one| one.pending).collect();
    // What builds and what runs see of one name are two records.
    pending.dedup_by(|one, other| one.name == other.name);
    if let Some(first) = pending.first() {
        let environment = first.environment.as_deref().unwrap_or_default();
        let waits = variables::waits(u32::try_from(pending.len()).unwrap_or(u32::MAX));
        failure::note(&format!("{waits}: wharf redeploy -e {environment}"));
    }
}

/// The value that is to be set: the argument, or what standard input has, less its last line end.
///
/// # Errors
/// It cannot be read, is too long, or no text.
pub fn value(set: &Set) -> Result<String, Failure> {
    let written = written(set)?;
    if written != "-" {
        if set.secret {
            let name = set.name();
            failure::hint(&format!(
                "others on this machine may see arguments; safer: \
                 wharf variable set --secret {name} -"
            ));
        }
        return Ok(written.to_owned());
    }
    let bytes = match io::stdin().is_terminal() {
        true => typed(set)?,
        false => {
            let mut bytes = Vec::new();
            // One more than is allowed, and a line end: then it is known to be too long.
            let most = MAX_VALUE as u64 + 3;
            let read = io::stdin().lock().take(most).read_to_end(&mut bytes);
            read.map_err(unread)?;
            bytes
        }
    };
    let mut text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage("the value is not UTF-8").hint("encode it, as with base64"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// The value as it stands among the words, in either spelling.
fn written(set: &Set) -> Result<&str, Failure> {
    let name = failure::plain(set.name());
    match (&set.value, set.pair()) {
        (Some(value), None) => Ok(value),
        (None, Some((_, value))) => Ok(value),
        (None, None) => Err(Failure::usage(format!("there is no value for {name}")).hint(format!(
            "write {name}=VALUE or {name} VALUE; with `-` as the value it comes from standard input"
        ))),
        (Some(_), Some(_)) => Err(Failure::usage(format!("{name} has two values"))
            .hint(format!("write {name}=VALUE or {name} VALUE"))),
    }
}

/// Asks for one line at the terminal, which does not show that of a secret.
fn typed(set: &Set) -> Result<Vec<u8>, Failure> {
    eprint!("value of {}: ", failure::plain(set.name()));
    let input = io::stdin();
    let before = match set.secret {
        true => Some(tcgetattr(&input).map_err(|error| unread(error.into()))?),
        false => None,
    };
    if let Some(before) = &before {
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&input, OptionalActions::Flush, &silent).map_err(|error| unread(error.into()))?;
    }
    let mut line = String::new();
    let read = input.read_line(&mut line);
    if let Some(before) = &before {
        tcsetattr(&input, OptionalActions::Now, before).map_err(|error| unread(error.into()))?;
        eprintln!();
    }
    read.map_err(unread)?;
    Ok(line.into_bytes())
}

fn unread(error: io::Error) -> Failure {
    Failure::new(Exit::Failed, "cannot read the value").because(error)
}
