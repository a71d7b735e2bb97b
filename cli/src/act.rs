//! Commands that change something: people follow what comes of it, programs get its record.

use wharf_config::place::Place;
use wharf_wire::{
    ask::Ask,
    outcome::Exit,
    view::{Activity, Item},
};

use crate::{
    ask::pick,
    daemon,
    failure::Failure,
    follow::{self, Lines, Told},
    record::Outcome,
    show,
};

/// Asks for it, follows it, and with `json` prints what was recorded for it; lines for people go to
/// standard error either way.
///
/// # Errors
/// It was not done, or the daemon cannot be asked.
pub fn act(place: &Place, ask: Ask, json: bool) -> Result<Exit, Failure> {
    let named = named(&ask);
    let told = follow::tell(place, ask, Lines::Talk)?;
    outcome(place, named, told, json)
}

/// Prints with `json` what was recorded for something, or what it was about.
///
/// # Errors
/// As [`act`].
pub(crate) fn outcome(
    place: &Place,
    named: Option<String>,
    told: Told,
    json: bool,
) -> Result<Exit, Failure> {
    if !json {
        return Ok(told.exit);
    }
    let exit = told.exit;
    let ids = match told.activities.is_empty() {
        true => named.into_iter().collect(),
        false => told.activities.clone(),
    };
    if ids.is_empty() && exit != Exit::Ok {
        return Err(refused(told));
    }
    let mut activities = Vec::new();
    for id in ids {
        activities.extend(recorded(place, id)?);
    }
    show::json(&Outcome { activities })?;
    Ok(exit)
}

/// The activity that somebody named.
fn named(ask: &Ask) -> Option<String> {
    match ask {
        Ask::Approve { activity, .. } | Ask::Cancel { activity } => Some(activity.clone()),
        _ => None,
    }
}

fn recorded(place: &Place, activity: String) -> Result<Vec<Activity>, Failure> {
    let (items, _) = daemon::records(place, Ask::Activity { activity })?;
    Ok(pick(items, |item| match item {
        Item::Activity(activity) => Some(activity),
        _ => None,
    }))
}

/// That nothing came of it, for reasons that people have read in lines.
fn refused(told: Told) -> Failure {
    Failure::told(told.exit, told.reasons)
}
