//! `wharf config`: what was set, as a file to be committed; two environments beside each other.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wharf_config::{application::committed::FILE, place::Place};
use wharf_wire::{
    ask::{Ask, Scope},
    outcome::Exit,
    view::Item,
};

use crate::{
    args::variable::Config,
    ask::pick,
    daemon::{self, Answer, Conversation},
    failure::{self, Failure},
    git::{self, Home},
    show::{self, variables},
};

/// Asks this machine's daemon.
///
/// # Errors
/// The daemon's refusal, or that it cannot be asked; that the file cannot be written.
pub fn answer(
    directory: &Path,
    place: &Place,
    scope: Scope,
    json: bool,
    config: &Config,
) -> Result<Exit, Failure> {
    let (first, second) = match config {
        Config::Dump { .. } => {
            let bytes = dump(place, scope)?;
            deliver(directory, config, &bytes)?;
            return Ok(Exit::Ok);
        }
        Config::Diff { first, second } => (first.clone(), second.clone()),
    };
    let ask = Ask::DiffConfig {
        scope,
        first: first.clone(),
        second: second.clone(),
    };
    let (items, exit) = daemon::records(place, ask)?;
    let found = pick(items, |item| match item {
        Item::Difference(difference) => Some(difference),
        _ => None,
    });
    if json {
        show::json(&found)?;
    } else if found.iter().all(|one| one.same) {
        failure::note(&format!("{first} and {second} have the same variables"));
    } else {
        let drawn = variables::draw_differences(&first, &second, &found, show::width());
        show::data(drawn.as_bytes())?;
    }
    Ok(exit)
}

fn dump(place: &Place, scope: Scope) -> Result<Vec<u8>, Failure> {
    let mut conversation = Conversation::begin(place, Ask::DumpConfig(scope))?;
    let mut all = Vec::new();
    loop {
        match conversation.answer()? {
            Answer::Raw(bytes) => all.extend(bytes),
            Answer::Line(text) => failure::spoken(&text),
            Answer::Queued(_) | Answer::Item(_) | Answer::Ran(_) => {}
            Answer::End(_) => return Ok(all),
        }
    }
}

/// Prints the file, or writes it to where it is to be.
///
/// # Errors
/// Nobody can be told, or it cannot be written.
pub fn deliver(directory: &Path, config: &Config, bytes: &[u8]) -> Result<(), Failure> {
    let Some(path) = target(directory, config)? else {
        return show::data(bytes);
    };
    let shown = path.display();
    fs::write(&path, bytes).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write {shown}")).because(error)
    })?;
    failure::note(&format!("written: {shown}; commit it, and push"));
    Ok(())
}

/// The file that is to be written; none where it is printed.
///
/// # Errors
/// It belongs at the top of a work tree, and this is none.
pub fn target(directory: &Path, config: &Config) -> Result<Option<PathBuf>, Failure> {
    match config {
        Config::Dump {
            output: Some(path), ..
        } => Ok(Some(directory.join(path))),
        Config::Dump { write: true, .. } => match git::home(directory)? {
            Some(Home::WorkTree(top)) => Ok(Some(top.join(FILE))),
            Some(Home::Bare(_)) | None => Err(Failure::usage("this is no work tree")
                .hint("name the file: wharf config dump -o FILE")),
        },
        Config::Dump { .. } | Config::Diff { .. } => Ok(None),
    }
}
