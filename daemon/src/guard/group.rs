//! Who is in a group: where nobody else is, its rights are its owner's.

use std::fs;

use uzers::os::unix::GroupExt as _;

use super::stand::user;

/// The most of `/etc/passwd` that is looked at.
const MOST: usize = 1 << 20;

/// Who may do what a group may, beside root and these users; as a person reads it, none where nobody
/// is known.
pub(super) fn others(gid: u32, users: &[u32]) -> Option<String> {
    let known = |uid: u32| uid == 0 || users.contains(&uid);
    let group = uzers::get_group_by_gid(gid);
    let mut names: Vec<String> = Vec::new();
    if let Some(group) = &group {
        let trusted: Vec<String> = users.iter().chain(&[0]).map(|uid| user(*uid)).collect();
        let members = group.members().iter();
        let members = members.map(|name| name.to_string_lossy().into_owned());
        names.extend(members.filter(|name| !trusted.contains(name)));
    }
    names.extend(
        primary(gid)
            .filter(|(_, uid)| !known(*uid))
            .map(|(name, _)| name),
    );
    names.sort();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let more = names.len().saturating_sub(3);
    names.truncate(3);
    let mut text = names.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    let group = group.map_or_else(
        || gid.to_string(),
        |group| group.name().to_string_lossy().into_owned(),
    );
    Some(format!("the group {group} ({text})"))
}

/// Whose first group it is; a directory service's users are not in this file.
fn primary(gid: u32) -> impl Iterator<Item = (String, u32)> {
    let text = fs::read("/etc/passwd").unwrap_or_default();
    let text = String::from_utf8_lossy(&text[..text.len().min(MOST)]).into_owned();
    let found: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            (fields.next()?.parse() == Ok(gid)).then_some((name, uid))
        })
        .collect();
    found.into_iter()
}
