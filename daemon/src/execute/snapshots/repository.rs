//! A project's repository of snapshots, in restic's format: where it is, what opens it, whose turn it is.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio_util::sync::CancellationToken;
use wharf_config::host::SnapshotStore;
use wharf_config::name::ProjectName;

use super::super::failure::Failure;
use super::super::world::World;
use super::restic::{self, Restic, Said};
use crate::disk;
use crate::settings::Settings;
use crate::store::paths::Paths;

/// What a file of credentials may set: what opens an S3-compatible store.
const CREDENTIALS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
];
/// A longer file is none of credentials.
const MAX_CREDENTIALS: u64 = 64 * 1024;
/// Bytes of randomness in the key of all repositories.
const KEY: usize = 32;

/// Which repositories are in use: many may read one and add to it, one alone takes away.
#[derive(Debug, Default)]
pub struct Repositories {
    turns: Mutex<HashMap<String, Arc<RwLock<()>>>>,
    key: tokio::sync::Mutex<()>,
}

impl Repositories {
    fn turn(&self, location: &str) -> Arc<RwLock<()>> {
        let mut turns = self.turns.lock().expect("no holder of this lock panics");
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(location.to_owned()).or_default())
    }
}

/// A repository that can be used now.
pub(super) struct Repository<'a> {
    world: &'a World,
    cancel: &'a CancellationToken,
    restic: Restic,
    store: SnapshotStore,
    _turn: Turn,
}

/// Held as long as it is used.
enum Turn {
    Shared(#[allow(dead_code, reason = "held")] OwnedRwLockReadGuard<()>),
    Alone(#[allow(dead_code, reason = "held")] OwnedRwLockWriteGuard<()>),
}

/// For what it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// To add to it; it is made where it is not there.
    Adding,
    /// To read from it.
    Reading,
    /// To take away from it.
    Removing,
}

/// What restic tells of one of its snapshots.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    /// Its whole id.
    pub(super) id: String,
    /// What was named when it was made.
    #[serde(default)]
    pub(super) paths: Vec<PathBuf>,
    /// What it was tagged with.
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

/// Where a project's snapshots go by today's settings, as restic names it.
pub(super) fn location(world: &World, settings: &Settings, project: &ProjectName) -> String {
    match &settings.host.snapshots.store {
        None => join(&world.paths.snapshots(), project),
        Some(SnapshotStore::Directory(directory)) => join(directory, project),
        Some(SnapshotStore::S3(url)) => format!("s3:{url}/{project}"),
        Some(SnapshotStore::Sftp {
            user,
            host,
            port,
            path,
        }) => {
            let user = user.as_ref().map(|user| format!("{user}@"));
            let port = port.map(|port| format!(":{port}"));
            let (user, port) = (user.unwrap_or_default(), port.unwrap_or_default());
            format!("sftp://{user}{host}{port}/{path}/{project}")
        }
    }
}

fn join(directory: &Path, project: &ProjectName) -> String {
    directory
        .join(project.as_str())
        .to_string_lossy()
        .into_owned()
}

/// Waits for the turn, makes sure that what opens it is there, and removes what a dead daemon locked.
///
/// # Errors
/// What its operator should read.
pub(super) async fn open<'a>(
    world: &'a World,
    cancel: &'a CancellationToken,
    location: &str,
    purpose: For,
) -> Result<Repository<'a>, Failure> {
    restic::ask(world, cancel).await?;
    let store = SnapshotStore::parse(location)
        .map_err(|why| unusable(format!("{location} is no place for snapshots: {why}")))?;
    let restic = program(world, location, &store).await?;
    let lock = world.repositories.turn(location);
    let alone = Arc::clone(&lock).try_write_owned().ok();
    let is_alone = alone.is_some();
    let turn = match (alone, purpose) {
        (Some(turn), _) => Turn::Alone(turn),
        (None, For::Removing) => tokio::select! {
            turn = lock.write_owned() => Turn::Alone(turn),
            () = cancel.cancelled() => return Err(Failure::cancelled()),
        },
        (None, For::Adding | For::Reading) => tokio::select! {
            turn = lock.read_owned() => Turn::Shared(turn),
            () = cancel.cancelled() => return Err(Failure::cancelled()),
        },
    };
    let mut repository = Repository {
        world,
        cancel,
        restic,
        store,
        _turn: turn,
    };
    if purpose == For::Adding {
        repository.ensure(location).await?;
    }
    if is_alone || purpose == For::Removing {
        repository.unlock().await?;
    }
    // Others may read and add meanwhile.
    if purpose != For::Removing
        && let Turn::Alone(turn) = repository._turn
    {
        repository._turn = Turn::Shared(turn.downgrade());
    }
    Ok(repository)
}

fn unusable(message: String) -> Failure {
    Failure::new("snapshot-store", message)
        .hint("the host's operator looks at snapshots.store in wharfd.toml: wharfd check")
}

async fn program(world: &World, location: &str, store: &SnapshotStore) -> Result<Restic, Failure> {
    let paths = &world.paths;
    let settings = world.settings();
    let snapshots = &settings.host.snapshots;
    let mut words: Vec<OsString> = vec!["-r".into(), location.into()];
    if let SnapshotStore::Sftp {
        user, host, port, ..
    } = store
    {
        let mut ssh =
            "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=20".to_owned();
        let plain = |path: &PathBuf| path.to_string_lossy().into_owned();
        if let Some(file) = snapshots.identity_file.as_ref().map(plain) {
            ssh.push_str(&format!(" -o IdentitiesOnly=yes -i {file}"));
        }
        if let Some(file) = snapshots.known_hosts_file.as_ref().map(plain) {
            ssh.push_str(&format!(
                " -o StrictHostKeyChecking=yes -o UserKnownHostsFile={file}"
            ));
        }
        if let Some(port) = port {
            ssh.push_str(&format!(" -p {port}"));
        }
        let user = user.as_ref().map(|user| format!(" -l {user}"));
        ssh.push_str(&format!("{} {host} -s sftp", user.unwrap_or_default()));
        words.extend(["-o".into(), format!("sftp.command={ssh}").into()]);
    }
    key(world).await?;
    let scratch = paths.snapshot_cache().join("tmp");
    tokio::task::block_in_place(|| disk::make_directory(&scratch))
        .map_err(|error| Failure::host("cannot make the cache of snapshots", &error))?;
    let mut variables: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), restic::path()),
        ("HOME".into(), paths.snapshot_cache().into()),
        ("TMPDIR".into(), scratch.into()),
        ("RESTIC_CACHE_DIR".into(), paths.snapshot_cache().into()),
        ("RESTIC_PASSWORD_FILE".into(), paths.snapshot_key().into()),
    ];
    if let (SnapshotStore::S3(_), Some(file)) = (store, &snapshots.credentials_file) {
        variables.extend(credentials(file)?);
    }
    Ok(Restic {
        words,
        variables,
        directory: PathBuf::from("/"),
    })
}

/// Makes the key of all repositories where there is none yet.
async fn key(world: &World) -> Result<(), Failure> {
    let _turn = world.repositories.key.lock().await;
    let path = world.paths.snapshot_key();
    tokio::task::block_in_place(|| {
        if path.exists() {
            return Ok(());
        }
        let random: [u8; KEY] = rand::random();
        let text = format!("{}\n", data_encoding::HEXLOWER.encode(&random));
        disk::atomic_write(&path, text.as_bytes(), 0o600)
    })
    .map_err(|error| Failure::host("cannot write the key of snapshots", &error))
}

/// Reads lines such as `AWS_ACCESS_KEY_ID=...`.
fn credentials(file: &Path) -> Result<Vec<(OsString, OsString)>, Failure> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(file)
        .and_then(|open| open.take(MAX_CREDENTIALS).read_to_string(&mut text));
    let shown = file.display();
    read.map_err(|error| unusable(format!("cannot read {shown}: {error}")))?;
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut found = Vec::new();
    for line in lines {
        let known = line
            .split_once('=')
            .filter(|(name, _)| CREDENTIALS.contains(name));
        // Nothing of it is shown: the line may be a password alone.
        let (name, value) = known.ok_or_else(|| {
            let known = CREDENTIALS.join(", ");
            unusable(format!("{shown} has a line that sets none of {known}"))
        })?;
        found.push((name.into(), value.into()));
    }
    Ok(found)
}

impl Repository<'_> {
    /// Makes it where it is not there.
    async fn ensure(&mut self, location: &str) -> Result<(), Failure> {
        if let SnapshotStore::Directory(directory) = self.store.clone() {
            if directory.join("config").exists() {
                return Ok(());
            }
            return self.make_at(&directory).await;
        }
        let there = self.run(&["cat", "config"]).await?;
        if there.is_good() {
            return Ok(());
        }
        let made = self.run(&["init", "--repository-version", "2"]).await?;
        match made.is_good() {
            true => Ok(()),
            // What it said first tells more: that its host cannot be reached, or another key made it.
            false => {
                let what = format!("{location} cannot be opened");
                Err(store_failure(&there, &what))
            }
        }
    }

    /// Made beside its name and renamed: one that is half made, with a key that opens nothing, would
    /// never be opened again.
    async fn make_at(&mut self, directory: &Path) -> Result<(), Failure> {
        let parent = directory.parent().unwrap_or(Path::new("/"));
        let fresh = Paths::unmade(directory);
        let failed = |error: disk::DiskError| {
            let failure = Failure::host("cannot make a repository of snapshots", &error);
            failure.or_full()
        };
        tokio::task::block_in_place(|| {
            disk::make_directory(parent)?;
            // A death may have left one that is half made.
            disk::remove_tree(&fresh)
        })
        .map_err(failed)?;
        let mut restic = self.restic.clone();
        restic.words = vec!["-r".into(), fresh.clone().into()];
        let words = ["init", "--repository-version", "2"].map(OsStr::new);
        let made = restic.run(self.world, self.cancel, &words, |_| {}).await;
        let made = match made {
            Ok(said) if said.is_good() => Ok(()),
            Ok(said) => {
                let what = format!("{} cannot be made", directory.display());
                Err(store_failure(&said, &what))
            }
            Err(failure) => Err(failure),
        };
        tokio::task::block_in_place(|| {
            if let Err(failure) = made {
                disk::remove_tree(&fresh).map_err(failed)?;
                return Err(failure);
            }
            disk::sync_filesystem(&fresh).map_err(failed)?;
            disk::rename(&fresh, directory).map_err(failed)
        })
    }

    /// Nobody else uses it: a lock that is there is a dead daemon's.
    async fn unlock(&self) -> Result<(), Failure> {
        if let SnapshotStore::Directory(directory) = &self.store {
            let locks = directory.join("locks");
            let mut left = disk::entries(&locks).into_iter().flatten();
            if left.next().is_none() {
                return Ok(());
            }
        }
        let said = self.run(&["unlock", "--remove-all"]).await?;
        match said.is_good() {
            true => Ok(()),
            false => Err(store_failure(&said, "the snapshots cannot be opened")),
        }
    }

    /// Runs restic in it, to its end.
    pub(super) async fn run(&self, words: &[&str]) -> Result<Said, Failure> {
        self.heard(words, |_| {}).await
    }

    /// The same, with what it prints.
    pub(super) async fn heard(
        &self,
        words: &[&str],
        hear: impl FnMut(&[u8]),
    ) -> Result<Said, Failure> {
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        self.restic.run(self.world, self.cancel, &words, hear).await
    }

    /// Runs restic in a directory of the host's.
    pub(super) fn within(&self, directory: &Path) -> Restic {
        Restic {
            directory: directory.to_owned(),
            ..self.restic.clone()
        }
    }

    /// The daemon's means.
    pub(super) fn world(&self) -> &World {
        self.world
    }

    /// Whether somebody wants it stopped.
    pub(super) fn cancel(&self) -> &CancellationToken {
        self.cancel
    }

    /// Its directory, where it has one on this host.
    pub(super) fn directory(&self) -> Option<&Path> {
        match &self.store {
            SnapshotStore::Directory(directory) => Some(directory),
            SnapshotStore::Sftp { .. } | SnapshotStore::S3(_) => None,
        }
    }

    /// All that bear one of these tags.
    ///
    /// # Errors
    /// That it cannot be read.
    pub(super) async fn tagged(&self, tags: &[&str]) -> Result<Vec<Listed>, Failure> {
        // Without any it would list all that there are.
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let mut words = vec!["snapshots", "--json"];
        words.extend(tags.iter().flat_map(|tag| ["--tag", tag]));
        let mut text = Vec::new();
        let said = self
            .heard(&words, |line| text.extend_from_slice(line))
            .await?;
        if !said.is_good() {
            return Err(store_failure(&said, "the snapshots cannot be listed"));
        }
        let listed: Option<Vec<Listed>> = serde_json::from_slice(&text).map_err(|error| {
            Failure::host(
                "restic lists its snapshots otherwise than it should",
                &error,
            )
        })?;
        Ok(listed.unwrap_or_default())
    }

    /// Takes all away that bears a tag, and whatever no snapshot names: of one that was not finished that is most.
    ///
    /// # Errors
    /// That it cannot be.
    pub(super) async fn clear(&self, tag: &str) -> Result<(), Failure> {
        let left = self.tagged(&[tag]).await?;
        if !left.is_empty() {
            let ids: Vec<String> = left.into_iter().map(|one| one.id).collect();
            return self.forget(&ids).await;
        }
        let said = self.run(&["prune"]).await?;
        match said.is_good() {
            true => Ok(()),
            false => Err(said.failure("snapshot-store", "what was copied cannot be taken away")),
        }
    }

    /// Takes some of restic's snapshots away, and what only they needed.
    ///
    /// # Errors
    /// That they cannot be.
    pub(super) async fn forget(&self, ids: &[String]) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut words = vec!["forget", "--prune", "--"];
        words.extend(ids.iter().map(String::as_str));
        let said = self.run(&words).await?;
        match said.is_good() {
            true => Ok(()),
            false => Err(said.failure("snapshot-store", "a snapshot cannot be taken away")),
        }
    }
}

/// What is wrong with a repository, in restic's words.
pub(super) fn store_failure(said: &Said, what: &str) -> Failure {
    let failure = said.failure("snapshot-store", what);
    match failure.reason.code.as_str() {
        "snapshot-store" => failure
            .hint("the host's operator looks at snapshots.store in wharfd.toml, and at its disk"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_the_named_ones_and_no_line_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("credentials");
        std::fs::write(
            &file,
            "# ours\nAWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=a=b\n",
        )
        .unwrap();
        let read = credentials(&file).unwrap();
        assert_eq!(read[1].1, OsString::from("a=b"));
        for bad in ["s3cret", "LD_PRELOAD=/s3cret.so"] {
            std::fs::write(&file, bad).unwrap();
            let failure = credentials(&file).unwrap_err();
            assert_eq!(failure.reason.code, "snapshot-store");
            assert!(!failure.reason.message.contains("s3cret"));
        }
        assert!(credentials(&directory.path().join("none")).is_err());
    }

    #[tokio::test]
    async fn many_may_add_and_one_alone_takes_away() {
        let repositories = Repositories::default();
        let one = repositories.turn("a").read_owned().await;
        assert!(repositories.turn("a").try_read_owned().is_ok());
        assert!(repositories.turn("a").try_write_owned().is_err());
        assert!(repositories.turn("b").try_write_owned().is_ok());
        drop(one);
        assert!(repositories.turn("a").try_write_owned().is_ok());
    }
}
