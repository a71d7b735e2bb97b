//! Snapshots: copies of an environment's data in its project's repository, in restic's own format.
//!
//! A snapshot has *parts*, one of restic's snapshots each, all with our snapshot's id as their tag: the
//! directories of `data` mounts, and what a service dumps. It is good once every part's maker and every
//! restic ended well, the repository was looked at, and that is recorded; until then it is nothing, and
//! what is there of it is taken away.

mod export;
mod keep;
mod part;
mod repository;
pub mod restic;
mod restore;
mod take;
mod verify;

pub use export::{export, part_of};
pub use part::{Part, Sink, Source};
pub use repository::Repositories;
pub use restic::Feed;
pub(super) use restore::{fetch_and_read_in, restore};
pub(super) use take::{before_deploy, take};

use super::activity::Act;
use super::failure::Failure;
use crate::plan::step::Step;
use crate::store::snapshot::{SnapshotRecord, SnapshotState};

/// The snapshot that an activity is about.
async fn wanted(act: &Act) -> Result<SnapshotRecord, Failure> {
    let found = act.world.recorder.snapshot_of(&act.task.id).await?;
    found.ok_or_else(|| {
        Failure::new("unknown-snapshot", "the snapshot is gone").hint(format!(
            "see which there are: wharf snapshot list -e {}",
            act.key().id
        ))
    })
}

/// What can be done with a good one only.
fn is_good(record: &SnapshotRecord) -> Result<(), Failure> {
    match record.state {
        SnapshotState::Good => Ok(()),
        state => Err(Failure::new(
            "snapshot-bad",
            format!("snapshot {} is not good: it is {}", record.id, state.word()),
        )
        .hint(format!(
            "see which are: wharf snapshot list -e {}",
            record.key.id
        ))),
    }
}

/// Takes a snapshot away: from the list first, so that nobody restores what is half gone.
///
/// # Errors
/// That the repository cannot be changed; the next retention goes on then.
pub(super) async fn delete(act: &Act) -> Result<Option<u32>, Failure> {
    let record = wanted(act).await?;
    act.step(Step::Forget, async {
        act.world.recorder.snapshot_goes(&record.id).await?;
        keep::remove(&act.world, &act.cancel, &[record]).await
    })
    .await?;
    Ok(act.previous)
}

/// Restores a snapshot to where nobody looks, to see whether it can be.
///
/// # Errors
/// Why it cannot be; it is bad from then on.
pub(super) async fn test(act: &Act) -> Result<Option<u32>, Failure> {
    let record = wanted(act).await?;
    act.step(Step::Fetch, verify::test(act, &record)).await?;
    Ok(act.previous)
}
