//! `wharf crons`.

use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Scope},
    outcome::Exit,
    view::Item,
};

use super::{pick, print_all};
use crate::{
    daemon,
    failure::Failure,
    show::{self, crons, when},
};

pub(super) fn list(place: &Place, scope: Scope, json: bool) -> Result<Exit, Failure> {
    let (items, exit) = daemon::records(place, Ask::Crons(scope))?;
    let found = pick(items, |item| match item {
        Item::Cron(cron) => Some(cron),
        _ => None,
    });
    let nothing = "what serves has no crons; write [crons] in wharf.toml, or push the branch";
    print_all(json, &found, nothing, || {
        crons::draw(&found, when::now(), show::width())
    })?;
    Ok(exit)
}
