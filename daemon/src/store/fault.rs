//! What can be wrong with the database as a whole: only a person can mend it.

use std::path::PathBuf;

use super::backup;
use super::migrate::VERSION;
use super::paths::Paths;

/// Why the database is not used. Nothing of it was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A newer Wharf wrote it.
    #[error(
        "{}: written by {} (schema {found}, this one knows {VERSION})",
        path.display(),
        by.as_deref().map_or_else(|| "a newer Wharf".to_owned(), |by| format!("Wharf {by}"))
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The program's version, where it says so.
        by: Option<String>,
    },
    /// Its content contradicts itself, or it is no database at all.
    #[error("{}: damaged: {what}", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite found first.
        what: String,
    },
    /// A sound database of something else.
    #[error("{}: a database, but not Wharf's", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("{}: cannot be written: {why}", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// It is gone, while what it is the record of is there.
    #[error("{}: {what}, but {} has something in it", path.display(), trace.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// That it is missing or empty.
        what: &'static str,
        /// A directory of what it should be the record of.
        trace: PathBuf,
    },
}

impl Fault {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Fault::Newer { .. } => "store-newer",
            Fault::Damaged { .. } => "store-damaged",
            Fault::Foreign { .. } => "store-foreign",
            Fault::ReadOnly { .. } => "store-read-only",
            Fault::Missing { .. } => "store-missing",
        }
    }

    /// What to do, a sentence each, with the commands as they are typed.
    pub fn hints(&self, paths: &Paths) -> Vec<String> {
        let wharfd = wharfd(paths);
        let empty = format!("or begin with an empty record: {wharfd} restore --empty");
        match self {
            Fault::Newer { .. } => {
                vec!["start that Wharf, or a newer one".to_owned(), before(paths)]
            }
            Fault::ReadOnly { .. } => vec![
                "is its file system mounted read-only, or its owner another user?".to_owned(),
                format!("look: ls -ld {0} {0}/wharf.db*", paths.state().display()),
            ],
            Fault::Damaged { .. } => {
                let mut hints = vec![
                    "look at the disk and the system's log first: dmesg".to_owned(),
                    newest(paths),
                ];
                // While there is a copy, nobody should be led to do without.
                hints.extend(backup::list(paths).is_empty().then_some(empty));
                hints
            }
            Fault::Foreign { .. } => vec![
                "somebody put it there; a restore keeps it, beside the database".to_owned(),
                newest(paths),
                empty,
            ],
            Fault::Missing { .. } => vec![
                "is its file system mounted?".to_owned(),
                newest(paths),
                empty,
            ],
        }
    }
}

/// How to put the newest backup in the database's place.
fn newest(paths: &Paths) -> String {
    let wharfd = wharfd(paths);
    match backup::list(paths).first() {
        Some((_, newest)) => format!(
            "put the newest backup ({}) in its place: {wharfd} restore",
            newest.display()
        ),
        None => format!(
            "there is no backup in {}; restore one that you keep elsewhere: {wharfd} restore FILE",
            paths.backups().display()
        ),
    }
}

/// How to go back to the newest backup that was taken before an upgrade past this Wharf.
fn before(paths: &Paths) -> String {
    let backup = backup::before_upgrade(paths, VERSION);
    let backup = backup.unwrap_or_else(|| paths.backups().join("FILE"));
    format!(
        "or go back to before its upgrade, and lose what it recorded since: {} restore {}",
        wharfd(paths),
        backup.display()
    )
}

/// How `wharfd` is called for a place, by whom it must be.
pub(super) fn wharfd(paths: &Paths) -> &'static str {
    if paths.is_system() {
        "sudo -u wharf wharfd --system"
    } else {
        "wharfd"
    }
}
