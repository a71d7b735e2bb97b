//! Moves of branches that the daemon makes itself: what a dead daemon leaves of one.
//!
//! Before the refs move, a file in the spool says who wants it and what it is, as a hook's does that
//! cannot reach the daemon. The refs are the truth: the next daemon compares them with its record, and
//! takes from here only whose a move was. It goes once the move is recorded, or did not happen.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use wharf_wire::hook::Push;
use wharf_wire::outcome::Kind;
use wharf_wire::view::Actor;

use crate::disk::{self, DiskError};
use crate::execute::World;
use crate::execute::failure::chain;
use crate::plan::options::Data;

/// What such a file's name ends with.
pub(super) const EXTENSION: &str = "move";

/// Tells this daemon's files from those of a dead one, whatever its process id.
static OWN: LazyLock<String> = LazyLock::new(|| format!("{:016x}", rand::random::<u64>()));

/// What is known of the move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// The refs that are to move.
    pub push: Push,
    /// Who wants it.
    pub actor: Actor,
    /// What it is: of a branch that goes, a deletion.
    pub kind: Kind,
    /// Where the code comes from.
    pub source: Option<String>,
    /// What people say of a new branch.
    pub title: String,
    /// The parent that somebody chose for it.
    pub chosen_parent: Option<String>,
    /// What data it is to begin with.
    #[serde(default)]
    pub data: Option<Data>,
}

/// The file of a move that is made now.
#[derive(Debug)]
pub struct Moving(PathBuf);

impl Moving {
    /// Leaves word of a move, durably. Blocks.
    ///
    /// # Errors
    /// The disk's; then there is no file.
    pub fn begin(world: &World, left: &Left) -> Result<Moving, DiskError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_nanos();
        let (random, own) = (rand::random::<u32>(), OWN.as_str());
        let name = format!("{now:020}-{random:08x}-{own}.{EXTENSION}");
        let file = world.paths.spool_file(&name);
        let bytes = serde_json::to_vec(left).expect("strings only");
        disk::atomic_write(&file, &bytes, 0o600)?;
        Ok(Moving(file))
    }

    /// Takes it away: the move is recorded, or did not happen. Blocks.
    pub fn end(self) {
        if let Err(error) = disk::remove_file(&self.0) {
            tracing::error!(error = chain(&error), "word of a move stays in the spool");
        }
    }
}

/// Whether somebody in this daemon is still at it.
pub(super) fn is_own(file: &Path) -> bool {
    let name = file.file_stem().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with(OWN.as_str()))
}
