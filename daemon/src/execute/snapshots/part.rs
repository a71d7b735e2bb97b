//! What a snapshot is made of, and what it goes back into.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use tokio::io::AsyncWrite;

use super::super::activity::Act;
use super::super::failure::Failure;
use super::super::services::fill;
use super::repository::{Repository, store_failure};
use super::restic::Feed;
use crate::store::paths::Paths;
use crate::store::release::ReleaseRecord;
use crate::store::snapshot::PartRecord;
use wharf_config::application::Mount;
use wharf_config::name::ProcessName;

/// The part that the `data` mounts are.
pub(super) const MOUNTS: &str = "mounts";

/// A part that is to be made.
#[derive(Debug)]
pub struct Part {
    /// `mounts`, or `service:NAME`.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a part comes from.
#[derive(Debug)]
pub enum Source {
    /// Directories and files of this host.
    Directories {
        /// Where they are.
        top: PathBuf,
        /// Their names there, without slashes.
        names: Vec<String>,
    },
    /// A dump that is never on the disk, stored as a file of this name.
    Stream {
        /// Always [`DUMP`].
        name: String,
        /// The bytes, and whether whoever makes them ended well.
        feed: Feed,
    },
}

/// Where a part goes back to.
pub enum Sink<'a> {
    /// A directory that is not there yet.
    Directory(PathBuf),
    /// The stream of this name goes on to somebody, who must take no end for the end of it all before
    /// this has returned well.
    Stream {
        /// As it was stored.
        name: String,
        /// Who takes it.
        into: &'a mut (dyn AsyncWrite + Send + Unpin),
    },
}

/// What the name of a service's part begins with.
const SERVICE: &str = "service:";
/// As what its dump is stored.
pub(super) const DUMP: &str = "dump";

/// The service that a part is of, where it is one's.
pub(super) fn service_of(part: &str) -> Option<ProcessName> {
    ProcessName::parse(part.strip_prefix(SERVICE)?).ok()
}

/// What is copied of an environment whose release serves: the data mounts that are there, and what each of its
/// services holds.
///
/// # Errors
/// That a service does not run.
pub(super) async fn of(act: &Act, release: &ReleaseRecord) -> Result<Vec<Part>, Failure> {
    let mut parts: Vec<Part> = mounts_of(act, release).into_iter().collect();
    // They begin together: each is of this moment.
    for (name, service) in &release.application.services {
        let feed = fill::feed(act, (name, service)).await?;
        parts.extend(feed.map(|feed| Part {
            name: format!("{SERVICE}{name}"),
            source: Source::Stream {
                name: DUMP.to_owned(),
                feed,
            },
        }));
    }
    Ok(parts)
}

fn mounts_of(act: &Act, release: &ReleaseRecord) -> Option<Part> {
    let (project, environment) = (&act.key().project, &act.key().id);
    let top = act.world.paths.mounts(project, environment);
    let mounts = release.application.mounts.iter();
    let data = mounts.filter(|(_, kind)| **kind == Mount::Data);
    let names = data.map(|(path, _)| Paths::mount_name(path));
    let is_there = |name: &String| top.join(name).symlink_metadata().is_ok();
    let names: Vec<String> = names.filter(is_there).collect();
    let name = MOUNTS.to_owned();
    (!names.is_empty()).then_some(Part {
        name,
        source: Source::Directories { top, names },
    })
}

/// What restic says at the end of a copy.
#[derive(Debug, serde::Deserialize)]
struct Line {
    message_type: String,
    #[serde(default)]
    data_added: u64,
    #[serde(default)]
    total_bytes_processed: u64,
    #[serde(default)]
    item: String,
}

/// A part that is in the repository, as restic says.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) name: String,
    /// How many paths were named.
    paths: usize,
    bytes: u64,
    /// How much of it was new.
    pub(super) added: u64,
}

/// The tag that says of what restic's snapshot is the copy.
fn tag_of(part: &str) -> String {
    format!("part={part}")
}

/// Copies a part.
///
/// # Errors
/// That it is not whole; what there may be of it has the tag.
pub(super) async fn copy(
    repository: &Repository<'_>,
    tag: &str,
    host: &str,
    part: Part,
) -> Result<Copied, Failure> {
    let Part { name, source } = part;
    let tags = format!("{tag},{}", tag_of(&name));
    let mut words: Vec<OsString> = [
        "backup", "--json", "--quiet", "--tag", &tags, "--host", host,
    ]
    .map(OsString::from)
    .into();
    let (world, cancel) = (repository.world(), repository.cancel());
    let mut heard = Heard::default();
    let (said, paths) = match source {
        Source::Directories { top, names } => {
            words.push("--".into());
            words.extend(names.iter().map(OsString::from));
            let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
            let restic = repository.within(&top);
            let said = restic.run(world, cancel, &words, |line| heard.line(line));
            (said.await?, names.len())
        }
        Source::Stream { name, feed } => {
            words.extend(["--stdin", "--stdin-filename", &name].map(OsString::from));
            let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
            let restic = repository.within(std::path::Path::new("/"));
            let said = restic.run_fed(world, cancel, &words, |line| heard.line(line), feed);
            (said.await?, 1)
        }
    };
    // Whoever deletes a file while it is read has it deleted in the copy, too.
    let is_whole = said.is_good() || said.code == Some(3) && heard.only_lost_what_went();
    let Some((bytes, added)) = heard.copied.filter(|_| is_whole) else {
        let mut failure = said.failure("snapshot-failed", &format!("{name} cannot be copied"));
        failure.details.extend(heard.unread.into_iter().take(5));
        return Err(failure);
    };
    Ok(Copied {
        name,
        paths,
        bytes,
        added,
    })
}

/// Looks for the parts of a snapshot where they were copied to, all at once, since each call of restic's takes about a
/// second; returns them as they are recorded.
///
/// # Errors
/// That one is not there with all that was named: restic passes over a path that went before it came to it.
pub(super) async fn stored(
    repository: &Repository<'_>,
    tag: &str,
    copied: Vec<Copied>,
) -> Result<Vec<PartRecord>, Failure> {
    let listed = repository.tagged(&[tag]).await?;
    let record = |part: Copied| {
        let own = tag_of(&part.name);
        let mut found = listed.iter().filter(|one| one.tags.contains(&own));
        match (found.next(), found.next()) {
            (Some(one), None) if one.paths.len() == part.paths => Ok(PartRecord {
                name: part.name,
                snapshot: one.id.clone(),
                bytes: part.bytes,
            }),
            _ => {
                let message = format!("the copy of {} is not whole", part.name);
                Err(Failure::new("snapshot-failed", message))
            }
        }
    };
    copied.into_iter().map(record).collect()
}

#[derive(Default)]
struct Heard {
    /// How much there is, and how much of it was new.
    copied: Option<(u64, u64)>,
    /// What could not be read, as far as it is kept.
    unread: Vec<String>,
    more: bool,
}

impl Heard {
    /// So many are named at most.
    const MOST: usize = 1000;

    fn line(&mut self, line: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            return;
        };
        match line.message_type.as_str() {
            "summary" => {
                self.copied = Some((line.total_bytes_processed, line.data_added));
            }
            "error" if self.unread.len() < Self::MOST => self.unread.push(line.item),
            "error" => self.more = true,
            _ => {}
        }
    }

    /// Whether each that could not be read is not there any more.
    fn only_lost_what_went(&self) -> bool {
        let is_gone = |item: &String| {
            let found = std::path::Path::new(item).symlink_metadata();
            item.starts_with('/')
                && found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        !self.more && !self.unread.is_empty() && self.unread.iter().all(is_gone)
    }
}

/// Takes a part out of the repository; restic holds every byte against what was stored.
///
/// # Errors
/// That it cannot be restored.
pub(super) async fn fetch(
    repository: &Repository<'_>,
    part: &PartRecord,
    sink: Sink<'_>,
) -> Result<(), Failure> {
    // What it could not write says nothing of the snapshot.
    let mut written = None;
    let said = match sink {
        Sink::Directory(target) => {
            let target = target.to_string_lossy().into_owned();
            let words = [
                "restore",
                "--verify",
                "--target",
                &target,
                "--",
                &part.snapshot,
            ];
            let said = repository.run(&words).await?;
            written = said.complaint.contains(&target).then_some(target);
            said
        }
        Sink::Stream { name, into } => {
            let path = format!("/{name}");
            let (world, cancel) = (repository.world(), repository.cancel());
            let words = ["dump", "--", &part.snapshot, &path].map(OsStr::new);
            let restic = repository.within(std::path::Path::new("/"));
            let mut into = into;
            restic.run_into(world, cancel, &words, &mut into).await?.0
        }
    };
    if said.is_good() {
        return Ok(());
    }
    if let Some(target) = written {
        let what = format!("{} cannot be written to {target}", part.name);
        return Err(said.failure("host", &what));
    }
    // Whether it is this snapshot or the way to it: the repository as a whole answers.
    let opened = repository.run(&["cat", "config"]).await?;
    Err(match opened.is_good() {
        true => said.failure("snapshot-bad", &format!("{} cannot be restored", part.name)),
        false => store_failure(&opened, "the snapshots cannot be opened"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_while_it_was_read_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let there = directory.path().join("there");
        std::fs::write(&there, "").unwrap();
        let heard = |items: &[&std::path::Path]| {
            let mut heard = Heard::default();
            for item in items {
                let line = serde_json::json!({
                    "message_type": "error", "error": {"Op": "open"}, "during": "archival", "item": item,
                });
                heard.line(line.to_string().as_bytes());
            }
            heard.only_lost_what_went()
        };
        let gone = directory.path().join("gone");
        assert!(heard(&[&gone]));
        assert!(!heard(&[&gone, &there]));
        assert!(!heard(&[]));
        assert!(!heard(&[std::path::Path::new("relative")]));
    }
}
