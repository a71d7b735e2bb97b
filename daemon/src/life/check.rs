//! `wharfd check`: every key with its origin, or every problem.

use wharf_config::place::Place;

use super::End;
use crate::report::WIDTH;
use crate::settings::Settings;

/// Prints the configuration as it counts.
///
/// # Errors
/// All problems of all files.
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
    if settings.broken.is_empty() {
        return Ok(());
    }
    let problems = settings
        .broken
        .iter()
        .map(|(_, problems)| problems.render(WIDTH));
    Err(End::Configuration(problems.collect::<Vec<_>>().join("\n")))
}
