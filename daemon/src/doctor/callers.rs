//! Who runs hooks, and whether they may reach the daemon: each of their pushes is refused where not.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use rustix::process::geteuid;
use wharf_config::place::Place;
use wharf_wire::view::Finding;

use crate::report;
use crate::settings::Settings;

/// To pass a directory.
const PASS: u32 = 0o1;
/// To speak to a socket.
const SPEAK: u32 = 0o2;

/// Whom a mode lets in.
#[derive(Debug, Clone)]
struct Door {
    path: PathBuf,
    /// What whoever passes needs there, as of `rwx`.
    rights: u32,
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Door {
    fn of(path: PathBuf, rights: u32) -> Option<Door> {
        let metadata = path.metadata().ok()?;
        Some(Door {
            path,
            rights,
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.permissions().mode(),
        })
    }

    /// Whether it lets a user with these groups pass.
    fn lets(&self, uid: u32, groups: &[u32]) -> bool {
        let bits = match () {
            () if uid == self.uid => self.mode >> 6,
            () if groups.contains(&self.gid) => self.mode >> 3,
            () => self.mode,
        };
        bits & self.rights == self.rights
    }

    /// The command that lets its group pass, where it does not.
    fn opens(&self) -> Option<String> {
        let right = match self.rights {
            PASS => "x",
            _ => "w",
        };
        let is_shut = (self.mode >> 3) & self.rights != self.rights;
        let path = self.path.to_string_lossy();
        is_shut.then(|| format!("chmod g+{right} {}", shell_words::quote(&path)))
    }
}

/// Looks at the owners of all repositories, and at the accounts that are named. Blocks.
pub(super) fn findings(place: &Place, settings: &Settings) -> Vec<Finding> {
    let own = geteuid().as_raw();
    // Where no daemon runs there may be no socket; its directory says as much.
    let doors = [(place.run.clone(), PASS), (place.socket(), SPEAK)];
    let doors = doors
        .into_iter()
        .filter_map(|(path, rights)| Door::of(path, rights));
    let doors: Vec<Door> = doors.collect();
    let Some(first) = doors.last() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (uid, projects) in callers(settings) {
        if uid == 0 || uid == own {
            continue;
        }
        let Some(user) = uzers::get_user_by_uid(uid) else {
            // Nobody is called so; what belongs to nobody is said by its owner and mode.
            continue;
        };
        let groups = user.groups().unwrap_or_default();
        let further = groups.iter().map(uzers::Group::gid);
        let groups: Vec<u32> = further.chain([user.primary_group_id()]).collect();
        if doors.iter().all(|door| door.lets(uid, &groups)) {
            continue;
        }
        let name = user.name().to_string_lossy().into_owned();
        let group = uzers::get_group_by_gid(first.gid);
        let group = group.map_or_else(
            || first.gid.to_string(),
            |group| group.name().to_string_lossy().into_owned(),
        );
        let text = format!(
            "the user {name}, who {}, may not reach {}: pushes by it are refused",
            whose(&projects),
            place.socket().display()
        );
        let opens = doors.iter().filter_map(Door::opens);
        let fix = match (groups.contains(&first.gid), first.gid) {
            (true, _) => opens.collect::<Vec<_>>().join(" && "),
            // Nobody joins root's.
            (false, 0) => {
                format!("run the daemon as a user of its own, and let {name} join its group")
            }
            (false, _) => {
                let (group, user) = (shell_words::quote(&group), shell_words::quote(&name));
                let joins = format!("usermod --append --groups {group} {user}");
                let all: Vec<String> = std::iter::once(joins).chain(opens).collect();
                format!(
                    "{}\nthen start anew what serves git as {name}, and log it in again",
                    all.join(" && ")
                )
            }
        };
        found.push(Finding::error("callers", text, fix));
    }
    found.extend(strangers(settings));
    found
}

fn whose(projects: &[&str]) -> String {
    match projects {
        [] => "is in identity.accounts".to_owned(),
        [one] => format!("has the repository of {one}"),
        [one, more @ ..] => {
            let more = report::count(more.len() as u64, "other");
            format!("has the repositories of {one} and {more}")
        }
    }
}

/// Users who run hooks: each with the projects whose repositories are theirs.
fn callers(settings: &Settings) -> BTreeMap<u32, Vec<&str>> {
    let mut callers: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for project in settings.projects.values() {
        if let Ok(metadata) = project.repository.metadata() {
            let owned = callers.entry(metadata.uid()).or_default();
            owned.push(project.name.as_str());
        }
    }
    for name in settings.host.accounts.iter().flatten() {
        if let Some(user) = uzers::get_user_by_name(name) {
            callers.entry(user.uid()).or_default();
        }
    }
    callers
}

/// Accounts that the host's file names and that this host does not have.
fn strangers(settings: &Settings) -> Vec<Finding> {
    let all = settings.host.accounts.iter().flatten();
    let unknown = all.filter(|name| uzers::get_user_by_name(name).is_none());
    unknown
        .map(|name| {
            let text = format!("identity.accounts names {name}, and this host has no such user");
            Finding::warning(
                "callers",
                text,
                "mend identity.accounts in wharfd.toml, then: wharf reload",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_first_match_counts() {
        let door = |mode, rights| Door {
            path: "/run/x".into(),
            rights,
            uid: 7,
            gid: 8,
            mode,
        };
        assert!(door(0o750, PASS).lets(7, &[]));
        assert!(door(0o750, PASS).lets(9, &[3, 8]));
        assert!(!door(0o750, PASS).lets(9, &[3]));
        // Its owner is not looked at as one of its group.
        assert!(!door(0o070, PASS).lets(7, &[8]));
        assert!(!door(0o640, SPEAK).lets(9, &[8]));
        assert!(door(0o666, SPEAK).lets(9, &[]));
        assert_eq!(door(0o660, SPEAK).opens(), None);
        assert_eq!(
            door(0o600, SPEAK).opens().as_deref(),
            Some("chmod g+w /run/x")
        );
        assert_eq!(
            door(0o700, PASS).opens().as_deref(),
            Some("chmod g+x /run/x")
        );
    }
}
