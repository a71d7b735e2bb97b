//! The room on each file system that deployments write to: too little, or soon.

use wharf_config::host::MinFree;
use wharf_wire::view::Finding;

use crate::execute::failure::chain;
use crate::execute::housekeeping;
use crate::plan::room::{self, FileSystem};
use crate::report;
use crate::settings::Settings;
use crate::store::paths::Paths;

/// Looks at those of the state and of each repository. Blocks.
pub(super) fn findings(paths: &Paths, settings: &Settings) -> Vec<Finding> {
    let state = paths.state();
    if !state.exists() {
        // Nothing was ever started here.
        return Vec::new();
    }
    let wanted = settings.host.keep.min_free;
    let repositories = settings.projects.values().map(|p| p.repository.as_path());
    let repositories = std::iter::once(None).chain(repositories.map(Some));
    let mut systems: Vec<FileSystem> = Vec::new();
    let mut findings = Vec::new();
    for repository in repositories {
        match housekeeping::file_systems(&state, repository) {
            Ok(found) => {
                for system in found {
                    if !systems.iter().any(|known| known.mount == system.mount) {
                        systems.push(system);
                    }
                }
            }
            // A repository that is not there is a finding of its own.
            Err(error) if repository.is_none() => {
                findings.push(Finding::error("disk", chain(&error), ""));
            }
            Err(_) => {}
        }
    }
    findings.extend(systems.iter().flat_map(|system| judge(system, &wanted)));
    findings
}

fn judge(system: &FileSystem, wanted: &MinFree) -> Vec<Finding> {
    let one = std::slice::from_ref(system);
    let lacks = room::lacks(one, wanted);
    if !lacks.is_empty() {
        let hint = "pushes are refused: make room, or lower keep.min_free\nwharf cleanup";
        let error = |text| Finding::error("disk", text, hint);
        return lacks.into_iter().map(error).collect();
    }
    let bytes = report::size(system.bytes);
    let free = match system.files {
        Some(files) => format!("{bytes} and {files} more files are free"),
        None => format!("{bytes} are free"),
    };
    let text = format!("{free} on {} ({})", system.mount, system.holds);
    if room::lacks(one, &room::twice(wanted)).is_empty() {
        return vec![Finding::good("disk", text)];
    }
    let (size, files) = (report::size(wanted.size), wanted.files);
    let hint =
        format!("below {size} or {files} files pushes are refused: make room\nwharf cleanup");
    vec![Finding::warning("disk", text, hint)]
}
