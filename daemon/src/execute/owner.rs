//! Whose a repository is, and who writes there. Where Wharf is root it writes there as that user: what it
//! leaves is theirs to change and to repack, and nothing that they put there leads root anywhere else.
//! Where it has a user of its own that may not write there, the helper has git do it as theirs.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Access, access};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread;
use wharf_sandbox::ask;

/// The user who is to write in Wharf's stead, with the group that the repository has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    uid: Uid,
    gid: Gid,
}

impl Owner {
    /// Another user's whose the repository is; none where Wharf is not root, or it is root's.
    ///
    /// # Errors
    /// That this cannot be told: then nothing may be written there.
    pub fn of(repository: &Path) -> io::Result<Option<Owner>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let metadata = fs::metadata(repository)?;
        let owner = Owner {
            uid: Uid::from_raw(metadata.uid()),
            gid: Gid::from_raw(metadata.gid()),
        };
        Ok((!owner.uid.is_root()).then_some(owner))
    }

    /// Does blocking work on files, in a thread that has their rights and no others.
    fn does<T: Send>(self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let as_them = || {
            thread::set_thread_groups(&[])?;
            // The kernel would let them stop the daemon by a thread that is theirs altogether.
            thread::set_thread_res_gid(Gid::ROOT, self.gid, Gid::ROOT)?;
            thread::set_thread_res_uid(Uid::ROOT, self.uid, Uid::ROOT)?;
            work()
        };
        std::thread::scope(|scope| {
            let done = scope.spawn(as_them).join();
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Who writes into a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// This program, as who it is.
    Myself,
    /// This program, which is root, as the repository's owner.
    Theirs(Owner),
    /// git, as the repository's owner, where the helper starts it.
    Helper,
}

impl Writer {
    /// Who is to write there.
    ///
    /// # Errors
    /// That this cannot be told, or that nobody may.
    pub fn of(repository: &Path) -> io::Result<Writer> {
        if let Some(owner) = Owner::of(repository)? {
            return Ok(Writer::Theirs(owner));
        }
        let (own, owner) = (geteuid().as_raw(), fs::metadata(repository)?.uid());
        let is_writable = || {
            let mut places = [repository.into(), repository.join("objects")].into_iter();
            places.all(|place| access(&place, Access::WRITE_OK).is_ok())
        };
        if own == 0 || own == owner || is_writable() {
            return Ok(Writer::Myself);
        }
        match access(ask::SOCKET, Access::WRITE_OK) {
            Ok(()) => Ok(Writer::Helper),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{} belongs to user {owner}, and user {own} may not write there; start what writes \
                     there as user {owner}: systemctl start wharf-helper.socket",
                    repository.display()
                ),
            )),
        }
    }
}

/// Has a command run as the repository's owner.
///
/// # Errors
/// As [`Owner::of`].
pub fn command_as_owner(command: &mut Command, repository: &Path) -> io::Result<()> {
    if let Some(owner) = Owner::of(repository)? {
        // With the user go all further groups. Root's home is nobody else's.
        command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
        command.env_remove("HOME").env_remove("XDG_CONFIG_HOME");
    }
    Ok(())
}

/// Does blocking work on files of a repository as its owner.
///
/// # Errors
/// As [`Owner::of`], and the work's.
pub fn as_owner<T: Send>(
    repository: &Path,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    match Owner::of(repository)? {
        Some(owner) => owner.does(work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    /// Anybody: nobody needs to be called so.
    const SOMEBODY: u32 = 12_345;

    fn owner_of(path: &Path) -> (u32, u32) {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    }

    #[test]
    fn what_is_written_belongs_to_the_repositorys_owner() {
        let directory = tempfile::tempdir().unwrap();
        let repository = directory.path();
        if geteuid().is_root() {
            chown(repository, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
        let owner = owner_of(repository);
        let (file, other) = (repository.join("file"), repository.join("other"));
        as_owner(repository, || fs::write(&file, "x")).unwrap();
        assert_eq!(owner_of(&file), owner);
        let mut touch = Command::new("touch");
        touch.arg(&other);
        command_as_owner(&mut touch, repository).unwrap();
        assert!(touch.status().unwrap().success());
        assert_eq!(owner_of(&other), owner);
        // This thread is who it was.
        fs::write(repository.join("own"), "x").unwrap();
        assert_eq!(owner_of(&repository.join("own")).0, geteuid().as_raw());
    }

    #[test]
    fn somebody_writes_where_it_is_allowed() {
        let directory = tempfile::tempdir().unwrap();
        let repository = directory.path();
        fs::create_dir(repository.join("objects")).unwrap();
        assert_eq!(Writer::of(repository).unwrap(), Writer::Myself);
        if geteuid().is_root() {
            chown(repository, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
            let (uid, gid) = (Uid::from_raw(SOMEBODY), Gid::from_raw(SOMEBODY));
            let theirs = Writer::Theirs(Owner { uid, gid });
            assert_eq!(Writer::of(repository).unwrap(), theirs);
        } else {
            // Whose everything is but what everybody may write to.
            let error = Writer::of(Path::new("/usr")).unwrap_err();
            assert!(
                error.to_string().contains("/usr belongs to user 0"),
                "{error}"
            );
        }
        Writer::of(&repository.join("gone")).unwrap_err();
    }

    #[test]
    fn nothing_is_written_that_the_owner_may_not_write() {
        let directory = tempfile::tempdir().unwrap();
        let repository = directory.path().join("repository");
        fs::create_dir(&repository).unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let link = repository.join("objects");
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        match geteuid().is_root() {
            true => chown(&repository, Some(SOMEBODY), Some(SOMEBODY)).unwrap(),
            // Whoever is not root is stopped by the directory itself.
            false => {
                let none = std::os::unix::fs::PermissionsExt::from_mode(0o500);
                fs::set_permissions(&elsewhere, none).unwrap();
            }
        }
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        fs::set_permissions(directory.path(), open).unwrap();
        let written = as_owner(&repository, || fs::write(link.join("file"), "x"));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(as_owner(&repository.join("gone"), || Ok(())).is_err() == geteuid().is_root());
    }
}
