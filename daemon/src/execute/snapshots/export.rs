//! A part of a snapshot as a stream.

use std::ffi::OsStr;

use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

use super::super::failure::Failure;
use super::super::world::World;
use super::part::{DUMP, MOUNTS, service_of};
use super::repository::{self, For};
use crate::store::snapshot::{PartRecord, SnapshotRecord};

/// The part that is meant: the one that is named, or the mounts, or the only one.
///
/// # Errors
/// That it has none of that name.
pub fn part_of<'a>(
    record: &'a SnapshotRecord,
    name: Option<&str>,
) -> Result<&'a PartRecord, Failure> {
    let wanted = name.unwrap_or(MOUNTS);
    let mut parts = record.parts.iter();
    let found = parts.find(|part| part.name == wanted);
    let only = || match (name, record.parts.as_slice()) {
        (None, [only]) => Some(only),
        _ => None,
    };
    found.or_else(only).ok_or_else(|| {
        let names: Vec<&str> = record.parts.iter().map(|part| part.name.as_str()).collect();
        let message = format!(
            "snapshot {} has no part `{}`",
            record.id,
            wanted.escape_default()
        );
        Failure::new("unknown-snapshot", message).hint(format!("it has: {}", names.join(", ")))
    })
}

/// Writes a part: directories as a tar archive, a dump as it was stored. Returns its bytes.
///
/// # Errors
/// That it cannot be read, or somebody stopped it: what was written is worth nothing then.
pub async fn export(
    world: &World,
    stop: &CancellationToken,
    record: &SnapshotRecord,
    part: &PartRecord,
    into: &mut (impl AsyncWrite + Unpin + Send),
) -> Result<u64, Failure> {
    super::is_good(record)?;
    let repository = repository::open(world, stop, &record.repository, For::Reading).await?;
    let dump = service_of(&part.name).map(|_| format!("/{DUMP}"));
    let file = dump.as_deref().unwrap_or("/");
    let words = ["dump", "--archive", "tar", "--", &part.snapshot, file].map(OsStr::new);
    let restic = repository.within(std::path::Path::new("/"));
    let (said, written) = restic.run_into(world, stop, &words, into).await?;
    match said.is_good() {
        true => Ok(written),
        false => Err(said.failure("snapshot-bad", "the snapshot cannot be read")),
    }
}
