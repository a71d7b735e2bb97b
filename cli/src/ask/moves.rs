//! The commands on the tree of environments.

use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Children, Scope, Synced},
    outcome::Exit,
    view::Item,
};

use super::{pick, print};
use crate::{
    act::act,
    args::{Command, What},
    daemon,
    failure::Failure,
    show::environments,
};

pub(super) fn answer(
    place: &Place,
    scope: Scope,
    json: bool,
    command: &Command,
) -> Result<Exit, Failure> {
    let ask = match command {
        Command::Branch(branch) => Ask::Branch {
            scope,
            name: branch.name.clone(),
            parent: branch.parent.clone(),
            title: branch.title.clone(),
            data: branch.no_data.then_some(false),
        },
        Command::Merge => Ask::Merge { scope },
        Command::Promote => Ask::Promote { scope },
        Command::Sync { what } => Ask::Sync {
            scope,
            what: match what {
                What::Code => Synced::Code,
                What::Data => Synced::Data,
            },
        },
        Command::Delete { with_children } => Ask::Delete {
            scope,
            children: match with_children {
                true => Children::Go,
                false => Children::Stay,
            },
        },
        Command::Info {
            title: None,
            parent: None,
        } => return show(place, scope, json),
        Command::Info { title, parent } => Ask::Info {
            scope,
            title: title.clone(),
            parent: parent.clone(),
        },
        _ => unreachable!("it is none of the tree's"),
    };
    act(place, ask, json)
}

fn show(place: &Place, scope: Scope, json: bool) -> Result<Exit, Failure> {
    let ask = Ask::Info {
        scope,
        title: None,
        parent: None,
    };
    let (items, exit) = daemon::records(place, ask)?;
    let found = pick(items, |item| match item {
        Item::Environment(environment) => Some(environment),
        _ => None,
    });
    for one in &found {
        print(json, one, || environments::draw_one(one))?;
    }
    Ok(exit)
}
