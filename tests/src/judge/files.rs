//! Nothing is left over on the disk, and nothing is missing.

use std::{collections::BTreeSet, fs, path::Path};

use wharf_wire::outcome::{Kind, State};

use super::Verdict;
use crate::{World, installed};

pub(super) fn judge(world: &World, verdict: &Verdict) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    let state = world.home().join("state");
    for directory in ["builds", "jobs", "spool"] {
        for name in names(&state.join(directory)) {
            problems.push(format!("left over: {directory}/{name}"));
        }
    }
    let instances: BTreeSet<String> = world
        .processes()
        .iter()
        .filter_map(crate::Process::keeps)
        .collect();
    let of_instance = [
        (state.join("outputs"), "log exit log.1"),
        (world.home().join("run/keepers"), "sock"),
        (world.home().join("run/apps"), ""),
        // Where Wharf is installed.
        (state.join("apps"), ""),
    ];
    if world.is_installed() {
        problems.extend(installed::judge(&instances));
    }
    for (directory, extensions) in of_instance {
        for name in names(&directory) {
            let mut candidates = extensions.split(' ').map(|extension| {
                let end = format!(".{extension}");
                name.strip_suffix(&end).unwrap_or(&name).to_owned()
            });
            if !candidates.any(|instance| instances.contains(&instance)) {
                let directory = directory.display();
                problems.push(format!("left over: {directory}/{name}"));
            }
        }
    }
    let routed: BTreeSet<String> = verdict
        .environments
        .iter()
        .filter(|one| one.release.is_some())
        .map(|one| format!("{}.{}.json", one.project, one.id))
        .collect();
    for name in names(&state.join("routes")).difference(&routed) {
        problems.push(format!("left over: routes/{name}"));
    }
    slugs(world, &state, verdict, &mut problems)?;
    for directory in ["state", "run", "git", "config"] {
        unfinished(&world.home().join(directory), &mut problems);
    }
    Ok(problems)
}

/// Each release that can serve has its slug and its directory; each slug is known.
fn slugs(
    world: &World,
    state: &Path,
    verdict: &Verdict,
    problems: &mut Vec<String>,
) -> Result<(), String> {
    let slugs = names(&state.join("slugs"));
    let mut known: BTreeSet<String> = BTreeSet::new();
    for activity in &verdict.activities {
        known.extend(activity.slug.iter().map(|slug| start(slug)));
    }
    for environment in &verdict.environments {
        let (project, id) = (environment.project.as_str(), environment.id.as_str());
        let mut directories = names(&state.join("releases").join(project).join(id));
        for release in world.releases(project, id)? {
            let name = format!("{project}/{id}: r{}", release.number);
            let has_directory = directories.remove(&format!("r{}", release.number));
            match release.state.as_str() {
                "ready" => {
                    let slug = start(&release.slug);
                    if !slugs.iter().any(|one| start(one) == slug) {
                        problems.push(format!("{name} is ready without its slug {slug}"));
                    }
                    if !has_directory {
                        problems.push(format!("{name} is ready without its directory"));
                    }
                }
                "pruned" if has_directory => problems.push(format!("left over: {name}")),
                _ => {}
            }
        }
        let strangers = directories.iter();
        problems.extend(strangers.map(|name| format!("left over: {project}/{id}/{name}")));
    }
    // A check that nobody waited for any more may have finished its slug before it could name it: a
    // spare one, as those of releases that are gone.
    let abandoned = verdict.activities.iter().filter(|activity| {
        activity.kind == Kind::Check
            && activity.state == State::Cancelled
            && activity.slug.is_none()
    });
    let unknown = slugs.iter().filter(|slug| !known.contains(&start(slug)));
    for slug in unknown.skip(abandoned.count()) {
        problems.push(format!("left over: slugs/{slug}"));
    }
    let environments = names(&state.join("mounts"))
        .into_iter()
        .flat_map(|project| {
            let ids = names(&state.join("mounts").join(&project));
            ids.into_iter().map(move |id| (project.clone(), id))
        });
    for (project, id) in environments {
        let mut all = verdict.environments.iter();
        if !all.any(|one| one.project == project && one.id == id) {
            problems.push(format!("left over: mounts/{project}/{id}"));
        }
    }
    Ok(())
}

/// As much of a slug's key as people are shown.
fn start(slug: &str) -> String {
    slug.chars().take(6).collect()
}

/// Names that only something unfinished has.
fn unfinished(directory: &Path, problems: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let temporary = name.starts_with(".new-")
            || name.starts_with("incoming-")
            || name.starts_with("tmp_")
            || [".new", ".lock", ".tmp", ".partial"]
                .iter()
                .any(|end| name.ends_with(end));
        if temporary {
            problems.push(format!("left over: {}", entry.path().display()));
        }
        // What is in a slug, a mount or a cache is the application's own.
        let foreign = ["slugs", "mounts", "caches", "kept"].contains(&name.as_str());
        if !foreign && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unfinished(&entry.path(), problems);
        }
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return BTreeSet::new();
    };
    let entries = entries.filter_map(Result::ok);
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
