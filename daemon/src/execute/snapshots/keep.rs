//! Taking snapshots away that no rule keeps.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::activity::Act;
use super::super::failure::Failure;
use super::super::world::World;
use super::repository::{self, For};
use crate::plan::snapshots::{Taken, gone};
use crate::store::now;
use crate::store::snapshot::{SnapshotRecord, SnapshotState};

/// How long a snapshot that cannot be restored stays in the list.
const BAD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Takes away what is past its time in the activity's environment. Trouble is only said: the next
/// snapshot tries again.
pub(super) async fn after(act: &Act) {
    match past(act).await {
        Ok(past) if past.is_empty() => {}
        Ok(past) => match remove(&act.world, &act.cancel, &past).await {
            Ok(()) => {
                let went = crate::report::count(past.len() as u64, "older snapshot");
                act.log.note(format!("{went} went, past snapshots.keep"));
            }
            Err(failure) => warn(act, &failure),
        },
        Err(failure) => warn(act, &failure),
    }
}

fn warn(act: &Act, failure: &Failure) {
    let text = format!("older snapshots stay: {}", failure.reason.message);
    act.log.event(wharf_wire::event::Event::Warning { text });
}

async fn past(act: &Act) -> Result<Vec<SnapshotRecord>, Failure> {
    let project = Some(act.key().project.to_string());
    let mut all = act.world.recorder.snapshots(project).await?;
    all.retain(|one| one.key == *act.key());
    let production = act.environment.kind == wharf_config::project::Kind::Production;
    let rhythm = act.environment.policy.snapshots.rhythm(production);
    let keep = rhythm.unwrap_or_default().keep;
    let good = all.iter().filter(|one| one.state == SnapshotState::Good);
    let good = good.map(|one| Taken {
        id: one.id.clone(),
        at: one.created,
        why: one.why,
    });
    let gone = gone(&good.collect::<Vec<_>>(), &keep, now());
    let bad = u64::try_from(BAD.as_millis()).unwrap_or(u64::MAX);
    all.retain(|one| match one.state {
        SnapshotState::Good => gone.contains(&one.id),
        SnapshotState::Bad => one.created.saturating_add(bad) < now(),
        // Whoever began with it died, or the repository was not to be reached.
        SnapshotState::Deleting => true,
        SnapshotState::Making => false,
    });
    Ok(all)
}

/// Takes snapshots away: from the list first, then from their repositories, then from the record.
///
/// # Errors
/// That a repository cannot be changed; they stay on their way out then.
pub(super) async fn remove(
    world: &World,
    cancel: &CancellationToken,
    going: &[SnapshotRecord],
) -> Result<(), Failure> {
    for record in going {
        world.recorder.snapshot_goes(&record.id).await?;
    }
    let mut locations: Vec<&str> = going.iter().map(|one| one.repository.as_str()).collect();
    locations.sort_unstable();
    locations.dedup();
    for location in locations {
        let here = going.iter().filter(|one| one.repository == location);
        let here: Vec<&SnapshotRecord> = here.collect();
        // One that never came to a repository has no place.
        if !location.is_empty() {
            let repository = repository::open(world, cancel, location, For::Removing).await?;
            let tags: Vec<&str> = here.iter().map(|record| record.id.as_str()).collect();
            let tagged = repository.tagged(&tags).await?;
            let ids: Vec<String> = tagged.into_iter().map(|one| one.id).collect();
            repository.forget(&ids).await?;
        }
        for record in here {
            world.recorder.forget_snapshot(&record.id).await?;
        }
    }
    Ok(())
}
