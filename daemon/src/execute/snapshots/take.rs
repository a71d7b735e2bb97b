//! Taking a snapshot.

use std::time::{Duration, Instant, SystemTime};

use bytesize::ByteSize;
use wharf_wire::event::Event;

use super::super::activity::Act;
use super::super::failure::Failure;
use super::part::{self, Part};
use super::repository::{self, For};
use super::{keep, verify};
use crate::fail;
use crate::journal::{self, Facts, Message};
use crate::plan::deployment::Data;
use crate::plan::snapshots::Why;
use crate::plan::step::Step;
use crate::store::insist::insist;
use crate::store::now;
use crate::store::release::ReleaseRecord;
use crate::store::snapshot::{SnapshotRecord, SnapshotState};

/// How long others are waited for who copy from the same project.
const PATIENCE: Duration = Duration::from_secs(30);

/// Copies the environment's data; what serves goes on.
///
/// # Errors
/// What its user should read; the snapshot is bad then.
pub(in super::super) async fn take(act: &Act) -> Result<Option<u32>, Failure> {
    let name = act.key().id.as_str();
    let Some(live) = act.previous else {
        let message = format!("{name} serves nothing, so there is no data to copy");
        return Err(
            Failure::new("no-release", message).hint(format!("see why with: wharf log -e {name}"))
        );
    };
    let release = act.world.recorder.release(act.key(), live).await?;
    let release = release
        .ok_or_else(|| Failure::new("no-release", format!("r{live} of {name} is not recorded")))?;
    let made = act.world.recorder.snapshot(&act.task.id).await?;
    let made = made.ok_or_else(|| Failure::new("unknown-snapshot", "the snapshot is gone"))?;
    if perform(act, made, &release).await? == Copied::Nothing {
        return Err(no_data(act));
    }
    keep::after(act).await;
    Ok(act.previous)
}

/// Nothing of an environment is data.
fn no_data(act: &Act) -> Failure {
    let message = format!(
        "{} has no data: no service, and no mount of the kind `data`",
        act.key().id
    );
    Failure::new("no-data", message)
        .hint("declare it in wharf.toml: [mounts] \"uploads\" = \"data\"")
}

/// Copies the data of what serves before deploy commands may change it, where the operator wants that.
///
/// # Errors
/// That it cannot be copied: then no command may run.
pub(in super::super) async fn before_deploy(act: &Act) -> Result<(), Failure> {
    let Some(live) = act.previous else {
        return Ok(());
    };
    // What came a moment ago is copied from elsewhere, and what was there is kept.
    let is_fresh = act.task.kind.deploys_anew();
    let policy = &act.environment.policy;
    let is_wanted = policy.snapshot_before_deploy || policy.restore_on_failure;
    if !is_wanted || !act.is_recorded() || is_fresh {
        return Ok(());
    }
    let Some(release) = act.world.recorder.release(act.key(), live).await? else {
        return Ok(());
    };
    let made = SnapshotRecord {
        id: act.task.id.clone(),
        key: act.key().clone(),
        kind: act.environment.kind.as_str().to_owned(),
        state: SnapshotState::Making,
        why: Why::BeforeDeploy,
        title: String::new(),
        release: None,
        commit: None,
        repository: String::new(),
        parts: Vec::new(),
        bytes: 0,
        added: 0,
        created: now(),
        ended: None,
        verified: None,
        error: String::new(),
    };
    perform(act, made, &release).await.map(drop)
}

/// Whether there was anything to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copied {
    /// There was, and it is copied.
    Data,
    /// Nothing of the environment is data.
    Nothing,
}

async fn perform(
    act: &Act,
    made: SnapshotRecord,
    release: &ReleaseRecord,
) -> Result<Copied, Failure> {
    let began = Instant::now();
    let id = act.task.id.as_str();
    // A daemon may have died between this and the end of the step. What would be put back is of this moment:
    // visitors came in again between the two.
    let known = act.world.recorder.snapshot(id).await?;
    let before = match known {
        Some(known) if known.state == SnapshotState::Good && act.data() == Data::Open => {
            Before::Made
        }
        Some(known) if !known.repository.is_empty() => Before::Begun,
        Some(_) | None => Before::Nothing,
    };
    // What is copied already is not asked for again.
    let parts = match before {
        Before::Made => Vec::new(),
        Before::Begun | Before::Nothing => part::of(act, release).await?,
    };
    if before != Before::Made && parts.is_empty() {
        return Ok(Copied::Nothing);
    }
    let done = steps(act, made, release, parts, before).await;
    if let Err(failure) = &done {
        let why = &failure.reason.message;
        let bad = || act.world.recorder.snapshot_bad(id, why);
        insist(id, "that its snapshot is bad", bad).await;
        if failure.is_full() {
            give_back(act).await;
        }
    }
    let Some((bytes, added)) = done? else {
        return Ok(Copied::Data);
    };
    let size = |bytes| ByteSize(bytes).display().si();
    let text = format!("{id}: {}, of which {} are new", size(bytes), size(added));
    act.did("snapshot", text, began);
    journal::say(
        Message::Snapshot,
        &Facts::of_act(act),
        format_args!("snapshot {id} taken"),
    );
    Ok(Copied::Data)
}

/// Takes away what was copied of a snapshot for which there was no room: all else needs that room, too. Trouble is
/// only said.
async fn give_back(act: &Act) {
    let id = act.task.id.as_str();
    let given = async {
        let known = act.world.recorder.snapshot(id).await?;
        let location = known.map(|known| known.repository);
        let Some(location) = location.filter(|location| !location.is_empty()) else {
            return Ok(());
        };
        let alone = repository::open(&act.world, &act.cancel, &location, For::Removing);
        // Others may copy for long.
        let Ok(alone) = tokio::time::timeout(PATIENCE, alone).await else {
            let message = "others copy meanwhile";
            return Err(Failure::new("snapshot-store", message));
        };
        alone?.clear(id).await
    };
    if let Err(failure) = given.await {
        let why = failure.reason.message;
        let text = format!("what was copied of the snapshot stays: {why}");
        act.log.event(Event::Warning { text });
    }
}

/// What an attempt before this one has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing of it can be in a repository.
    Nothing,
    /// Something may be there.
    Begun,
    /// All of it.
    Made,
}

async fn steps(
    act: &Act,
    made: SnapshotRecord,
    release: &ReleaseRecord,
    parts: Vec<Part>,
    before: Before,
) -> Result<Option<(u64, u64)>, Failure> {
    let began = SystemTime::now();
    let location = repository::location(&act.world, &act.settings, &act.key().project);
    let recorder = &act.world.recorder;
    let id = act.task.id.as_str();
    let copied = act
        .step(Step::Snapshot, async {
            if before == Before::Made {
                return Ok(None);
            }
            let made = SnapshotRecord {
                release: Some(release.number),
                commit: Some(release.commit.clone()),
                repository: location.clone(),
                created: now(),
                ..made
            };
            recorder.make_snapshot(made).await?;
            let repository = open_to_add(act, &location, before).await?;
            let host = act.key().to_string();
            let (mut copied, mut added) = (Vec::new(), 0_u64);
            for part in parts {
                let part = part::copy(&repository, id, &host, part).await?;
                fail::point(format_args!("snapshot: copied {}", part.name));
                added = added.saturating_add(part.added);
                copied.push(part);
            }
            let records = part::stored(&repository, id, copied).await?;
            recorder.snapshot_stored(id, &records, added).await?;
            let bytes = records.iter().map(|part| part.bytes).sum();
            Ok(Some((bytes, added)))
        })
        .await?;
    act.step(Step::Verify, async {
        if before == Before::Made {
            return Ok(());
        }
        let reading = For::Reading;
        let repository = repository::open(&act.world, &act.cancel, &location, reading).await?;
        verify::added(act, &repository, began).await?;
        Ok(recorder.snapshot_good(id).await?)
    })
    .await?;
    Ok(copied)
}

/// What a dead daemon, or an attempt before this one, left of this snapshot goes first.
async fn open_to_add<'a>(
    act: &'a Act,
    location: &str,
    before: Before,
) -> Result<repository::Repository<'a>, Failure> {
    let id = act.task.id.as_str();
    let repository = repository::open(&act.world, &act.cancel, location, For::Adding).await?;
    if before == Before::Nothing {
        return Ok(repository);
    }
    let left = repository.tagged(&[id]).await?;
    if left.is_empty() {
        return Ok(repository);
    }
    drop(repository);
    let alone = repository::open(&act.world, &act.cancel, location, For::Removing).await?;
    let left: Vec<String> = left.into_iter().map(|one| one.id).collect();
    alone.forget(&left).await?;
    drop(alone);
    repository::open(&act.world, &act.cancel, location, For::Adding).await
}
