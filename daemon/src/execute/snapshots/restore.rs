//! Restoring a snapshot: all of it comes beside what is there, then takes its place.

use std::path::Path;
use std::time::Instant;

use super::super::activity::Act;
use super::super::arrival::{Manner, arrive};
use super::super::failure::Failure;
use super::verify::{fetch, read_in};
use super::wanted;
use crate::store::snapshot::SnapshotRecord;

/// Brings a snapshot's data back; what serves afterwards is the release that served, or the one that is
/// asked for.
///
/// # Errors
/// As [`arrive`].
pub(in super::super) async fn restore(act: &mut Act) -> Result<Option<u32>, Failure> {
    let record = wanted(act).await?;
    let manner = Manner {
        code: "data-restored",
        done: "restored",
        whose: "the snapshot's".to_owned(),
        otherwise: format!(
            "or restore another: wharf snapshot list -e {}",
            act.key().id
        ),
    };
    let come = async |act: &Act, arriving: &Path| {
        let began = Instant::now();
        fetch_and_read_in(act, &record, arriving).await?;
        let size = bytesize::ByteSize(record.bytes).display().si();
        act.did(
            "fetch",
            format!("{}: {size}, and verified", record.id),
            began,
        );
        Ok(())
    };
    arrive(act, &manner, come).await
}

/// Fetches all, and has servers beside those that serve read what is theirs.
///
/// # Errors
/// That it cannot be restored, or read by a server.
pub(in super::super) async fn fetch_and_read_in(
    act: &Act,
    record: &SnapshotRecord,
    arriving: &Path,
) -> Result<(), Failure> {
    fetch(act, record, arriving).await?;
    let Some(number) = act.task.release.or(act.previous) else {
        return Ok(());
    };
    let release = act.world.recorder.release(act.key(), number).await?;
    match release {
        Some(release) => read_in(act, record, arriving, &release.application).await,
        None => Ok(()),
    }
}
