//! Reads who may do what, and who may look.

use std::collections::BTreeMap;

use super::super::{Kind, Previews, Role, Roles, Who};
use super::KINDS;
use crate::reader::{Item, Table};

const ROLES: [(&str, Role); 3] = [
    ("viewer", Role::Viewer),
    ("contributor", Role::Contributor),
    ("admin", Role::Admin),
];
const MAX_MEMBERS: usize = 1_000;
const MAX_NAME: usize = 64;

/// `[roles]` and `[groups]`; none where there are no roles.
pub(super) fn roles(table: &Table<'_>) -> Option<Roles> {
    let groups = table.get("groups").and_then(|item| groups(&item));
    let entries = table.get("roles")?.table("")?.entries();
    let line = |item: Item<'_>| Some((item.key_as("\"@ops\" = \"admin\"", who)?, given(&item)?));
    Some(Roles {
        given: entries.into_iter().filter_map(line).collect(),
        groups: groups.unwrap_or_default(),
    })
}

/// `"admin"` for every type, or a table with a role for each.
fn given(item: &Item<'_>) -> Option<BTreeMap<Kind, Role>> {
    if !item.is_table() {
        let role = item.one_of(&ROLES)?;
        return Some(Kind::ALL.map(|kind| (kind, role)).into());
    }
    let table = item.table("\"viewer\"")?;
    let mut given = BTreeMap::new();
    for (word, kind) in KINDS {
        let role = table.get(word).and_then(|item| item.one_of(&ROLES));
        given.extend(role.map(|role| (kind, role)));
    }
    table.finish();
    Some(given)
}

fn groups(item: &Item<'_>) -> Option<BTreeMap<String, Vec<String>>> {
    let group = |item: Item<'_>| {
        let name = item.key_as("ops = [\"alice\"]", name)?;
        let members = item.list(MAX_MEMBERS, "[\"alice\"]")?;
        let member = |item: &Item<'_>| item.parsed("\"alice\"", name_or_key);
        Some((name, members.iter().filter_map(member).collect()))
    };
    let entries = item.table("")?.entries();
    Some(entries.into_iter().filter_map(group).collect())
}

/// Names with the hashes of their passwords.
pub(crate) fn previews(item: &Item<'_>) -> Option<Previews> {
    let entries = item.table("")?.entries();
    let one = |item: Item<'_>| {
        let name = item.key_as("guest = \"$2y$05$...\"", name)?;
        let hash = item.parsed("\"$2y$05$...\"", hash)?;
        Some((name, hash))
    };
    Some(entries.into_iter().filter_map(one).collect())
}

fn who(text: &str) -> Result<Who, &'static str> {
    match (text, text.strip_prefix('@')) {
        ("*", _) => Ok(Who::Anyone),
        (_, Some(group)) => name(group).map(Who::Group),
        (person, None) => name_or_key(person).map(Who::Person),
    }
}

fn name(text: &str) -> Result<String, &'static str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._@+-".contains(&b);
    let good = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_plain);
    good.then(|| text.to_owned())
        .ok_or("must be a name of letters, digits and . _ @ + -, at most 64")
}

/// A person's name, or the fingerprint of an ssh key as ssh-keygen -l prints it.
fn name_or_key(text: &str) -> Result<String, &'static str> {
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/".contains(&b);
    match text.strip_prefix("SHA256:") {
        Some(hash) if hash.len() == 43 && hash.bytes().all(is_base64) => Ok(text.to_owned()),
        Some(_) => Err("must be the whole fingerprint, as ssh-keygen -l prints it"),
        None => name(text),
    }
}

/// A hash that takes no more than a second or two to check.
fn hash(text: &str) -> Result<String, &'static str> {
    let parts = text.parse::<bcrypt::HashParts>().ok();
    let parts = parts.filter(|_| !text.starts_with("$2x$"));
    match parts.map(|parts| parts.get_cost()) {
        Some(4..=14) => Ok(text.to_owned()),
        Some(_) => Err("must have a cost from 4 to 14: htpasswd -nB -C 10 NAME"),
        None => Err("must be a password's bcrypt hash, as htpasswd -nB NAME prints it"),
    }
}
