//! Restoring a snapshot: all of it comes beside what is there, then takes its place.

use std::path::Path;
use std::time::Instant;

use wharf_config::application::Application;
use wharf_config::project::{Kind, Sanitize};

use super::super::activity::Act;
use super::super::arrival::{Manner, arrive};
use super::super::failure::Failure;
use super::super::sync::{Source, scrub};
use super::verify::{fetch, read_in};
use super::wanted;
use crate::plan::snapshots::{Origin, may_restore};
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
        let release = match act.task.release.or(act.previous) {
            Some(number) => act.world.recorder.release(act.key(), number).await?,
            None => None,
        };
        let application = release.map(|release| release.application);
        fetch_and_read_in(act, &record, arriving, application.as_ref()).await?;
        let size = bytesize::ByteSize(record.bytes).display().si();
        act.did(
            "fetch",
            format!("{}: {size}, and verified", record.id),
            began,
        );
        Ok(())
    };
    Box::pin(arrive(act, &manner, come)).await
}

/// Fetches all, and has servers of an application, beside those that serve, read what is theirs.
///
/// # Errors
/// That it cannot be restored, or read by a server.
pub(in super::super) async fn fetch_and_read_in(
    act: &Act,
    record: &SnapshotRecord,
    arriving: &Path,
    application: Option<&Application>,
) -> Result<(), Failure> {
    may_come(act, record)?;
    fetch(act, record, arriving).await?;
    let Some(application) = application else {
        return Ok(());
    };
    read_in(act, record, arriving, application).await?;
    if record.key == *act.key() {
        return Ok(());
    }
    match act.project.sanitize {
        // What scrubs is of today: it knows all that was ever stored.
        Sanitize::Command(_) => {
            let from = Source::find(act, record.key.id.as_str()).await?;
            scrub(act, &from, application, arriving).await
        }
        Sanitize::Unsaid | Sanitize::Needless => Ok(()),
    }
}

/// The operator may have changed their mind since it was asked for.
fn may_come(act: &Act, record: &SnapshotRecord) -> Result<(), Failure> {
    if record.key == *act.key() {
        return Ok(());
    }
    // What is not known is guarded best.
    let kind = Kind::parse(&record.kind).unwrap_or(Kind::Production);
    let (into, sanitize) = (act.environment.kind, &act.project.sanitize);
    may_restore(Origin::Above, kind, into, sanitize).map_err(|why| {
        let (id, name) = (&record.id, &act.key().id);
        Failure::new(
            "data-upward",
            format!("snapshot {id} may not go into {name}: {why}"),
        )
    })
}
