//! Where a project's repository is, and whose: as the operator's file and the disk say.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::fs::OFlags;
use serde::Deserialize;
use wharf_sandbox::{id::Id, place, unit::git::Repository};

use crate::{AnyError, at, mounts};

/// More bytes than a project's file has.
const MOST: u64 = 1 << 20;

/// What counts of a project's file here; the rest is the daemon's to read.
#[derive(Debug, Deserialize)]
struct Project {
    repository: String,
}

/// Finds a project's repository. It is never root's, so nothing is ever done there as root.
///
/// # Errors
/// When there is none, or somebody else than root could have said where it is.
pub(crate) fn find(project: &Id) -> Result<Repository, AnyError> {
    let file = place::project(project);
    for above in file.ancestors() {
        let facts = fs::symlink_metadata(above).map_err(at(above.display()))?;
        if facts.uid() != 0 || facts.mode() & 0o022 != 0 {
            let above = above.display();
            return Err(format!("others than root may change {above}: chmod go-w {above}").into());
        }
    }
    let opened = mounts::open(&file, OFlags::RDONLY).map_err(at(file.display()))?;
    let mut text = String::new();
    let read = File::from(opened).take(MOST).read_to_string(&mut text);
    read.map_err(at(file.display()))?;
    let Project { repository: path } = toml::from_str(&text).map_err(at(file.display()))?;
    // Where it is said by a path with a link, that could lead elsewhere tomorrow.
    let opened = mounts::open(Path::new(&path), OFlags::PATH | OFlags::DIRECTORY);
    let facts = opened.and_then(|opened| File::from(opened).metadata());
    let facts = facts.map_err(at(format_args!(
        "cannot open {path} without following links"
    )))?;
    let (user, group, mode) = (facts.uid(), facts.gid(), facts.mode());
    if user == 0 || !path.starts_with('/') {
        let why =
            "belongs to root, as whom nothing is done: give it to whoever pushes, with chown -R";
        return Err(format!("{path} {why}").into());
    }
    Ok(Repository {
        path,
        user,
        group,
        mode,
    })
}
