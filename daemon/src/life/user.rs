//! Whoever asks about the system's Wharf as root wants to know what its daemon meets.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use wharf_config::place::Place;

/// The user of the system's daemon, as `wharf.sysusers` makes it.
const NAME: &str = "wharf";

/// Takes the daemon's user, its group and its further groups, where root looks at the system's place:
/// what it may not read root could, and what it has would look like somebody else's. Called while there is
/// one thread.
///
/// # Errors
/// That it cannot be taken.
pub(super) fn become_the_daemons(place: &Place) -> io::Result<()> {
    if !geteuid().is_root() || !place.is_system() {
        return Ok(());
    }
    let owner = || {
        let owner = place.state.metadata().ok()?.uid();
        uzers::get_user_by_uid(owner)
    };
    let Some(user) = uzers::get_user_by_name(NAME).or_else(owner) else {
        // Nothing is installed.
        return Ok(());
    };
    let further = user.groups().unwrap_or_default();
    let further: Vec<Gid> = further
        .iter()
        .map(|group| Gid::from_raw(group.gid()))
        .collect();
    let (uid, gid) = (
        Uid::from_raw(user.uid()),
        Gid::from_raw(user.primary_group_id()),
    );
    set_thread_groups(&further)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}
