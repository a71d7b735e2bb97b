//! `wharf slugs` and `wharf slug why`.

use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Scope},
    outcome::Exit,
    view::Item,
};

use super::{pick, print, print_all};
use crate::{
    daemon,
    failure::Failure,
    show::{self, slugs, when},
};

pub(super) fn list(place: &Place, scope: Scope, json: bool) -> Result<Exit, Failure> {
    let (items, exit) = daemon::records(place, Ask::Slugs(scope))?;
    let found = pick(items, |item| match item {
        Item::Slug(slug) => Some(slug),
        _ => None,
    });
    print_all(json, &found, "no slugs yet; push a branch", || {
        slugs::draw(&found, when::now(), show::width())
    })?;
    Ok(exit)
}

pub(super) fn why(
    place: &Place,
    scope: Scope,
    json: bool,
    release: Option<u32>,
) -> Result<Exit, Failure> {
    let (items, exit) = daemon::records(place, Ask::SlugWhy { scope, release })?;
    let found = pick(items, |item| match item {
        Item::Why(why) => Some(why),
        _ => None,
    });
    for why in &found {
        print(json, why, || slugs::draw_why(why))?;
    }
    Ok(exit)
}
