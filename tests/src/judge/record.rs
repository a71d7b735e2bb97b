//! The record: each activity ended once and truthfully.

use std::collections::BTreeMap;

use wharf_wire::{
    event::Event,
    outcome::{Kind, State},
    view::{Activity, Environment},
};

use super::{Verdict, settle::is_parked};
use crate::{World, sample};

/// So many of the newest activities' logs are read.
const LOGS: usize = 4;

pub(super) fn judge(
    world: &World,
    project: &str,
    activities: &[Activity],
    environments: &[Environment],
    verdict: &mut Verdict,
) -> Result<(), String> {
    let mut by_environment: BTreeMap<&str, Vec<&Activity>> = BTreeMap::new();
    for activity in activities {
        let name = activity.environment.as_str();
        by_environment.entry(name).or_default().push(activity);
    }
    for (environment, all) in &by_environment {
        let name = format!("{project}/{environment}");
        once(&name, all, verdict);
        let record = environments.iter().find(|one| one.id == *environment);
        newest(&name, all, record, verdict);
        // What is older belongs to an environment that is gone.
        let emptied = |one: &&&Activity| {
            let empties = matches!(one.kind, Kind::Delete | Kind::Deactivate);
            empties && one.state == State::Succeeded
        };
        let current: Vec<&Activity> = all
            .iter()
            .take_while(|one| !emptied(one))
            .copied()
            .collect();
        if record.is_some() {
            commands(world, project, environment, &current, verdict);
            releases(world, project, environment, &current, verdict)?;
        }
    }
    for activity in activities.iter().take(LOGS) {
        log(world, activity, verdict)?;
    }
    Ok(())
}

/// No move of a branch is taken up twice.
fn once(name: &str, activities: &[&Activity], verdict: &mut Verdict) {
    let mut seen: BTreeMap<(&Option<String>, &Option<String>), &str> = BTreeMap::new();
    let moves = activities
        .iter()
        .filter(|one| one.kind.moves_branch() || one.kind == Kind::Delete);
    for activity in moves {
        let commit = &activity.commit;
        if let Some(other) = seen.insert((&commit.old, &commit.new), &activity.id) {
            verdict.problem(format!(
                "{name}: {} and {other} are of the same push, of {}",
                activity.id, commit.subject
            ));
        }
    }
}

/// What the last one said serves is what is recorded as live.
fn newest(
    name: &str,
    activities: &[&Activity],
    record: Option<&Environment>,
    verdict: &mut Verdict,
) {
    let ended = |one: &&&Activity| !is_parked(one);
    for activity in activities
        .iter()
        .filter(ended)
        .filter(|one| one.ended.is_none())
    {
        verdict.problem(format!("{name}: {} has no time of its end", activity.id));
    }
    let deploys = |one: &&&Activity| !is_parked(one) && !one.kind.is_aside();
    let mut begun = activities.iter().filter(deploys);
    let Some(last) = begun.find(|one| one.started.is_some()) else {
        return;
    };
    let live = record.and_then(|record| record.release);
    if last.live_after != live {
        let state = last.state.word();
        verdict.problem(format!(
            "{name}: {} {state} and says that {:?} serves, but {live:?} is recorded as live",
            last.id, last.live_after
        ));
    }
    let gone = last.kind == Kind::Delete && last.state == State::Succeeded;
    if gone != record.is_none() {
        verdict.problem(format!(
            "{name}: deleted {gone}, but its record is {record:?}"
        ));
    }
}

/// Deploy commands that may run once did: never twice, and not left out of what succeeded.
fn commands(
    world: &World,
    project: &str,
    environment: &str,
    activities: &[&Activity],
    verdict: &mut Verdict,
) {
    let name = format!("{project}/{environment}");
    let count = |file: &str| {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for version in sample::written(world, project, environment, file) {
            *count.entry(version).or_default() += 1;
        }
        count
    };
    let (deployed, late) = (count("deployed"), count("late"));
    let mut ordered: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for activity in activities {
        let deploys = activity.kind.moves_branch()
            || matches!(activity.kind, Kind::Redeploy | Kind::Activate);
        if deploys && !is_kept(activity) {
            let entry = ordered.entry(&activity.commit.subject).or_default();
            entry.0 += 1;
            entry.1 |= activity.state == State::Succeeded;
        }
    }
    for (version, (times, succeeded)) in ordered {
        let ran = deployed.get(version).copied().unwrap_or_default();
        if ran > times && !version.ends_with(sample::REPEATABLE) {
            verdict.problem(format!(
                "{name}: deploy commands of {version} ran {ran} times"
            ));
        }
        if ran == 0 && succeeded {
            verdict.problem(format!("{name}: no deploy command of {version} ran"));
        }
        let ran = late.get(version).copied().unwrap_or_default();
        if ran > times {
            verdict.problem(format!(
                "{name}: late commands of {version} ran {ran} times"
            ));
        }
        if ran > 0 && !succeeded {
            verdict.problem(format!(
                "{name}: late commands of {version} ran, and it failed"
            ));
        }
    }
}

/// Each release is what its activity says.
fn releases(
    world: &World,
    project: &str,
    environment: &str,
    activities: &[&Activity],
    verdict: &mut Verdict,
) -> Result<(), String> {
    let name = format!("{project}/{environment}");
    let releases = world.releases(project, environment)?;
    for release in releases.iter().filter(|one| one.state == "making") {
        verdict.problem(format!("{name}: r{} is half made", release.number));
    }
    let words = |one: &&&Activity| one.kind.is_word();
    for activity in activities.iter().filter(|one| !words(one)) {
        let id = &activity.id;
        match activity.state {
            // It makes no release, and what serves stays.
            State::Succeeded if activity.kind == Kind::Check => {
                if let Some(made) = activity.release {
                    verdict.problem(format!("{name}: check {id} made r{made}"));
                }
            }
            State::Succeeded if is_kept(activity) => {}
            State::Succeeded if chooses_no_release(activity.kind) && activity.release.is_none() => {
            }
            State::Succeeded if activity.live_after.is_none() => {
                verdict.problem(format!("{name}: {id} succeeded and nothing serves"));
            }
            State::Succeeded => {
                if activity.live_after != activity.release {
                    let (live, release) = (activity.live_after, activity.release);
                    verdict.problem(format!("{name}: {id} made {release:?}, {live:?} serves"));
                }
                let release = releases
                    .iter()
                    .find(|one| Some(one.number) == activity.release);
                let same = release.is_some_and(|release| {
                    matches!(activity.kind, Kind::Rollback | Kind::Resume)
                        || Some(&release.commit) == activity.commit.new.as_ref()
                });
                if !same {
                    verdict.problem(format!("{name}: {id} made {release:?} of another commit"));
                }
            }
            State::Failed | State::Cancelled | State::Superseded if activity.reason.is_none() => {
                let state = activity.state.word();
                verdict.problem(format!("{name}: {id} {state} without a reason"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn chooses_no_release(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pause | Kind::MaintenanceOn | Kind::MaintenanceOff
    )
}

/// Whether it is a push to an inactive environment, which deploys nothing.
fn is_kept(activity: &Activity) -> bool {
    let reason = activity.reason.as_ref();
    activity.state == State::Succeeded && reason.is_some_and(|reason| reason.code == "inactive")
}

/// The log ends once, as the record says.
fn log(world: &World, activity: &Activity, verdict: &mut Verdict) -> Result<(), String> {
    let id = &activity.id;
    let events = world.events(id, false)?;
    let ends: Vec<_> = events
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Ended(ended) => Some(ended),
            _ => None,
        })
        .collect();
    if is_parked(activity) && ends.is_empty() {
        return Ok(());
    }
    let [end] = ends.as_slice() else {
        verdict.problem(format!("the log of {id} has {} ends", ends.len()));
        return Ok(());
    };
    if end.state != activity.state {
        let (said, is) = (end.state.word(), activity.state.word());
        verdict.problem(format!(
            "the log of {id} ends with {said}, its record is {is}"
        ));
    }
    let serves = match activity.live_after {
        Some(live) => end.serves.contains(&format!(" serves r{live}")),
        None => end.serves.contains(" serves nothing"),
    };
    if !serves {
        let (serves, live) = (&end.serves, activity.live_after);
        verdict.problem(format!(
            "the log of {id} says `{serves}`, and {live:?} serves"
        ));
    }
    Ok(())
}
