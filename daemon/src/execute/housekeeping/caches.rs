//! Which build caches are in use, and how large the others were.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use crate::disk;

/// Every build cache of the host.
#[derive(Debug, Default)]
pub struct Caches(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How many builds work with each.
    held: HashMap<PathBuf, u32>,
    /// Sizes, with the use that they were measured after.
    measured: HashMap<PathBuf, (SystemTime, u64)>,
}

/// A cache that is in use as long as this lives.
#[derive(Debug)]
pub struct Hold<'a> {
    caches: &'a Caches,
    path: PathBuf,
}

/// What is known of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When a build last began with it.
    pub used: SystemTime,
    /// Its bytes.
    pub bytes: u64,
    /// Whether a build works with it.
    pub held: bool,
}

impl Caches {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// Makes a cache where there is none, and keeps it from going.
    ///
    /// # Errors
    /// Of the file system.
    pub fn hold(&self, path: &Path) -> io::Result<Hold<'_>> {
        *self.known().held.entry(path.to_owned()).or_default() += 1;
        let hold = Hold {
            caches: self,
            path: path.to_owned(),
        };
        std::fs::create_dir_all(path)?;
        // Its time says when it was last used.
        std::fs::File::open(path)?.set_modified(SystemTime::now())?;
        Ok(hold)
    }

    /// Does something quick with a cache that nobody uses, and that nobody begins to use meanwhile;
    /// none where somebody does.
    pub fn unless_held<T>(&self, path: &Path, act: impl FnOnce() -> T) -> Option<T> {
        let mut known = self.known();
        if known.held.contains_key(path) {
            return None;
        }
        known.measured.remove(path);
        Some(act())
    }

    /// Looks at a cache and measures it, unless that was done since its last use.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn look(&self, path: &Path) -> io::Result<Look> {
        let glance = self.glance(path)?;
        if let Some((used, bytes)) = self.known().measured.get(path).copied()
            && used == glance.used
            && !glance.held
        {
            return Ok(Look { bytes, ..glance });
        }
        let bytes = disk::measure(path);
        let after = self.glance(path)?;
        if !glance.held && after == glance {
            let measured = (glance.used, bytes);
            self.known().measured.insert(path.to_owned(), measured);
        }
        Ok(Look { bytes, ..after })
    }

    /// Looks at a cache without measuring it.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn glance(&self, path: &Path) -> io::Result<Look> {
        let used = path.symlink_metadata()?.modified()?;
        Ok(Look {
            used,
            bytes: 0,
            held: self.known().held.contains_key(path),
        })
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut known = self.caches.known();
        if let Some(count) = known.held.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                known.held.remove(&self.path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_until_its_last_user_is_done() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop/open");
        let caches = Caches::default();
        let (first, second) = (caches.hold(&path).unwrap(), caches.hold(&path).unwrap());
        assert_eq!(caches.unless_held(&path, || ()), None);
        assert!(caches.look(&path).unwrap().held);
        drop(first);
        assert_eq!(caches.unless_held(&path, || ()), None);
        drop(second);
        assert_eq!(caches.unless_held(&path, || ()), Some(()));
    }

    #[test]
    fn it_is_measured_again_only_after_a_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("open");
        let caches = Caches::default();
        drop(caches.hold(&path).unwrap());
        std::fs::create_dir(path.join("shared")).unwrap();
        let write = |name: &str| std::fs::write(path.join("shared").join(name), [1; 9000]).unwrap();
        write("a");
        let first = caches.look(&path).unwrap();
        assert!(first.bytes >= 9000 && !first.held);
        write("b");
        assert_eq!(caches.look(&path).unwrap(), first);
        drop(caches.hold(&path).unwrap());
        assert!(caches.look(&path).unwrap().bytes >= first.bytes + 9000);
    }
}
