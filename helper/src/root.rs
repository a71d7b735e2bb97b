//! The directory that each sandbox has as its root: empty, but for links to where programs are.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, symlink},
};

use wharf_sandbox::{ask::Root, host_root::HostRoot};

use crate::place;

/// Makes it, or brings it up to date. Nothing is ever taken away: units that run have it.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn prepare(host: &HostRoot) -> io::Result<()> {
    let root = place::root();
    let make = |path: &str| {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(root.join(path.trim_start_matches('/')))
    };
    make("")?;
    for directory in ["dev", "etc", "home", "proc", "run", "sys", "tmp", "usr"] {
        make(directory)?;
    }
    for one in Root::ALL {
        make(one.path())?;
    }
    for (link, target) in &host.links {
        let at = root.join(link.strip_prefix("/").unwrap_or(link));
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent)?;
        }
        match symlink(target, &at) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => done?,
        }
    }
    Ok(())
}
