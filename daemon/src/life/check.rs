//! `wharfd check`: every key with its origin, or every problem; and whether the database is sound.

use std::path::Path;
use std::time::SystemTime;

use wharf_config::place::{Place, PlaceKind};
use wharf_config::project::{self, Project};
use wharf_wire::view::Severity;

use super::{End, store};
use crate::certificates;
use crate::report::WIDTH;
use crate::settings::Settings;
use crate::store::paths::Paths;

/// Prints the configuration as it counts.
///
/// # Errors
/// All problems of all files, or what is wrong with the database.
pub(super) fn check(place: &Place, kind: PlaceKind) -> Result<(), End> {
    let settings =
        Settings::load(place).map_err(|problems| End::Configuration(problems.render(WIDTH)))?;
    for (key, value, from) in surroundings(place, kind) {
        println!("{key} = {value}  # {from}");
    }
    for setting in &settings.host.settings {
        let from = match (&setting.from, setting.line) {
            (Some(file), Some(line)) => format!("{}:{line}", file.display()),
            (Some(file), None) => file.display().to_string(),
            (None, _) => "default".to_owned(),
        };
        println!("{} = {}  # {from}", setting.key, setting.value);
    }
    for project in settings.projects.values() {
        of_project(&settings.host.projects, project);
    }
    let certificates = certificates::findings(&settings, SystemTime::now());
    for finding in &certificates {
        println!("{}: {}", word(finding.severity), finding.message);
        if let Some(hint) = &finding.hint {
            println!("hint: {hint}");
        }
    }
    store::check(&Paths::new(place))?;
    if certificates
        .iter()
        .any(|one| one.severity == Severity::Error)
    {
        let said = "error: certificates are of no use, as said above\n";
        return Err(End::Configuration(said.to_owned()));
    }
    if settings.broken.is_empty() {
        return Ok(());
    }
    let problems = settings
        .broken
        .iter()
        .map(|broken| broken.problems.render(WIDTH));
    Err(End::Configuration(problems.collect::<Vec<_>>().join("\n")))
}

/// What a project's file says; the rest is as its type and its parents have it.
fn of_project(directory: &Path, project: &Project) {
    let name = &project.name;
    let file = directory.join(format!("{name}.toml"));
    for written in project::written(&file) {
        let key = match written.key.as_str() {
            "repository" => format!("project {name}"),
            key => format!("project {name}: {key}"),
        };
        let value = match written.key.as_str() {
            "repository" => project.repository.display().to_string(),
            _ => written.value,
        };
        println!("{key} = {value}  # {}:{}", file.display(), written.line);
    }
}

/// What flags and variables decide, each with the one that did.
fn surroundings(place: &Place, kind: PlaceKind) -> Vec<(&'static str, String, String)> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_path = |name: &str| {
        let value = std::env::var_os(name);
        value.is_some_and(|value| Path::new(&value).is_absolute())
    };
    let from = |xdg: &str| match kind {
        _ if is_set("WHARF_HOME") => "variable WHARF_HOME".to_owned(),
        PlaceKind::System => "flag --system".to_owned(),
        PlaceKind::Discover if is_path(xdg) => format!("variable {xdg}"),
        PlaceKind::Discover => "variable HOME".to_owned(),
    };
    let directories = [
        ("place.config", &place.config, "XDG_CONFIG_HOME"),
        ("place.state", &place.state, "XDG_STATE_HOME"),
        ("place.run", &place.run, "XDG_RUNTIME_DIR"),
        ("place.git", &place.git, "XDG_DATA_HOME"),
    ];
    let shown = |path: &Path| format!("{:?}", path.display().to_string());
    let mut all: Vec<_> = directories
        .into_iter()
        .map(|(key, path, xdg)| (key, shown(path), from(xdg)))
        .collect();
    all.push(match std::env::var("WHARF_LOG") {
        Ok(filter) => (
            "log",
            format!("{filter:?}"),
            "variable WHARF_LOG".to_owned(),
        ),
        Err(_) => ("log", "\"info\"".to_owned(), "default".to_owned()),
    });
    all
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Good => "certificates",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
