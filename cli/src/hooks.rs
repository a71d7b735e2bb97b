//! `wharf hook`: the installer, told what this host's hooks need to know.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use wharf_config::{
    host::{self, Host, OnFailure},
    place::Place,
    project,
};
use wharf_hooks::stub::{Stub, Unreachable};
use wharf_wire::outcome::Exit;

use crate::{
    args, daemon,
    failure::{self, Failure},
    hook::{self, HookState, InstallError, Layout, Mode, Options, Report, Status, Way},
    record, show,
};

/// How long a hook waits for the daemon's first word where systemd has its socket: one that was killed is there
/// again after two seconds and its own start.
const ACTIVATED: Duration = Duration::from_secs(10);

/// Does one of the hook commands.
///
/// # Errors
/// What keeps it from being done.
pub fn run(command: &args::Hook, json: bool) -> Result<Exit, Failure> {
    match command {
        args::Hook::Install {
            which,
            dry_run,
            config_hooks,
        } => {
            let place = daemon::place()?;
            let way = config_hooks.then_some(Way::Config);
            each(which, |repository| {
                if *dry_run {
                    let options = options(&place, repository, way, Mode::DryRun)?;
                    show::data(hook::preview(repository, &options)?.as_bytes())?;
                }
                let mode = if *dry_run { Mode::DryRun } else { Mode::Write };
                let report = hook::install(repository, &options(&place, repository, way, mode)?)?;
                say(&report, "the hooks were in order");
                Ok(Exit::Ok)
            })
        }
        args::Hook::Uninstall(which) => each(which, |repository| {
            say(
                &hook::uninstall(repository)?,
                "there were no hooks of Wharf",
            );
            Ok(Exit::Ok)
        }),
        args::Hook::Refresh { projects } => {
            refresh(&daemon::place()?, projects)?;
            Ok(Exit::Ok)
        }
        args::Hook::Status(which) => {
            let place = daemon::place()?;
            each(which, |repository| {
                let status = hook::status(repository, on_failure(&place, repository)?)?;
                match json {
                    true => show::json(&record::Hooks::from(&status))?,
                    false => show::data(draw(&status, which.all).as_bytes())?,
                }
                let good = status.is_complete() && status.problems.is_empty();
                Ok(if good { Exit::Ok } else { Exit::Failed })
            })
        }
    }
}

/// Does something with each repository that is meant. With several, one's trouble is said and the
/// others have their turn; the exit status tells of it.
fn each(
    which: &args::Repositories,
    mut work: impl FnMut(&Path) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    if let Some(repository) = &which.path {
        return work(repository);
    }
    let mut exit = Exit::Ok;
    for repository in repositories(&daemon::place()?, which.layout)? {
        match work(&repository) {
            Ok(Exit::Ok) => {}
            Ok(_) => exit = Exit::Failed,
            Err(failure) => {
                failure::warning(&format!("{}: not done", repository.display()));
                failure.report(false);
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

/// The repositories of all projects, or of those that belong to one kind of git host.
fn repositories(place: &Place, layout: Option<Layout>) -> Result<Vec<PathBuf>, Failure> {
    let host = host(place)?;
    let directory = project::read_all(&host.projects, Some(&place.kept_projects_dir()));
    let directory = directory.map_err(|problems| {
        Failure::new(Exit::Failed, "the projects' files cannot be read").because(problems)
    })?;
    let all = directory.projects.into_iter().map(|one| one.repository);
    // What cannot be looked at is what work says of it.
    let is_meant = |path: &PathBuf| match (layout, hook::layout(path)) {
        (Some(wanted), Ok(found)) => wanted == found,
        (None, _) | (_, Err(_)) => true,
    };
    Ok(all.filter(is_meant).collect())
}

/// Installs the hooks for this place's daemon.
///
/// # Errors
/// The host's files are wrong, or the repository cannot be changed.
pub fn install(place: &Place, repository: &Path) -> Result<Report, Failure> {
    install_as(place, repository, Mode::Write)
}

fn install_as(place: &Place, repository: &Path, mode: Mode) -> Result<Report, Failure> {
    let options = options(place, repository, None, mode)?;
    Ok(hook::install(repository, &options)?)
}

/// What the hooks of a repository are told by this place's files.
fn options(
    place: &Place,
    repository: &Path,
    way: Option<Way>,
    mode: Mode,
) -> Result<Options, Failure> {
    Ok(Options {
        on_failure: on_failure(place, repository)?,
        way,
        mode,
        ..usual(place, &host(place)?)?
    })
}

/// The repositories of all projects with what is to be installed in each, and a further one.
///
/// # Errors
/// The host's files are wrong, or git cannot be run.
pub fn wanted(place: &Place, further: Option<&Path>) -> Result<Vec<(PathBuf, Options)>, Failure> {
    let host = host(place)?;
    let projects = project::read_all(&host.projects, Some(&place.kept_projects_dir()))
        .map(|directory| directory.projects)
        .unwrap_or_default();
    let usual = usual(place, &host)?;
    let mut all = Vec::new();
    let mut known = BTreeSet::new();
    for project in projects {
        let repository = &project.repository;
        known.insert(repository.canonicalize().unwrap_or(repository.clone()));
        let on_failure = project.on_failure(&host);
        let options = Options {
            on_failure,
            ..usual.clone()
        };
        all.push((project.repository, options));
    }
    if let Some(further) = further.and_then(|path| path.canonicalize().ok())
        && !known.contains(&further)
    {
        all.push((further, usual));
    }
    Ok(all)
}

/// The same for a repository of which nothing else is said; nothing is written.
fn usual(place: &Place, host: &Host) -> Result<Options, Failure> {
    let mut stub = Stub::new(place.socket());
    stub.unreachable = match host.unreachable {
        host::Unreachable::Refuse => Unreachable::Refuse,
        host::Unreachable::Accept => Unreachable::Accept,
    };
    stub.spool = Some(place.state.join("spool"));
    if place.is_system() {
        stub.answer = ACTIVATED;
    }
    Ok(Options {
        binaries: binaries()?,
        stub,
        on_failure: host.on_failure,
        way: None,
        git: hook::git_version()?,
        mode: Mode::DryRun,
    })
}

/// What a failed build means for a push to this repository: its project's word, else the host's.
///
/// # Errors
/// The host's files are wrong. A project's file that is broken does not count, as for the daemon.
pub fn on_failure(place: &Place, repository: &Path) -> Result<OnFailure, Failure> {
    let host = host(place)?;
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let wanted = canonical(repository);
    let projects = project::read_all(&host.projects, Some(&place.kept_projects_dir()))
        .map(|directory| directory.projects)
        .unwrap_or_default();
    let own = projects
        .iter()
        .find(|project| canonical(&project.repository) == wanted);
    Ok(own.map_or(host.on_failure, |project| project.on_failure(&host)))
}

/// Brings the hooks of these projects, or of every one, up to date with the host's files, as far as this
/// user may; says what to run where not.
///
/// # Errors
/// The host's files are wrong.
pub fn refresh(place: &Place, only: &[String]) -> Result<(), Failure> {
    let host = host(place)?;
    let directory = match project::read_all(&host.projects, Some(&place.kept_projects_dir())) {
        Ok(directory) => directory,
        // The daemon has said so.
        Err(_) => return Ok(()),
    };
    let is_meant = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    for project in directory.projects {
        if !is_meant(project.name.as_str()) {
            continue;
        }
        let repository = &project.repository;
        // Where nothing is installed, nobody wants it.
        if !hook::is_installed(repository) {
            continue;
        }
        let planned = install_as(place, repository, Mode::DryRun);
        if planned.is_ok_and(|report| report.changes.is_empty()) {
            continue;
        }
        match install_as(place, repository, Mode::Write) {
            Ok(report) => {
                for change in &report.changes {
                    failure::note(&format!("{}: {change}", project.name));
                }
            }
            Err(error) => {
                failure::warning(&format!("{}: {error}", project.name));
                failure::hint(&format!(
                    "as its owner: wharf hook install {}",
                    repository.display()
                ));
            }
        }
    }
    Ok(())
}

/// The host's configuration.
///
/// # Errors
/// Its problems.
pub fn host(place: &Place) -> Result<Host, Failure> {
    Host::load(place).map_err(|problems| {
        Failure::new(Exit::Failed, "the host's configuration is wrong")
            .because(problems)
            .hint("see all of it with: wharfd check")
    })
}

/// The directory that Wharf's programs stand in, side by side.
///
/// # Errors
/// The system does not say where this program is.
pub fn binaries() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .and_then(|program| program.canonicalize())
        .ok()
        .and_then(|program| program.parent().map(Path::to_owned))
        .ok_or_else(|| Failure::new(Exit::Failed, "cannot tell where Wharf's programs are"))
}

/// Says what was changed.
pub fn say(report: &Report, nothing: &str) {
    if report.changes.is_empty() {
        failure::note(&format!("{nothing}: {}", report.repository.display()));
    }
    for change in &report.changes {
        failure::note(&change.to_string());
    }
    for problem in &report.problems {
        failure::warning(&problem.message);
        failure::hint(&problem.hint);
    }
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Failure {
        let exit = match &error {
            InstallError::NotARepository(_) => Exit::NotFound,
            _ => Exit::Failed,
        };
        let hint = error.hint();
        let failure = Failure::new(exit, "the hooks stay as they are").because(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<&Status> for record::Hooks {
    fn from(status: &Status) -> record::Hooks {
        let hooks = status.hooks.iter().map(|one| record::Hook {
            name: one.hook.to_owned(),
            file: one.file.clone(),
            state: word(&one.state).to_owned(),
        });
        let settings = status.settings.iter().map(|one| record::Setting {
            key: one.key.to_owned(),
            wanted: one.wanted.to_owned(),
            value: one.value.clone(),
        });
        let problems = status.problems.iter().map(|one| one.message.clone());
        record::Hooks {
            repository: status.repository.clone(),
            layout: status.layout.as_str().to_owned(),
            way: way(status.way).to_owned(),
            complete: status.is_complete(),
            hooks: hooks.collect(),
            settings: settings.collect(),
            problems: problems.collect(),
        }
    }
}

/// `is_one_of_many` names the repository.
fn draw(status: &Status, is_one_of_many: bool) -> String {
    let mut rows = Vec::new();
    if is_one_of_many {
        rows.push(("repository", status.repository.display().to_string()));
    }
    let by = match status.way {
        Way::Files => "",
        Way::Config => ", hooks by configuration",
    };
    rows.push(("layout", format!("{}{by}", status.layout.as_str())));
    for one in &status.hooks {
        let usual = one.file == format!("hooks/{}", one.hook);
        let at = match (&one.state, usual) {
            (HookState::Installed { .. }, false) => format!(" as {}", one.file),
            _ => String::new(),
        };
        rows.push((one.hook, format!("{}{at}", word(&one.state))));
    }
    for one in &status.settings {
        let value = one.value.as_deref().unwrap_or("not set");
        let wanted = match value == one.wanted {
            true => String::new(),
            false => format!(", should be {}", one.wanted),
        };
        rows.push((one.key, format!("{value}{wanted}")));
    }
    let mut drawn: String = rows
        .iter()
        .map(|(name, text)| format!("{name:<30}{}\n", failure::plain(text)))
        .collect();
    for problem in &status.problems {
        drawn.push_str(&format!("{}\n", failure::plain(&problem.message)));
    }
    drawn
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Files => "files",
        Way::Config => "config",
    }
}

fn word(state: &HookState) -> &'static str {
    match state {
        HookState::Missing => "missing",
        HookState::Foreign => "not Wharf's",
        HookState::Installed { .. } => "installed",
        HookState::Damaged(_) => "damaged",
    }
}
