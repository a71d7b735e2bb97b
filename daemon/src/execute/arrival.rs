//! Data that comes, and takes the place of what is there by renames.
//!
//! Before the swap begins every failure and every death leaves the old data, and what came is thrown
//! away. Once it has begun it is done to its end, by whichever daemon: for each part, what is there is
//! kept, and what came takes its name.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use tokio_util::sync::CancellationToken;
use wharf_wire::event::Event;
use wharf_wire::view::Reason;

use super::activity::Act;
use super::crons::Pace;
use super::crons::quiet::end_crons;
use super::failure::{Failure, chain};
use super::housekeeping::names;
use super::{deploy, retire, route, standing};
use crate::disk;
use crate::fail;
use crate::plan::limits::Status;
use crate::plan::step::Step;
use crate::store::insist::insist;
use crate::store::paths::Paths;

/// What the directory of services is called, among mounts and what is kept of them.
const SERVICES: &str = "services";

/// How people are told of what comes.
#[derive(Debug)]
pub(super) struct Manner {
    /// The code of why what runs there ends.
    pub(super) code: &'static str,
    /// What is done with the data: "restored".
    pub(super) done: &'static str,
    /// Whose it is then: "the snapshot's".
    pub(super) whose: String,
    /// What else to do where the release does not start on it.
    pub(super) otherwise: String,
}

/// Has data come to where nobody sees it, then take its place; what serves afterwards is the release that
/// served, or the one that is asked for.
///
/// # Errors
/// What its user should read. Before the swap the environment is as it was; after it the data is what
/// came, and the environment is paused where its release does not start.
pub(super) async fn arrive(
    act: &mut Act,
    manner: &Manner,
    come: impl AsyncFnOnce(&Act, &Path) -> Result<(), Failure>,
) -> Result<Option<u32>, Failure> {
    if !act.is_touched() {
        aim(act).await?;
        fetch(act, come).await?;
    }
    replace(act, manner, Rest::Stays).await?;
    let Some(release) = act.task.release else {
        act.log.note("it was paused before, and stays so");
        return Ok(act.previous);
    };
    Box::pin(deploy::roll_back(act)).await.map_err(|failure| {
        let id = act.key().id.as_str();
        let message = format!(
            "the data is {}, and r{release} does not start on it: {}",
            manner.done, failure.reason.message
        );
        Failure {
            details: failure.details,
            exit_code: failure.exit_code,
            ..Failure::new(&failure.reason.code, message)
        }
        .hint(format!(
            "{id} is paused; try it again with: wharf resume -e {id}; {}",
            manner.otherwise
        ))
    })
}

/// What becomes of data of which none came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// It stays as it is.
    Stays,
    /// It is put aside with what is replaced.
    Goes,
}

/// Has what came take its place; the environment is paused then. From here on it is done to its end,
/// whoever wants it stopped.
///
/// # Errors
/// The host's; it may be done in part, and is done to its end by the next daemon.
pub(super) async fn replace(act: &mut Act, manner: &Manner, rest: Rest) -> Result<(), Failure> {
    act.cancel = CancellationToken::new();
    act.step(Step::Swap, swap(act, manner, rest)).await
}

/// Decides which release is to serve with what comes.
async fn aim(act: &mut Act) -> Result<(), Failure> {
    match (act.status, act.task.release, act.previous) {
        (Status::Inactive | Status::Deleting, ..) => Err(standing::inactive(act)),
        (Status::Paused, ..) | (_, Some(_), _) => Ok(()),
        (Status::Active, None, Some(live)) => {
            act.world.recorder.set_target(&act.task.id, live).await?;
            act.task.release = Some(live);
            Ok(())
        }
        (Status::Active, None, None) => {
            let name = act.key().id.as_str();
            let message = format!("{name} serves nothing, so nothing would use its data");
            Err(Failure::new("no-release", message)
                .hint(format!("deploy it first: wharf redeploy -e {name}")))
        }
    }
}

/// What can fail while nothing is changed.
///
/// # Errors
/// What its user should read; nothing of it is left.
pub(super) async fn fetch(
    act: &Act,
    come: impl AsyncFnOnce(&Act, &Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let arriving = arriving(act);
    let fetched = act
        .step(Step::Fetch, come(act, &arriving))
        .await
        .and_then(|()| match act.cancel.is_cancelled() {
            true => Err(Failure::cancelled()),
            false => Ok(()),
        });
    if fetched.is_err() {
        throw_away(&arriving);
    }
    fetched
}

/// Where it comes to.
pub(super) fn arriving(act: &Act) -> PathBuf {
    let (project, environment) = (&act.key().project, &act.key().id);
    let paths = &act.world.paths;
    paths.arriving_data(project, environment, &act.task.id)
}

/// Takes away what came, or is left of it.
pub(super) fn throw_away(arriving: &Path) {
    let removed = tokio::task::block_in_place(|| disk::remove_tree(arriving));
    if let Err(error) = removed {
        let path = arriving.display();
        tracing::warn!(%path, error = chain(&error), "it stays");
    }
}

/// Where what mounts are to hold lies in what came, by their names.
pub(super) fn mounts_in(came: &Path) -> PathBuf {
    Paths::mounts_in(came)
}

/// Where what services are to hold lies in what came, by their names.
pub(super) fn services_in(came: &Path) -> PathBuf {
    Paths::services_in(came)
}

/// Stops what works with the data, and puts the snapshot's in its place. Whatever of it was done
/// already stays done.
async fn swap(act: &Act, manner: &Manner, rest: Rest) -> Result<(), Failure> {
    let began = Instant::now();
    let key = act.key();
    let reason = Reason {
        code: manner.code.into(),
        message: format!(
            "the data of {} is {}, and what runs there ends first",
            key.id, manner.done
        ),
        hint: None,
    };
    let _closed = act.world.hands.close(key, reason).await;
    quiet(act).await?;
    fail::point(format_args!("swap: quiet"));
    take_place(act, rest)?;
    act.did(
        "swap",
        format!("{} data is in its place", manner.whose),
        began,
    );
    say_kept(act);
    Ok(())
}

/// Says where it is.
pub(super) fn say_kept(act: &Act) {
    act.log.note(format!(
        "what was there is kept on the host as {}{}",
        act.task.id,
        retire::kept_for(act)
    ));
}

/// Has what came take its place, where nothing works with what is there. Whatever of it was done already stays done.
///
/// # Errors
/// The host's.
pub(super) fn take_place(act: &Act, rest: Rest) -> Result<(), Failure> {
    let arriving = arriving(act);
    let moved = tokio::task::block_in_place(|| {
        put_in_place(act, &arriving, rest)?;
        disk::remove_tree(&arriving)
    });
    moved.map_err(|error| Failure::host("cannot put the data in its place", &error))
}

/// Gives all that came the place of what is there, which is kept. Blocks.
///
/// # Errors
/// The disk's; done again, it goes on.
pub(super) fn put_in_place(act: &Act, arriving: &Path, rest: Rest) -> Result<(), disk::DiskError> {
    let (paths, key) = (&act.world.paths, act.key());
    let kept = paths.kept(&act.task.id);
    let mounts = paths.mounts(&key.project, &key.id);
    let services = paths.services(&key.project, &key.id);
    for (came, there, kept) in [
        (mounts_in(arriving), &mounts, kept.clone()),
        (services_in(arriving), &services, kept.join(SERVICES)),
    ] {
        if rest == Rest::Goes {
            put_rest_aside(&came, there, &kept)?;
        }
        exchange(&came, there, &kept)?;
    }
    Ok(())
}

/// Visitors are told that it is paused, so that nothing starts it again whatever dies meanwhile; then
/// its processes end.
async fn quiet(act: &Act) -> Result<(), Failure> {
    if route::read(&act.world.paths, act.key()).is_some() {
        route::pause(&act.world, act.key(), false).await?;
        if route::confirm(act).await.is_err() {
            let text = "the router does not answer: requests may fail until it does";
            act.log.event(Event::Warning { text: text.into() });
        }
        let paused = || act.world.recorder.set_status(act.key(), Status::Paused);
        insist(&act.task.id, "that it is paused", paused).await;
    }
    end_crons(act, "gets other data", Pace::Soon).await;
    retire::stop_processes(act).await
}

/// A place for what is kept. Its time says since when.
pub(super) fn keep_at(kept: &Path) -> Result<(), disk::DiskError> {
    disk::make_directory(kept)?;
    std::fs::File::open(kept)
        .and_then(|kept| kept.set_modified(SystemTime::now()))
        .map_err(disk::at("put aside", kept))
}

/// Keeps what has none of the names of what came.
fn put_rest_aside(came: &Path, there: &Path, kept: &Path) -> Result<(), disk::DiskError> {
    let new = names(came).map_err(disk::at("look at", came))?;
    let services = Path::new(SERVICES);
    for name in names(there).map_err(disk::at("look at", there))? {
        let (old, aside) = (there.join(&name), kept.join(&name));
        let is_other = !new.contains(&name) && Path::new(&name) != services;
        if is_other && aside.symlink_metadata().is_err() {
            keep_at(kept)?;
            disk::rename(&old, &aside)?;
            fail::point(format_args!("swap: put aside {name}"));
        }
    }
    Ok(())
}

/// Gives what came the names that it is to have, and keeps what had them. Each name is in one of three
/// states, which the directories tell: both are there, what was there is kept, or what came is there.
fn exchange(came: &Path, mounts: &Path, kept: &Path) -> Result<(), disk::DiskError> {
    let there = names(came).map_err(disk::at("look at", came))?;
    if there.is_empty() {
        return Ok(());
    }
    disk::make_directory(mounts)?;
    for name in there {
        let (new, old, aside) = (came.join(&name), mounts.join(&name), kept.join(&name));
        match aside.symlink_metadata() {
            Err(_) if holds_something(&old) => {
                keep_at(kept)?;
                disk::rename(&old, &aside)?;
                fail::point(format_args!("swap: kept {name}"));
            }
            Err(_) => {}
            // What is there came in an attempt before this one.
            Ok(_) => disk::remove_tree(&old)?,
        }
        disk::rename(&new, &old)?;
        fail::point(format_args!("swap: replaced {name}"));
    }
    Ok(())
}

/// Whether there is anything that would be missed: a rename takes the place of an empty directory, and of a file.
fn holds_something(old: &Path) -> bool {
    match old.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => names(old).map_or(true, |names| !names.is_empty()),
        Ok(metadata) => metadata.len() > 0,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Two mounts, of which one is new, from each state that a death may leave.
    #[test]
    fn what_came_once_makes_room_for_what_comes_again_and_the_rest_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        let [came, mounts, kept] = ["came", "mounts", "kept"].map(|name| top.join(name));
        let files = [
            "came/a",
            "mounts/a",
            "kept/a",
            "mounts/b",
            "mounts/services",
        ];
        for path in files {
            fs::create_dir_all(top.join(path)).unwrap();
            fs::write(top.join(path).join("file"), path).unwrap();
        }
        put_rest_aside(&came, &mounts, &kept).unwrap();
        exchange(&came, &mounts, &kept).unwrap();
        let read = |path: &str| fs::read_to_string(top.join(path).join("file")).unwrap();
        assert_eq!(
            [read("mounts/a"), read("kept/a"), read("kept/b")],
            ["came/a", "kept/a", "mounts/b"]
        );
        assert!(mounts.join("services").exists() && !mounts.join("b").exists());
    }

    #[test]
    fn an_exchange_that_died_anywhere_is_done_to_its_end() {
        for dead in 0..=3 {
            let directory = tempfile::tempdir().unwrap();
            let top = directory.path();
            let [came, mounts, kept] = ["came", "mounts", "kept"].map(|name| top.join(name));
            for (path, text) in [("came/a", "new"), ("came/b", "new"), ("mounts/a", "old")] {
                fs::create_dir_all(top.join(path)).unwrap();
                fs::write(top.join(path).join("file"), text).unwrap();
            }
            let moves = [
                ("mounts/a", "kept/a"),
                ("came/a", "mounts/a"),
                ("came/b", "mounts/b"),
            ];
            fs::create_dir(&kept).unwrap();
            for (from, to) in &moves[..dead] {
                fs::rename(top.join(from), top.join(to)).unwrap();
            }
            exchange(&came, &mounts, &kept).unwrap();
            exchange(&came, &mounts, &kept).unwrap();
            let read = |path: &str| fs::read_to_string(top.join(path).join("file")).unwrap();
            assert_eq!(
                [read("mounts/a"), read("mounts/b"), read("kept/a")],
                ["new", "new", "old"]
            );
            assert!(!kept.join("b").exists());
        }
    }
}
