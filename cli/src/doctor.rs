//! `wharf doctor`: what can be seen from here, and what the daemon sees.

mod daemon;
mod git;
mod hooks;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use wharf_wire::{
    outcome::Exit,
    view::{Finding, Severity},
};

use crate::{
    args::Global,
    failure::Failure,
    scope::{self, Wants, Whereto},
    show::{self, findings},
};

/// Prints the findings; fails where one of them is an error.
///
/// # Errors
/// The output cannot be written, or the work tree's host is another one.
pub fn run(directory: &Path, global: &Global) -> Result<Exit, Failure> {
    let place = daemon::place()?;
    let mut found = git::findings();
    let whereto = scope::find(directory, global, Wants::Project);
    // A laptop needs neither a daemon nor a sandbox of its own.
    let is_laptop = matches!(whereto, Ok(Whereto::There(..))) && !place.state.exists();
    let mut repository = None;
    match whereto {
        Ok(Whereto::Here(scope)) => repository = scope.repository.map(PathBuf::from),
        Ok(Whereto::There(remote, _)) => {
            let text = format!("this work tree is deployed by {}", remote.host);
            let hint = "whoever runs that host asks there: wharf doctor";
            let finding = Finding::warning("remote", text, hint);
            found.push(match is_laptop {
                true => Finding {
                    severity: Severity::Good,
                    ..finding
                },
                false => finding,
            });
        }
        Err(failure) => found.push(Finding::warning("scope", failure.to_string(), "")),
    }
    if !is_laptop {
        found.extend(hooks::findings(&place, repository.as_deref()));
        found.extend(daemon::findings(&place));
    }
    once(&mut found);
    if global.json {
        show::json(&found)?;
    } else {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        let drawn = findings::draw(&found);
        match choice {
            anstream::ColorChoice::Never => {
                show::data(anstream::adapter::strip_str(&drawn).to_string().as_bytes())?;
            }
            _ => show::data(drawn.as_bytes())?,
        }
    }
    let worst = found.iter().map(|finding| finding.severity).max();
    Ok(if worst == Some(Severity::Error) {
        Exit::Failed
    } else {
        Exit::Ok
    })
}

/// What two of them say is said once.
fn once(found: &mut Vec<Finding>) {
    let mut said = BTreeSet::new();
    found.retain(|finding| said.insert(finding.message.clone()));
}
