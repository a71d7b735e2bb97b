//! Who may do what with a file, and what mends one that lets others.

use wharf_wire::view::Severity;

use super::group::others;
use super::stand::{Kind, Stand, quoted, user};

/// Anybody's right to write into a directory, without the bit that keeps what is there its owner's.
const STICKY: u32 = 0o1000;

/// How far a right goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Root and those who own it.
    Owner,
    /// Its group as well.
    Group,
    /// Everybody.
    Everybody,
}

/// Who may do what with a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule<'a> {
    /// Who may own it, beside root; it is given to the first of them, or to root.
    pub(super) owners: &'a [u32],
    /// Who may change it.
    pub(super) write: Reach,
    /// Who may read it, or look into it.
    pub(super) read: Reach,
    /// How bad it is where its group may and should not.
    pub(super) group: Severity,
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) severity: Severity,
    pub(super) message: String,
    /// The command that mends it.
    pub(super) fix: String,
}

impl<'a> Rule<'a> {
    /// What these and root may change, and everybody may read.
    pub(super) fn ruled(owners: &'a [u32]) -> Rule<'a> {
        Rule {
            owners,
            write: Reach::Owner,
            read: Reach::Everybody,
            group: Severity::Error,
        }
    }

    /// What nobody else may read either.
    pub(super) fn secret(owners: &'a [u32]) -> Rule<'a> {
        Rule {
            read: Reach::Owner,
            ..Rule::ruled(owners)
        }
    }

    /// What the group may look into.
    pub(super) fn shown(owners: &'a [u32]) -> Rule<'a> {
        Rule {
            read: Reach::Group,
            ..Rule::ruled(owners)
        }
    }

    /// For the directories that something is in.
    pub(super) fn above(self) -> Rule<'a> {
        Rule {
            write: Reach::Owner,
            read: Reach::Everybody,
            ..self
        }
    }

    /// What is wrong with a file; links have no mode of their own.
    pub(super) fn judge(&self, stand: &Stand) -> Option<Wrong> {
        if stand.kind == Kind::Link {
            return None;
        }
        let mut wrong = Found::default();
        let may_own = stand.uid == 0 || self.owners.contains(&stand.uid);
        // In a directory like /tmp nobody replaces what is somebody else's.
        let writable = match stand.kind == Kind::Directory && stand.mode & STICKY != 0 {
            true => 0,
            false => stand.mode & 0o022,
        };
        let group = || others(stand.gid, self.owners);
        if writable & 0o002 != 0 && self.write != Reach::Everybody {
            wrong.add("may be changed by everybody", "o-w", Severity::Error);
        }
        if writable & 0o020 != 0
            && self.write == Reach::Owner
            && let Some(who) = group()
        {
            wrong.add(format!("may be changed by {who}"), "g-w", self.group);
        }
        if stand.mode & 0o005 != 0 && self.read != Reach::Everybody {
            wrong.add("may be read by everybody", "o-rwx", Severity::Error);
        }
        if stand.mode & 0o040 != 0
            && self.read == Reach::Owner
            && let Some(who) = group()
        {
            wrong.add(format!("may be read by {who}"), "g-rwx", self.group);
        }
        if !may_own {
            wrong
                .texts
                .insert(0, format!("belongs to {}", user(stand.uid)));
            wrong.severity = Some(Severity::Error);
        }
        let path = quoted(&stand.path);
        let mut fixes = Vec::new();
        if !may_own {
            let owner = self.owners.first().map_or(0, |uid| *uid);
            fixes.push(format!("chown {} {path}", user(owner)));
        }
        if !wrong.bits.is_empty() {
            fixes.push(format!("chmod {} {path}", wrong.bits.join(",")));
        }
        Some(Wrong {
            severity: wrong.severity?,
            message: format!(
                "{} {}: {}",
                stand.path.display(),
                wrong.texts.join(" and "),
                stand.said()
            ),
            fix: fixes.join(" && "),
        })
    }
}

#[derive(Default)]
struct Found {
    texts: Vec<String>,
    bits: Vec<&'static str>,
    severity: Option<Severity>,
}

impl Found {
    fn add(&mut self, text: impl Into<String>, bits: &'static str, severity: Severity) {
        self.texts.push(text.into());
        self.bits.push(bits);
        self.severity = self.severity.max(Some(severity));
    }
}
