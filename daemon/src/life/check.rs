//! `wharfd check`: every key with its origin, or every problem; and whether the database is sound.

use wharf_config::place::Place;

use super::{End, store};
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
    store::check(&Paths::new(place))?;
    if settings.broken.is_empty() {
        return Ok(());
    }
    let problems = settings
        .broken
        .iter()
        .map(|broken| broken.problems.render(WIDTH));
    Err(End::Configuration(problems.collect::<Vec<_>>().join("\n")))
}
