//! All of Wharf in one archive: what cannot be made again, and how it comes onto another host.
//!
//! A tar. First stands [`Manifest`], then what people wrote below `config/`, then the state below
//! `state/` with the database last, and at the very end [`End`], with the digest of all before it.
//! It is read with the same care as anything that was outside of this host: whole, before anything
//! is touched.

pub mod look;
pub mod pack;
pub mod unpack;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wharf_config::place::Place;

use crate::disk::DiskError;
use crate::store::backup::BackupError;
use crate::store::paths::Paths;
use crate::store::restore::RestoreError;

/// The form of the archive that is written and read.
pub const FORM: u32 = 1;
const MANIFEST: &str = "manifest.json";
const CONFIG: &str = "config";
const STATE: &str = "state";
const DATABASE: &str = "state/wharf.db";
const END: &str = "end.json";
/// What Wharf writes beside the content is no longer.
const OURS: u64 = 64 * 1024;

/// What an archive says of itself, first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`FORM`] of who wrote it.
    pub backup: u32,
    /// The release of Wharf that wrote it.
    pub wharf: String,
    /// The version of the database's schema.
    pub schema: usize,
    /// When: milliseconds since 1970-01-01 UTC.
    pub made: u64,
    /// Whether slugs are in it.
    pub slugs: bool,
    /// Where configuration and state were.
    pub config: PathBuf,
    /// See `config`.
    pub state: PathBuf,
}

/// What an archive ends with: without it, it is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    /// SHA-256, in hex, of every byte before this entry.
    digest: String,
    /// How many entries are before it.
    entries: u64,
}

/// Whether slugs go into an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slugs {
    /// They are built again.
    Left,
    /// They are in it: nothing has to be built.
    Taken,
}

/// Why there is no archive, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum WholeError {
    /// The database's copy.
    #[error(transparent)]
    Database(#[from] BackupError),
    /// The database could not be put in its place.
    #[error("the database")]
    Restore(#[from] RestoreError),
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It is no archive of Wharf's, or is damaged.
    #[error("{}: {why}", path.display())]
    Bad {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something is there already.
    #[error("there is a Wharf here already: {}", shown(.0))]
    Occupied(Vec<PathBuf>),
    /// Applications of the Wharf that is here still run.
    #[error("applications of the Wharf that is here still run")]
    Running,
    /// It does not fit.
    #[error("{} needs {needs}, and {free} is free there", path.display())]
    Room {
        /// Where.
        path: PathBuf,
        /// What is wanted.
        needs: bytesize::ByteSize,
        /// What there is.
        free: bytesize::ByteSize,
    },
}

fn shown(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.join(", ")
}

/// A directory of the archive and of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// Its path in the archive.
    name: PathBuf,
    /// Where it is here.
    path: PathBuf,
}

/// Every directory that an archive may have.
fn parts(place: &Place, paths: &Paths) -> Vec<Part> {
    let state = paths.backed_up().into_iter().map(|path| Part {
        name: Path::new(STATE).join(path.file_name().expect("a directory of the state")),
        path,
    });
    let config = Part {
        name: CONFIG.into(),
        path: place.config.clone(),
    };
    std::iter::once(config).chain(state).collect()
}

#[cfg(test)]
mod tests;
