//! `wharf snapshot`, but for what reads a pipe.

use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Data, Scope},
    outcome::Exit,
    view::Item,
};

use super::{pick, print_all};
use crate::{
    act::act,
    args::Snapshot,
    daemon,
    failure::Failure,
    show::{self, snapshots, when},
};

pub(super) fn answer(
    place: &Place,
    scope: Scope,
    json: bool,
    snapshot: &Snapshot,
) -> Result<Exit, Failure> {
    match snapshot {
        Snapshot::Create { title } => {
            let title = title.clone();
            act(place, Ask::CreateSnapshot { scope, title }, json)
        }
        Snapshot::List => list(place, scope, json),
        Snapshot::Restore { id, with_release } => {
            let ask = Ask::RestoreSnapshot {
                scope,
                snapshot: id.clone(),
                what: match with_release {
                    true => Data::WithRelease,
                    false => Data::Alone,
                },
            };
            act(place, ask, json)
        }
        Snapshot::Delete { id } => {
            let snapshot = id.clone();
            act(place, Ask::DeleteSnapshot { scope, snapshot }, json)
        }
        Snapshot::Export { .. } => unreachable!("another part answers it"),
    }
}

fn list(place: &Place, scope: Scope, json: bool) -> Result<Exit, Failure> {
    let (items, exit) = daemon::records(place, Ask::Snapshots(scope))?;
    let found = pick(items, |item| match item {
        Item::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    });
    let nothing = "no snapshots yet; take one with: wharf snapshot create";
    print_all(json, &found, nothing, || {
        snapshots::draw(&found, when::now(), show::width())
    })?;
    Ok(exit)
}
