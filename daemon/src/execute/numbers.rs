//! Numbers of releases that the disk shows. Where an older record was restored it does not know
//! them: the next release must be none of them, or the table would seem to say that it serves.

use std::io;

use super::housekeeping::names;
use super::route;
use crate::store::environment::EnvironmentKey;
use crate::store::paths::Paths;

/// The highest number that an environment's directories or its route show; 0 where there is none.
///
/// # Errors
/// When the directory is there and cannot be read.
pub fn highest(paths: &Paths, key: &EnvironmentKey) -> io::Result<u32> {
    let routed = route::read(paths, key).map(|route| route.release);
    let numbers = directories(paths, key)?.into_iter().chain(routed);
    Ok(numbers.max().unwrap_or(0))
}

/// The numbers of an environment's release directories.
///
/// # Errors
/// When the directory is there and cannot be read.
pub fn directories(paths: &Paths, key: &EnvironmentKey) -> io::Result<Vec<u32>> {
    let names = names(&paths.releases(&key.project, &key.id))?;
    let numbers = names
        .iter()
        .map(|name| name.strip_prefix('r')?.parse().ok());
    Ok(numbers.flatten().collect())
}

#[cfg(test)]
mod tests {
    use wharf_config::place::Place;

    use super::*;
    use crate::disk;
    use crate::store::environment;

    #[test]
    fn directories_and_the_route_both_count() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(&Place::below(directory.path()));
        paths.make().unwrap();
        let key = environment::key("shop", "main").unwrap();
        assert_eq!(highest(&paths, &key).unwrap(), 0, "nothing is there");
        for number in [2, 10, 9] {
            disk::make_directory(&paths.release(&key.project, &key.id, number)).unwrap();
        }
        disk::make_directory(&paths.releases(&key.project, &key.id).join("rest")).unwrap();
        assert_eq!(highest(&paths, &key).unwrap(), 10);
        let route = serde_json::json!({
            "version": wharf_wire::VERSION, "project": "shop", "environment": "main",
            "release": 12, "generation": 1, "hosts": [], "url": "", "noindex": false,
            "public": null, "upstream": null, "unavailable": null,
        });
        std::fs::write(paths.route(&key.project, &key.id), route.to_string()).unwrap();
        assert_eq!(highest(&paths, &key).unwrap(), 12);
    }
}
