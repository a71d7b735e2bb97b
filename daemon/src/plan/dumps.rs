//! What a dump says of itself: what it is, whether it is whole, and whose data it holds.
//!
//! Those that we write bear a mark, which tells where they are from: a line that servers of databases
//! skip, before all others; behind the end of what Redis reads, whose format has no comments. Whoever
//! takes it out answers for that: it is there against slips.

use std::collections::BTreeMap;
use std::fmt;

use wharf_config::application::ServiceKind;
use wharf_config::project::{Kind as Type, Sanitize};

use super::services::Command;
use super::snapshots::{NotThere, Origin, may_restore};
use super::tree::{Parents, descendants};

/// How a mark begins.
const MARK: &str = "-- wharf-dump: ";
/// The variable that it comes in.
const MARK_TEXT: &str = "WHARF_MARK";
/// So much of its beginning and of its end is looked at.
const MOST: usize = 4096;

/// Whose data a dump holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The project.
    pub project: String,
    /// The environment's id.
    pub environment: String,
    /// Its type when it was written.
    pub kind: Type,
    /// The service.
    pub service: String,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (project, environment) = (&self.project, &self.environment);
        let (kind, service) = (self.kind.as_str(), &self.service);
        write!(f, "{MARK}{project}/{environment} {kind} {service}")
    }
}

impl Mark {
    fn parse(line: &str) -> Option<Mark> {
        let mut words = line.strip_prefix(MARK)?.split(' ');
        let (project, environment) = words.next()?.split_once('/')?;
        let kind = words.next()?;
        let kind = Type::ALL.into_iter().find(|one| one.as_str() == kind)?;
        let service = words.next()?;
        words.next().is_none().then(|| Mark {
            project: project.to_owned(),
            environment: environment.to_owned(),
            kind,
            service: service.to_owned(),
        })
    }
}

/// A command that writes a dump, with its mark. The bytes of a custom service are its own: they bear none.
pub fn marked(kind: ServiceKind, dump: &Command, mark: &Mark) -> Command {
    let text = &dump.text;
    let text = match kind {
        ServiceKind::Mariadb | ServiceKind::Postgresql => {
            format!("printf '%s\\n' \"${MARK_TEXT}\" || exit; {text}")
        }
        ServiceKind::Redis | ServiceKind::Valkey => {
            format!("( {text} ) && printf '\\n%s\\n' \"${MARK_TEXT}\"")
        }
        ServiceKind::Memcached | ServiceKind::Rabbitmq | ServiceKind::Custom => {
            return dump.clone();
        }
    };
    let mut command = Command {
        text,
        ..dump.clone()
    };
    let mark = mark.to_string();
    command.variables.insert(MARK_TEXT.to_owned(), mark);
    command
}

/// Why something is not read in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOne {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is packed by something else than gzip.
    #[error("it is packed by {0}, and only gzip is known")]
    Packed(&'static str),
    /// It is of something else.
    #[error("it is {is}, and a {} service reads {}", .wants.as_str(), reads(*.wants))]
    Other {
        /// What it looks like.
        is: &'static str,
        /// What it would be read by.
        wants: ServiceKind,
    },
    /// It has no end.
    #[error("it ends before its end: what wrote it did not come to it, or it was cut off")]
    CutOff,
    /// Nobody can tell whose it is.
    #[error("it says where it is from in words that nobody understands")]
    Mark,
}

/// What a service's server reads.
fn reads(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Mariadb => "SQL, as mariadb-dump writes it",
        ServiceKind::Postgresql => "SQL, as pg_dump writes it",
        ServiceKind::Redis | ServiceKind::Valkey => "an RDB file",
        ServiceKind::Memcached | ServiceKind::Rabbitmq => "nothing",
        ServiceKind::Custom => "what its own command wrote",
    }
}

/// How files begin that are none of what servers read.
const PACKED: [(&[u8], &str); 5] = [
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip twice"),
];

/// What tools write first, and at the very end.
const ENDS: [(&str, &str); 3] = [
    ("-- MariaDB dump ", "-- Dump completed"),
    ("-- MySQL dump ", "-- Dump completed"),
    (
        "-- PostgreSQL database dump",
        "-- PostgreSQL database dump complete",
    ),
];

/// What is seen of a dump that passes by.
#[derive(Debug, Default)]
pub struct Look {
    head: Vec<u8>,
    tail: Vec<u8>,
    /// All bytes that passed.
    pub bytes: u64,
}

impl Look {
    /// Sees some more.
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let room = MOST.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let new = &bytes[bytes.len().saturating_sub(MOST)..];
        let old = self.tail.len().saturating_sub(MOST - new.len());
        self.tail.drain(..old);
        self.tail.extend_from_slice(new);
    }

    /// Whether the beginning is there.
    pub fn has_head(&self) -> bool {
        self.head.len() == MOST
    }

    /// What its beginning says: whose it is, where it says so.
    ///
    /// # Errors
    /// That the service's server would not read it.
    pub fn begins(&self, kind: ServiceKind) -> Result<Vec<Mark>, NotOne> {
        let head = self.head.as_slice();
        if head.is_empty() {
            return Err(NotOne::Empty);
        }
        let other = |is| Err(NotOne::Other { is, wants: kind });
        let is_rdb = head.starts_with(b"REDIS") || head.starts_with(b"VALKEY");
        let is_packed = PACKED.iter().find(|(magic, _)| head.starts_with(magic));
        match kind {
            ServiceKind::Custom => {}
            _ if is_packed.is_some() => {
                return Err(NotOne::Packed(is_packed.map_or("", |(_, name)| name)));
            }
            ServiceKind::Redis | ServiceKind::Valkey if is_rdb => {}
            ServiceKind::Redis
            | ServiceKind::Valkey
            | ServiceKind::Memcached
            | ServiceKind::Rabbitmq => {
                return other("something else");
            }
            ServiceKind::Mariadb | ServiceKind::Postgresql => match () {
                () if is_rdb => return other("an RDB file of Redis"),
                () if head.starts_with(b"PGDMP") => {
                    return other("pg_dump's own format (pg_restore makes SQL of it)");
                }
                () if head.contains(&0) => return other("no text"),
                () => {}
            },
        }
        marks(head)
    }

    /// What its end says, once all of it passed.
    ///
    /// # Errors
    /// That it has no end, or its beginning is none.
    pub fn ends(&self, kind: ServiceKind) -> Result<Vec<Mark>, NotOne> {
        let mut found = self.begins(kind)?;
        if matches!(kind, ServiceKind::Mariadb | ServiceKind::Postgresql) {
            let head = String::from_utf8_lossy(&self.head);
            let tail = String::from_utf8_lossy(&self.tail);
            let has = |text: &str, beginning: &str| text.lines().any(|l| l.starts_with(beginning));
            let mut written = ENDS.iter().filter(|(first, _)| has(&head, first));
            if written.any(|(_, last)| !has(&tail, last)) {
                return Err(NotOne::CutOff);
            }
        }
        found.extend(marks(&self.tail)?);
        Ok(found)
    }
}

/// The marks among some lines.
fn marks(bytes: &[u8]) -> Result<Vec<Mark>, NotOne> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| line.starts_with(MARK.trim_end().as_bytes()));
    lines
        .map(|line| {
            let line = std::str::from_utf8(line).ok();
            let line = line.map(|line| line.trim_end_matches('\r'));
            line.and_then(Mark::parse).ok_or(NotOne::Mark)
        })
        .collect()
}

/// What is to be known of a project to tell where a dump may go.
#[derive(Debug, Clone)]
pub struct Family {
    /// The project.
    pub project: String,
    /// Whose child each environment is.
    pub parents: Parents,
    /// What each is.
    pub kinds: BTreeMap<String, Type>,
    /// Whether production's data may leave it as it is.
    pub sanitize: Sanitize,
}

impl Family {
    /// Whether what bears a mark may come into an environment: of what its own was and is, the better guarded
    /// type counts.
    ///
    /// # Errors
    /// [`NotThere`].
    pub fn may(&self, mark: &Mark, into: &str) -> Result<(), NotThere> {
        let own = mark.project == self.project;
        let origin = match own && mark.environment == into {
            true => Origin::Itself,
            false if own && self.is_above(&mark.environment, into) => Origin::Above,
            false => Origin::Elsewhere,
        };
        let is = self.kinds.get(&mark.environment).filter(|_| own);
        let both = [Some(&mark.kind), is];
        let mut from_the_best = Type::ALL.into_iter();
        let kind = from_the_best.find(|one| both.iter().flatten().any(|kind| *kind == one));
        let to = self.kinds.get(into).copied().unwrap_or(Type::Production);
        // A dump holds what was there; nothing scrubs it on its way in.
        let sanitize = match &self.sanitize {
            Sanitize::Command(_) => &Sanitize::Unsaid,
            said => said,
        };
        may_restore(origin, kind.unwrap_or(mark.kind), to, sanitize)
    }

    fn is_above(&self, from: &str, into: &str) -> bool {
        let below = descendants(&self.parents, from);
        below.iter().any(|id| id == into)
    }
}

#[cfg(test)]
mod tests;
