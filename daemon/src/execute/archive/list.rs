//! The list of an archive: what the slug is, and what is in it.

use std::cmp::Ordering;
use std::io::{BufRead, Read as _};

use serde::{Deserialize, Serialize};
use wharf_config::name::ProjectName;

use super::{ArchiveError, LONGEST, shown};
use crate::execute::freeze::walk::DEEPEST;
use crate::execute::make::{MAX_BYTES, MAX_ENTRIES};
use crate::execute::slug_key::{FORMAT, Ingredients, SlugKey};
use crate::settings::{OPEN, PROTECTED};

/// Grows when an archive is laid out otherwise.
pub const VERSION: u32 = 1;
/// Bytes of the first line: variables that a build saw are in it.
const LONGEST_HEADER: u64 = 4 << 20;
/// Bytes of one name, as file systems have it.
const LONGEST_NAME: usize = 255;
/// Bytes of any other line: a path or target, in which each byte may be escaped.
const LONGEST_ROW: u64 = 64 << 10;

/// What the slug of an archive is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always [`VERSION`] of who wrote it.
    pub archive: u32,
    /// The project that it was exported from.
    pub project: String,
    /// The commit of the release that it was exported as, in hex; none where it was of no release.
    pub commit: Option<String>,
    /// The key of its ingredients.
    pub key: SlugKey,
    /// What it is made of. Of secrets only what tells nothing without the project's salt.
    pub ingredients: Ingredients,
    /// Over all that is in it, in hex.
    pub digest: String,
    /// Directories, links and files.
    pub entries: u64,
    /// Links and files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

/// A directory, link or file of a slug.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// Below the slug's top.
    pub(super) path: String,
    /// What it is.
    pub(super) is: What,
}

/// What a name of a slug is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum What {
    /// A directory.
    Directory { mode: u32 },
    /// A symbolic link, which may lead anywhere: it is followed in a sandbox only.
    Link { target: String },
    /// A file with the SHA-256 of its content.
    File {
        mode: u32,
        bytes: u64,
        digest: String,
    },
}

/// The version alone, of a line that may have keys which a later one gave it.
#[derive(Deserialize)]
struct Version {
    archive: u32,
}

impl Header {
    fn read(line: &str) -> Result<Header, ArchiveError> {
        let not_one = |error: serde_json::Error| {
            ArchiveError::NotOne(format!(
                "the first line of its list cannot be read: {error}"
            ))
        };
        let Version { archive: found } = serde_json::from_str(line).map_err(not_one)?;
        if found != VERSION {
            return Err(ArchiveError::Version { found });
        }
        let header: Header = serde_json::from_str(line).map_err(not_one)?;
        header.check()?;
        Ok(header)
    }

    /// All that can be known without the rest.
    fn check(&self) -> Result<(), ArchiveError> {
        let wrong = |what: &str| ArchiveError::NotOne(format!("its list names no {what}"));
        let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        let is_commit = |id: &String| matches!(id.len(), 40 | 64) && is_hex(id);
        if ProjectName::parse(&self.project).is_err() {
            return Err(wrong("project"));
        }
        if !self.commit.as_ref().is_none_or(is_commit) {
            return Err(wrong("commit"));
        }
        // A digest has the form of a key.
        if SlugKey::parse(&self.digest).is_err() {
            return Err(wrong("digest"));
        }
        if ![PROTECTED, OPEN].contains(&self.ingredients.trust_domain.as_str()) {
            return Err(wrong("trust domain"));
        }
        if self.ingredients.format != FORMAT {
            let found = self.ingredients.format;
            return Err(ArchiveError::Format { found });
        }
        let is = self.ingredients.key();
        if is != self.key {
            let says = self.key.short().to_owned();
            let is = is.short().to_owned();
            return Err(ArchiveError::Key { says, is });
        }
        within(self.entries, MAX_ENTRIES, "files and directories")?;
        within(self.bytes, MAX_BYTES, "bytes")
    }
}

/// That a number is within its limit.
pub(super) fn within(found: u64, limit: u64, unit: &'static str) -> Result<(), ArchiveError> {
    match found <= limit {
        true => Ok(()),
        false => Err(ArchiveError::TooLarge { limit, unit }),
    }
}

/// A list that is read line by line.
#[derive(Debug)]
pub(super) struct Rows<R> {
    lines: R,
    /// The path of the row before.
    last: Option<String>,
}

impl<R: BufRead> Rows<R> {
    /// Reads the first line, and checks what it says.
    pub(super) fn begin(mut lines: R) -> Result<(Header, Rows<R>), ArchiveError> {
        let line = line(&mut lines, LONGEST_HEADER)?;
        let line = line.ok_or_else(|| ArchiveError::NotOne("its list is empty".into()))?;
        let header = Header::read(&line)?;
        Ok((header, Rows { lines, last: None }))
    }

    /// The next row; none at the list's end.
    pub(super) fn next(&mut self) -> Result<Option<Row>, ArchiveError> {
        let Some(line) = line(&mut self.lines, LONGEST_ROW)? else {
            return Ok(None);
        };
        let row: Row = serde_json::from_str(&line).map_err(|error| {
            let after = self.last.as_deref().unwrap_or("its first line");
            let after = shown(after.as_bytes());
            ArchiveError::NotOne(format!("its list cannot be read after {after}: {error}"))
        })?;
        if let Some(why) = row.wrong() {
            let path = shown(row.path.as_bytes());
            return Err(ArchiveError::Entry { path, why });
        }
        if let Some(last) = &self.last
            && in_a_walk(last, &row.path) != Ordering::Less
        {
            let (path, last) = (shown(row.path.as_bytes()), shown(last.as_bytes()));
            let why = match path == last {
                true => "is there twice".to_owned(),
                false => format!("does not belong after {last}"),
            };
            return Err(ArchiveError::Entry { path, why });
        }
        self.last = Some(row.path.clone());
        Ok(Some(row))
    }
}

impl Row {
    /// Why no freeze would have left such an entry.
    fn wrong(&self) -> Option<String> {
        let parts = || self.path.split('/');
        if self.path.starts_with('/') {
            return Some("is an absolute path".into());
        }
        if parts().any(|part| part == "..") {
            return Some("leads out of the slug".into());
        }
        if parts().any(|part| matches!(part, "" | ".")) || self.path.contains('\0') {
            return Some("is no path".into());
        }
        if parts().any(|part| part.len() > LONGEST_NAME) {
            return Some(format!("has a name of more than {LONGEST_NAME} bytes"));
        }
        if self.path.len() > LONGEST {
            return Some(format!("has more than {LONGEST} bytes"));
        }
        if parts().count() as u64 > DEEPEST {
            return Some(format!("lies deeper than {DEEPEST} directories"));
        }
        match &self.is {
            What::Directory { mode } => unusual(*mode, 0o1777, 0o700),
            What::File { mode, .. } => unusual(*mode, 0o777, 0o400),
            What::Link { target } if target.is_empty() || target.contains('\0') => {
                Some("is a link to nowhere".into())
            }
            What::Link { target } if target.len() > LONGEST => {
                Some(format!("is a link to more than {LONGEST} bytes"))
            }
            What::Link { .. } => None,
        }
    }
}

/// Why a mode is none that a freeze leaves: it keeps some bits, and sets others.
fn unusual(mode: u32, kept: u32, set: u32) -> Option<String> {
    if mode & 0o6000 != 0 {
        return Some(format!("is setuid or setgid (mode {mode:o})"));
    }
    (mode & kept | set != mode).then(|| format!("has mode {mode:o}, which no slug has"))
}

/// The order of two paths in a walk: what is in a directory comes before what stands beside it.
fn in_a_walk(one: &str, other: &str) -> Ordering {
    one.split('/')
        .map(str::as_bytes)
        .cmp(other.split('/').map(str::as_bytes))
}

fn line(lines: &mut impl BufRead, most: u64) -> Result<Option<String>, ArchiveError> {
    let mut bytes = Vec::new();
    let failed = |error: std::io::Error| ArchiveError::NotOne(error.to_string());
    lines
        .take(most)
        .read_until(b'\n', &mut bytes)
        .map_err(failed)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(ArchiveError::NotOne("a line of its list has no end".into()));
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| ArchiveError::NotOne("its list is no UTF-8".into()))?;
    Ok(Some(text))
}
