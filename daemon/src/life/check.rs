//! `wharfd check`: every key with its origin, or every problem; and whether the database is sound.

use std::time::SystemTime;

use wharf_config::place::Place;
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
pub(super) fn check(place: &Place) -> Result<(), End> {
    let settings =
        Settings::load(place).map_err(|problems| End::Configuration(problems.render(WIDTH)))?;
    for setting in &settings.host.settings {
        let from = match &setting.from {
            Some(file) => file.display().to_string(),
            None => "default".to_owned(),
        };
        println!("{} = {}  # {from}", setting.key, setting.value);
    }
    for project in settings.projects.values() {
        println!(
            "project {} = {}",
            project.name,
            project.repository.display()
        );
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

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Good => "certificates",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
