//! `wharf doctor`: what can be seen from here, and what the daemon sees.

use std::{collections::BTreeSet, path::Path, process::Command};

use wharf_config::place::Place;
use wharf_wire::{
    ask::Ask,
    outcome::Exit,
    view::{Finding, Item, Severity},
};

use crate::{
    args::Global,
    ask, daemon,
    failure::Failure,
    hook, hooks,
    scope::{self, Wants, Whereto},
    show::{self, findings},
};

/// The oldest git that the hooks are tested with.
const GIT: (u32, u32) = (2, 39);

/// Prints the findings; fails where one of them is an error.
///
/// # Errors
/// The output cannot be written, or the work tree's host is another one.
pub fn run(directory: &Path, global: &Global) -> Result<Exit, Failure> {
    let place = daemon::place()?;
    let mut found = vec![git()];
    found.extend(trusted_anywhere());
    let whereto = scope::find(directory, global, Wants::Project);
    // A laptop needs neither a daemon nor a sandbox of its own.
    let is_laptop = matches!(whereto, Ok(Whereto::There(..))) && !place.state.exists();
    if !is_laptop {
        found.push(bubblewrap());
    }
    match whereto {
        Ok(Whereto::Here(scope)) => {
            if let Some(repository) = &scope.repository {
                found.push(hooks(&place, Path::new(repository)));
            }
        }
        Ok(Whereto::There(remote, _)) => found.push(Finding {
            severity: match is_laptop {
                true => Severity::Good,
                false => Severity::Warning,
            },
            code: "remote".to_owned(),
            message: format!("this work tree is deployed by {}", remote.host),
            hint: Some("whoever runs that host asks there: wharf doctor".to_owned()),
        }),
        Err(failure) => found.push(Finding {
            severity: Severity::Warning,
            code: "scope".to_owned(),
            message: failure.to_string(),
            hint: None,
        }),
    }
    if !is_laptop {
        found.extend(daemon_findings(&place));
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

/// What the daemon finds; that it does not answer is a finding as well.
fn daemon_findings(place: &Place) -> Vec<Finding> {
    match daemon::records(place, Ask::Doctor) {
        Ok((items, _)) => {
            let mut found = vec![good("daemon", "the daemon answers".to_owned())];
            found.extend(ask::pick(items, |item| match item {
                Item::Finding(finding) => Some(finding),
                _ => None,
            }));
            found
        }
        Err(failure) => {
            let mut found = vec![error(
                "daemon",
                failure.to_string(),
                failure.first_hint().unwrap_or_default(),
            )];
            found.extend(store(place));
            found
        }
    }
}

/// What is wrong with the database may be why no daemon answers; `wharfd` can look without one.
fn store(place: &Place) -> Vec<Finding> {
    let Ok(directory) = hooks::binaries() else {
        return Vec::new();
    };
    let mut wharfd = Command::new(directory.join("wharfd"));
    if place.state == Path::new("/var/lib/wharf") {
        wharfd.arg("--system");
    }
    let output = wharfd.args(["check", "--json"]).output();
    let read = |bytes: &[u8]| serde_json::from_slice(bytes).ok();
    match output {
        Ok(output) => read(&output.stdout).unwrap_or_else(|| {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            vec![error("store", format!("the database: {said}"), "")]
        }),
        Err(cause) => vec![error("store", format!("wharfd cannot be run: {cause}"), "")],
    }
}

fn git() -> Finding {
    let Some(text) = version_of("git") else {
        return error(
            "git",
            "git cannot be run".to_owned(),
            "install git 2.39 or newer",
        );
    };
    let version = text.trim_start_matches("git version ");
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let parsed = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if parsed < GIT {
        return error(
            "git",
            format!("git {version} is too old"),
            "install git 2.39 or newer",
        );
    }
    good("git", format!("git {version}"))
}

/// A git that trusts every directory runs the hooks and settings of whoever made it.
fn trusted_anywhere() -> Option<Finding> {
    let output = Command::new("git")
        .args(["config", "--show-origin", "--get-all", "safe.directory"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
    let (origin, _) = lines.rfind(|(_, value)| *value == "*")?;
    Some(Finding {
        severity: Severity::Warning,
        code: "git".to_owned(),
        message: format!(
            "safe.directory is * ({origin}): git runs what others put into repositories as you"
        ),
        hint: Some(match origin.strip_prefix("file:") {
            Some(file) => {
                let file = shell_words::quote(file);
                format!("git config --file {file} --unset-all safe.directory '^\\*$'")
            }
            None => "leave it out where git is started, and name repositories".to_owned(),
        }),
    })
}

/// What is said of the work tree's project is not said again among all of the host's.
fn once(found: &mut Vec<Finding>) {
    let mut said = BTreeSet::new();
    found.retain(|finding| said.insert(finding.message.clone()));
}

fn bubblewrap() -> Finding {
    match version_of("bwrap") {
        Some(version) => good("bubblewrap", version),
        None => error(
            "bubblewrap",
            "bubblewrap cannot be run, so nothing can be built".to_owned(),
            "install it: apt install bubblewrap",
        ),
    }
}

fn hooks(place: &Place, repository: &Path) -> Finding {
    let shown = repository.display();
    let mend = format!("wharf hook install {shown}");
    // The daemon says what is wrong with the host's files.
    let on_failure = hooks::on_failure(place, repository).unwrap_or_default();
    match hook::status(repository, on_failure) {
        Ok(status) if status.is_complete() && status.problems.is_empty() => {
            good("hooks", format!("the hooks of {shown} are in order"))
        }
        Ok(status) => match status.problems.first() {
            Some(problem) => error("hooks", problem.message.clone(), &problem.hint),
            None => error(
                "hooks",
                format!("the hooks of {shown} are not complete"),
                &mend,
            ),
        },
        Err(cause) => error("hooks", cause.to_string(), &mend),
    }
}

/// The first line of `PROGRAM --version`.
fn version_of(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().to_owned())
}

fn good(code: &str, message: String) -> Finding {
    Finding {
        severity: Severity::Good,
        code: code.to_owned(),
        message,
        hint: None,
    }
}

fn error(code: &str, message: String, hint: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        code: code.to_owned(),
        message,
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
    }
}
