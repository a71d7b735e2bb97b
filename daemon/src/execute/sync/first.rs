//! The data that a new environment begins with: its parent's, once, before its first release uses any.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::{Source, copied, upward};
use crate::disk;
use crate::execute::activity::Act;
use crate::execute::arrival::{Rest, arriving, put_in_place, throw_away};
use crate::execute::failure::Failure;
use crate::fail;
use crate::plan::beginning::Beginning;
use crate::plan::step::Step;
use crate::store::release::ReleaseRecord;

/// Says of what arrives that all of it is there. No mount's directory and no part is called so.
const WHOLE: &str = "whole";

/// Brings the parent's data where the environment is new, and is to begin with it.
///
/// # Errors
/// Why not, where somebody wished for it; and that it cannot be copied or scrubbed: then nothing of it is there.
pub(in crate::execute) async fn first(act: &Act, release: &ReleaseRecord) -> Result<(), Failure> {
    if act.previous.is_some() || !act.is_recorded() {
        return Ok(());
    }
    let recorder = &act.world.recorder;
    let Some(record) = recorder.environment(act.key()).await? else {
        return Ok(());
    };
    if record.beginning == Beginning::Cloned {
        // Whoever recorded it may have died before it was gone.
        throw_away(&arriving(act));
        return Ok(());
    }
    let seeded = recorder.is_seeded(act.key()).await?;
    let (beginning, rule) = (record.beginning, act.environment.policy.data);
    let Some(parent) = record
        .parent_id()
        .filter(|_| beginning.clones(rule, false, seeded))
    else {
        return Ok(());
    };
    let found = match Source::find(act, parent).await {
        Ok(from) => match from.may_go_to(act) {
            Ok(()) => Ok(from),
            Err(why) => Err(upward(&from, act, &why)),
        },
        Err(failure) => Err(failure),
    };
    let from = match found {
        Ok(from) => from,
        Err(failure) if beginning == Beginning::Clone || failure.cancelled => return Err(failure),
        Err(failure) => {
            if has_data(release) {
                let why = failure.reason;
                act.log
                    .note(format!("it begins without data: {}", why.message));
                if let Some(hint) = why.hint {
                    act.log.note(hint);
                }
            }
            return Ok(());
        }
    };
    if !has_data(release) {
        return Ok(());
    }
    Box::pin(act.step(Step::Clone, clone(act, &from, release))).await
}

/// Whether an application has anything that another one's data could be.
fn has_data(release: &ReleaseRecord) -> bool {
    let application = &release.application;
    !application.services.is_empty() || !application.mounts.is_empty()
}

async fn clone(act: &Act, from: &Source, release: &ReleaseRecord) -> Result<(), Failure> {
    let began = Instant::now();
    let arriving = arriving(act);
    let whole = arriving.join(WHOLE);
    if !whole.exists() {
        let came = copied(act, from, &release.application, &arriving).await;
        let came = came.and_then(|came| match act.cancel.is_cancelled() {
            true => Err(Failure::cancelled()),
            false => Ok(came),
        });
        if !matches!(came, Ok(true)) {
            throw_away(&arriving);
            return came.map(drop).map_err(|failure| otherwise(act, failure));
        }
        fail::point(format_args!("clone: came"));
        tokio::task::block_in_place(|| disk::atomic_write(&whole, b"", 0o600))
            .map_err(|error| Failure::host("cannot write to the disk", &error))?;
    }
    fail::point(format_args!("clone: whole"));
    let placed = tokio::task::block_in_place(|| put_in_place(act, &arriving, Rest::Stays));
    placed.map_err(|error| Failure::host("cannot put the data in its place", &error))?;
    fail::point(format_args!("clone: placed"));
    let recorder = &act.world.recorder;
    recorder.set_beginning(act.key(), Beginning::Cloned).await?;
    throw_away(&arriving);
    act.did(
        "data",
        format!("it begins with {}'s data", from.name()),
        began,
    );
    Ok(())
}

/// Says how to begin without it, too.
fn otherwise(act: &Act, failure: Failure) -> Failure {
    if failure.cancelled {
        return failure;
    }
    let without = format!(
        "to begin without that data: wharf delete -e {}, then push with -o environment.clone_parent_on_create=false",
        act.key().id
    );
    let hint = match &failure.reason.hint {
        Some(hint) => format!("{hint}; {without}"),
        None => without,
    };
    failure.hint(hint)
}

/// Whether what arrived is whole, so that whoever goes on after a death goes on with it.
pub(in crate::execute) fn is_whole(arriving: &Path) -> bool {
    fs::exists(arriving.join(WHOLE)).unwrap_or(false)
}
