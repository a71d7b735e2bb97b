//! `wharf schema`: what the commands print with `--json`, for whoever reads it with a program.

use schemars::{Schema, schema_for};
use wharf_wire::{
    cron, event::Entry, mount, notification, outcome::Exit, slug, snapshot, variable, view,
};

use crate::{args::Answer, failure::Failure, record, show};

/// Prints the JSON Schema of a command's JSON.
///
/// # Errors
/// Standard output's.
pub fn print(answer: Answer) -> Result<Exit, Failure> {
    show::json(&of(answer))?;
    Ok(Exit::Ok)
}

fn of(answer: Answer) -> Schema {
    match answer {
        Answer::Status => schema_for!(view::Status),
        Answer::Projects => schema_for!(Vec<view::Project>),
        Answer::Environments => schema_for!(Vec<view::Environment>),
        Answer::Environment => schema_for!(view::Environment),
        Answer::Activities => schema_for!(Vec<view::Activity>),
        Answer::Activity => schema_for!(view::Activity),
        Answer::Releases => schema_for!(Vec<view::Release>),
        Answer::Crons => schema_for!(Vec<cron::Cron>),
        Answer::Slugs => schema_for!(Vec<slug::Slug>),
        Answer::SlugWhy => schema_for!(slug::Why),
        Answer::Mounts => schema_for!(Vec<mount::Mount>),
        Answer::MountChanges => schema_for!(Vec<mount::Change>),
        Answer::Snapshots => schema_for!(Vec<snapshot::Snapshot>),
        Answer::Log => schema_for!(Vec<Entry>),
        Answer::Url => schema_for!(record::Address),
        Answer::Grant => schema_for!(view::Grant),
        Answer::Outcome => schema_for!(record::Outcome),
        Answer::Error => schema_for!(record::NotDone),
        Answer::Init => schema_for!(record::Ready),
        Answer::Check => schema_for!(record::Checked),
        Answer::Hooks => schema_for!(record::Hooks),
        Answer::Keys => schema_for!(Vec<record::Key>),
        Answer::Variables => schema_for!(Vec<variable::Variable>),
        Answer::Variable => schema_for!(variable::Variable),
        Answer::Differences => schema_for!(Vec<variable::Difference>),
        Answer::Doctor => schema_for!(Vec<view::Finding>),
        Answer::Cleanup => schema_for!(Vec<view::Removal>),
        Answer::NotifyTest => schema_for!(Vec<notification::Tried>),
        Answer::Notification => schema_for!(notification::Notification),
    }
}
