//! What a power cut left of an earlier push: git's locks, which would refuse every later push until
//! somebody removes them by hand, what it had received by then, and packs that git was writing.
//!
//! Nobody can still hold a lock, or write a pack, that is older than the host's start.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use wharf_wire::hook::RefUpdate;

/// Locks that any push may need.
const LOCKS: [&str; 5] = [
    "HEAD.lock",
    "packed-refs.lock",
    "packed-refs.new",
    "config.lock",
    "shallow.lock",
];
/// Beginnings of what git has not finished, in which directory: pushes that it has not taken over
/// yet; packs and their indices.
const UNFINISHED: [(&str, &str); 2] = [
    ("objects", "tmp_objdir-incoming-"),
    ("objects/pack", "tmp_"),
];
/// File systems and the clock of the start count in steps.
const STEP: Duration = Duration::from_secs(2);

/// Removes what was left before the host started, of the refs of this push. Returns what stays, with
/// why.
pub(crate) fn clear(repository: &Path, updates: &[RefUpdate]) -> Vec<(PathBuf, io::Error)> {
    let found = found(repository, updates);
    if found.is_empty() {
        return Vec::new();
    }
    match started() {
        Some(started) => clear_older(found, started),
        None => Vec::new(),
    }
}

fn found(repository: &Path, updates: &[RefUpdate]) -> Vec<PathBuf> {
    let refs = updates.iter().filter(|update| !update.lossy);
    let refs = refs.map(|update| format!("{}.lock", update.name));
    let mut found: Vec<PathBuf> = LOCKS
        .into_iter()
        .map(str::to_owned)
        .chain(refs)
        .map(|name| repository.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .collect();
    for (directory, beginning) in UNFINISHED {
        let entries = fs::read_dir(repository.join(directory));
        found.extend(
            entries
                .into_iter()
                .flatten()
                .filter_map(Result::ok)
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning))
                .map(|entry| entry.path()),
        );
    }
    found
}

fn clear_older(found: Vec<PathBuf>, than: SystemTime) -> Vec<(PathBuf, io::Error)> {
    let mut stays = Vec::new();
    for path in found {
        match remove_older(&path, than) {
            Ok(()) => {}
            // Another push was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => stays.push((path, error)),
        }
    }
    stays
}

fn remove_older(path: &Path, than: SystemTime) -> io::Result<()> {
    let metadata = path.symlink_metadata()?;
    if metadata.modified()? >= than {
        return Ok(());
    }
    if metadata.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// When the host started, a little earlier rather than later.
fn started() -> Option<SystemTime> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = uptime.split(' ').next()?.parse().ok()?;
    let since = Duration::try_from_secs_f64(seconds).ok()? + STEP;
    SystemTime::now().checked_sub(since)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn only_what_is_older_than_the_host_s_start_goes_and_only_of_these_refs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir_all(path.join("refs/heads/a")).unwrap();
        for name in [
            "tmp_objdir-incoming-old",
            "tmp_objdir-incoming-new",
            "17",
            "pack",
        ] {
            fs::create_dir_all(path.join("objects").join(name)).unwrap();
        }
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        for (name, is_old) in [
            ("refs/heads/a/b.lock", true),
            ("refs/heads/c.lock", true),
            ("refs/heads/d.lock", false),
            ("packed-refs.lock", true),
            ("HEAD", true),
            ("objects/tmp_objdir-incoming-old", true),
            ("objects/17", true),
            ("objects/pack/tmp_pack_old", true),
            ("objects/pack/tmp_idx_new", false),
            ("objects/pack/pack-17.pack", true),
        ] {
            let name = path.join(name);
            let file = if name.is_dir() {
                File::open(&name)
            } else {
                File::create(&name)
            };
            if is_old {
                file.unwrap().set_modified(long_ago).unwrap();
            }
        }
        let update = |name: &str| RefUpdate {
            name: name.into(),
            lossy: false,
            old: String::new(),
            new: String::new(),
        };
        let updates = [update("refs/heads/a/b"), update("refs/heads/d")];
        assert!(clear(path, &updates).is_empty());
        let is_there = |name: &str| path.join(name).exists();
        for gone in [
            "refs/heads/a/b.lock",
            "packed-refs.lock",
            "objects/tmp_objdir-incoming-old",
            "objects/pack/tmp_pack_old",
        ] {
            assert!(!is_there(gone), "{gone}");
        }
        for stays in [
            "refs/heads/c.lock",
            "refs/heads/d.lock",
            "HEAD",
            "objects/tmp_objdir-incoming-new",
            "objects/17",
            "objects/pack/tmp_idx_new",
            "objects/pack/pack-17.pack",
        ] {
            assert!(is_there(stays), "{stays}");
        }
    }
}
