//! The directory that each sandbox has as its root: empty, but for links to where programs are.

use std::{fs, io, os::unix::fs::symlink};

use wharf_sandbox::{ask::Root, host_root::HostRoot, place};

/// Makes it, or brings it up to date. Nothing is ever taken away: units that run have it.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn prepare(host: &HostRoot) -> io::Result<()> {
    let root = place::root();
    let own = ["dev", "etc", "home", "proc", "run", "sys", "tmp", "usr"];
    for path in own.into_iter().chain(Root::ALL.map(Root::path)) {
        fs::create_dir_all(root.join(path.trim_start_matches('/')))?;
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
