//! A slug as a file that travels: the same bytes wherever the same was built, and nothing of it is
//! believed where it arrives.
//!
//! It is a tar archive. The first entry, [`LIST`], is text, a line of JSON each: what the slug is,
//! then each directory, link and file of it. They follow below [`TOP`] in that order, which is a
//! walk's: names in byte order, each directory before what it holds. Nothing in it says who wrote it,
//! where or when. A list of lines lets both sides go through it with the entries, so that neither
//! holds a whole slug's names in memory.

mod export;
mod import;
mod list;
pub(crate) mod meter;
mod pipe;
pub(crate) mod tree;

pub use export::{Survey, survey, write};
pub use import::{Go, Unpacked, unpack};
pub use list::{Header, VERSION};
pub use pipe::{Inlet, Outlet, SILENT};

use tokio_util::sync::CancellationToken;

use super::slug_key::FORMAT;
use crate::disk::DiskError;

/// Archives that are written or read at the same time, at most: each reads or writes a whole slug.
pub const AT_A_TIME: usize = 4;
/// The first entry's name.
const LIST: &str = "manifest.jsonl";
/// What each other entry's name begins with: where the slug is bound.
const TOP: &str = "app";
/// The longest path below it, and the longest target of a link, in bytes.
const LONGEST: usize = 4_000;
/// When everything in it was last changed. Not zero, of which tar warns.
const TIME: u64 = 1;

/// Why a slug is not written as an archive, or an archive is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The host's own file system.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Something else than an archive of a slug, or one that says of itself what cannot be.
    #[error("this is no archive of a slug: {0}")]
    NotOne(String),
    /// Written by another release of Wharf.
    #[error("the archive has version {found}, and this Wharf reads {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// Slugs are laid out otherwise here.
    #[error("the archive's slug has format {found}, and this Wharf makes {FORMAT}")]
    Format {
        /// Its format.
        found: u32,
    },
    /// Its key is another one than that of what it says to be made of.
    #[error("the archive says that its slug is {says}, and what it is made of makes {is}")]
    Key {
        /// The key that it names.
        says: String,
        /// The key of its ingredients.
        is: String,
    },
    /// An entry that no slug holds, or that the list has not there.
    #[error("{path} in the archive {why}")]
    Entry {
        /// Its name, fit to be shown.
        path: String,
        /// Why not.
        why: String,
    },
    /// An entry is not what the list says.
    #[error("{path} in the archive is damaged: {why}")]
    Damaged {
        /// Its name, fit to be shown.
        path: String,
        /// What differs.
        why: &'static str,
    },
    /// All entries are as the list says, and the slug is another one.
    #[error("the archive's files make another digest than it names: {0}")]
    Whole(String),
    /// It ends before all of it was there.
    #[error("the archive ends too early, {0}")]
    Short(String),
    /// More than a slug may have.
    #[error("the archive's slug is too large: more than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// The slug on this host is not what was frozen.
    #[error("slug {0} is not what was frozen")]
    Rotten(String),
    /// A name that the list cannot hold.
    #[error("the slug cannot be exported: {path} {why}")]
    Unfit {
        /// Its name, fit to be shown.
        path: String,
        /// Why not.
        why: &'static str,
    },
    /// Nobody takes or sends the rest.
    #[error("the archive was stopped")]
    Stopped,
}

impl ArchiveError {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ArchiveError::Disk(_) => "host",
            ArchiveError::NotOne(_) | ArchiveError::Entry { .. } => "archive-refused",
            ArchiveError::Version { .. } | ArchiveError::Format { .. } => "archive-version",
            ArchiveError::Key { .. } => "archive-key",
            ArchiveError::Damaged { .. } | ArchiveError::Whole(_) | ArchiveError::Short(_) => {
                "archive-damaged"
            }
            ArchiveError::TooLarge { .. } => "archive-too-large",
            ArchiveError::Rotten(_) => "slug-damaged",
            ArchiveError::Unfit { .. } => "slug-unfit",
            ArchiveError::Stopped => "cancelled",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            ArchiveError::Disk(_) => "this is the host's trouble: tell its operator",
            ArchiveError::NotOne(_) | ArchiveError::Entry { .. } | ArchiveError::Key { .. } => {
                "take what `wharf slug export` wrote, as it is"
            }
            ArchiveError::Version { .. } | ArchiveError::Format { .. } => {
                "export it with the release of Wharf that runs here"
            }
            ArchiveError::Damaged { .. } | ArchiveError::Whole(_) | ArchiveError::Short(_) => {
                "bring it here again, or export it again"
            }
            ArchiveError::TooLarge { .. } => "keep large data on a mount",
            ArchiveError::Rotten(_) => "build it again: wharf redeploy --rebuild",
            ArchiveError::Unfit { .. } => "give the file another name, and push that",
            ArchiveError::Stopped => "try it again",
        }
    }
}

/// A name from an archive, fit to be shown.
fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let short: String = text.chars().take(200).collect();
    short.escape_debug().to_string()
}

fn go_on(stop: &CancellationToken) -> Result<(), ArchiveError> {
    match stop.is_cancelled() {
        true => Err(ArchiveError::Stopped),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
