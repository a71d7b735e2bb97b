//! Makes a build's result a slug: checked, counted, durable, at its final name.

use std::{
    io::Read,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::slug_key::{SlugKey, hex};
use crate::disk::{self, DiskError};

/// What to freeze, and how.
#[derive(Debug)]
pub struct Freeze<'a> {
    /// The built directory, on the file system of `store`. It moves into the store.
    pub built: &'a Path,
    /// The directory of slugs.
    pub store: &'a Path,
    /// The slug's name there.
    pub key: &'a SlugKey,
    /// Where mounts will be bound: relative paths.
    pub mount_points: &'a [MountPoint],
    /// The most files, links and directories.
    pub max_entries: u64,
    /// The most bytes of content.
    pub max_bytes: u64,
}

/// A place in the slug that a mount will cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// Below `/app`, without `..`.
    pub path: String,
    /// What is made where nothing is.
    pub kind: MountKind,
}

/// What a mount point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// A directory.
    Directory,
    /// A single file.
    File,
    /// A file where there is one or its last segment has an extension, else a directory.
    Guess,
}

/// A slug in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Where it is: `<store>/<key>`.
    pub path: PathBuf,
    /// SHA-256 over paths, modes and contents.
    pub digest: String,
    /// Regular files and links.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Why a build's result is no slug.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The file system failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A socket, pipe or device.
    #[error("the build left a {kind} at {path}")]
    Special {
        /// What it is.
        kind: &'static str,
        /// Where.
        path: String,
    },
    /// A limit is exceeded.
    #[error("the build's result is too large: more than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// A mount point that cannot be made.
    #[error("cannot make the mount point {path}: {why}")]
    MountPoint {
        /// Where.
        path: String,
        /// Why.
        why: String,
    },
    /// The store already has a slug of this key.
    #[error("slug {} exists already", .0.short())]
    Exists(SlugKey),
}

/// Checks a build's result and moves it into the store, durably.
///
/// Nothing of the build may run any more: paths are walked, never followed through a link.
///
/// # Errors
/// [`FreezeError`]; the store is then as it was, but the built directory may be changed.
pub fn freeze(job: &Freeze<'_>) -> Result<Frozen, FreezeError> {
    let path = job.store.join(job.key.as_str());
    if path.symlink_metadata().is_ok() {
        return Err(FreezeError::Exists(job.key.clone()));
    }
    let mut notes = Vec::new();
    for point in job.mount_points {
        make_mount_point(job.built, point, &mut notes)?;
    }
    let mut walk = Walk {
        job,
        digest: Sha256::new(),
        entries: 0,
        files: 0,
        bytes: 0,
        notes,
    };
    walk.directory(job.built, "")?;
    let Walk {
        digest,
        files,
        bytes,
        notes,
        ..
    } = walk;
    disk::sync_filesystem(job.built)?;
    std::fs::rename(job.built, &path).map_err(disk::at("rename", &path))?;
    disk::sync_directory(job.store)?;
    Ok(Frozen {
        path,
        digest: hex(&digest.finalize()),
        files,
        bytes,
        notes,
    })
}

/// Makes the place that a mount will cover, and says what it will hide.
fn make_mount_point(
    built: &Path,
    point: &MountPoint,
    notes: &mut Vec<String>,
) -> Result<(), FreezeError> {
    let refused = |why: &str| FreezeError::MountPoint {
        path: point.path.clone(),
        why: why.to_owned(),
    };
    let parts: Vec<&str> = point.path.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return Err(refused("it is no path below /app"));
    }
    let mut path = built.to_owned();
    for parent in &parts[..parts.len() - 1] {
        path.push(parent);
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(refused("something above it is no directory")),
            Err(_) => std::fs::create_dir(&path).map_err(disk::at("make", &path))?,
        }
    }
    let last = parts[parts.len() - 1];
    path.push(last);
    match path.symlink_metadata() {
        Ok(meta) if meta.is_symlink() => Err(refused("a link stands there")),
        Ok(meta) if meta.is_dir() => {
            let filled = std::fs::read_dir(&path)
                .map_err(disk::at("read", &path))?
                .next()
                .is_some();
            if filled {
                notes.push(format!(
                    "the mount {} hides what the build put there",
                    point.path
                ));
            }
            Ok(())
        }
        Ok(meta) if meta.is_file() => {
            if meta.len() > 0 {
                notes.push(format!(
                    "the mount {} hides the file that the build put there",
                    point.path
                ));
            }
            Ok(())
        }
        Ok(_) => Err(refused("it is neither a file nor a directory")),
        Err(_) => {
            let is_file = match point.kind {
                MountKind::Directory => false,
                MountKind::File => true,
                MountKind::Guess => Path::new(last).extension().is_some(),
            };
            if is_file {
                std::fs::File::create_new(&path).map_err(disk::at("make", &path))?;
            } else {
                std::fs::create_dir(&path).map_err(disk::at("make", &path))?;
            }
            Ok(())
        }
    }
}

/// Permission bits that change who a program runs as.
const SET_ID: u32 = 0o6000;

struct Walk<'a> {
    job: &'a Freeze<'a>,
    digest: Sha256,
    entries: u64,
    files: u64,
    bytes: u64,
    notes: Vec<String>,
}

impl Walk<'_> {
    /// Walks a directory in byte order of its names, so that equal trees have equal digests.
    fn directory(&mut self, path: &Path, below: &str) -> Result<(), FreezeError> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(disk::at("read", path))? {
            names.push(entry.map_err(disk::at("read", path))?.file_name());
        }
        names.sort_unstable();
        for name in names {
            self.entries += 1;
            if self.entries > self.job.max_entries {
                return Err(self.too_large(self.job.max_entries, "entries"));
            }
            let shown = format!("{below}{}", name.to_string_lossy());
            self.entry(&path.join(&name), name.as_bytes(), &shown)?;
        }
        // The end of a directory is part of the digest: `a/b` and `a`, `b` differ.
        self.digest.update(b"/");
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &[u8], shown: &str) -> Result<(), FreezeError> {
        let meta = path.symlink_metadata().map_err(disk::at("look at", path))?;
        let kind = meta.file_type();
        let mode = meta.mode() & 0o777;
        self.digest.update((name.len() as u64).to_le_bytes());
        self.digest.update(name);
        if kind.is_dir() {
            self.digest.update([b'd']);
            self.directory(path, &format!("{shown}/"))
        } else if kind.is_symlink() {
            let target = std::fs::read_link(path).map_err(disk::at("read", path))?;
            self.files += 1;
            self.digest.update([b'l']);
            self.content(target.as_os_str().as_bytes());
            Ok(())
        } else if kind.is_file() {
            self.files += 1;
            if meta.mode() & SET_ID != 0 {
                let plain = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(path, plain).map_err(disk::at("change", path))?;
                self.notes
                    .push(format!("{shown} lost its setuid or setgid bit"));
            }
            if meta.nlink() > 1 {
                break_link(path)?;
            }
            self.digest.update([b'f']);
            self.digest.update(mode.to_le_bytes());
            self.file(path, meta.len())
        } else {
            Err(FreezeError::Special {
                kind: special(kind),
                path: shown.to_owned(),
            })
        }
    }

    fn file(&mut self, path: &Path, length: u64) -> Result<(), FreezeError> {
        self.bytes += length;
        if self.bytes > self.job.max_bytes {
            return Err(self.too_large(self.job.max_bytes, "bytes"));
        }
        let mut file = std::fs::File::open(path).map_err(disk::at("open", path))?;
        self.digest.update(length.to_le_bytes());
        let mut buffer = [0; 64 * 1024];
        loop {
            match file.read(&mut buffer).map_err(disk::at("read", path))? {
                0 => return Ok(()),
                n => self.digest.update(&buffer[..n]),
            }
        }
    }

    fn content(&mut self, bytes: &[u8]) {
        self.digest.update((bytes.len() as u64).to_le_bytes());
        self.digest.update(bytes);
    }

    fn too_large(&self, limit: u64, unit: &'static str) -> FreezeError {
        FreezeError::TooLarge { limit, unit }
    }
}

/// Gives a file of several names one of its own: what the slug holds must not change elsewhere.
fn break_link(path: &Path) -> Result<(), FreezeError> {
    let parent = path.parent().expect("a file is in a directory");
    let temporary = tempfile::Builder::new()
        .prefix(".freeze-")
        .tempfile_in(parent)
        .map_err(disk::at("copy", path))?;
    std::fs::copy(path, temporary.path()).map_err(disk::at("copy", path))?;
    temporary
        .persist(path)
        .map_err(|error| disk::at("replace", path)(error.error))?;
    Ok(())
}

fn special(kind: std::fs::FileType) -> &'static str {
    if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "named pipe"
    } else {
        "device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::slug_key::SlugKey;
    use std::os::unix::fs::symlink;

    struct Fixture {
        directory: tempfile::TempDir,
        key: SlugKey,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            std::fs::create_dir(directory.path().join("built")).unwrap();
            std::fs::create_dir(directory.path().join("store")).unwrap();
            let key = SlugKey::parse(&"a".repeat(64)).unwrap();
            Self { directory, key }
        }

        fn built(&self) -> PathBuf {
            self.directory.path().join("built")
        }

        fn freeze(&self, mounts: &[MountPoint]) -> Result<Frozen, FreezeError> {
            freeze(&Freeze {
                built: &self.built(),
                store: &self.directory.path().join("store"),
                key: &self.key,
                mount_points: mounts,
                max_entries: 100,
                max_bytes: 10_000,
            })
        }
    }

    fn fill(path: &Path) {
        std::fs::create_dir_all(path.join("src")).unwrap();
        std::fs::write(path.join("src/a"), "one").unwrap();
        std::fs::write(path.join("b"), "two").unwrap();
        symlink("src/a", path.join("link")).unwrap();
    }

    #[test]
    fn equal_trees_have_equal_digests_and_any_change_another() {
        let digest = |change: &dyn Fn(&Path)| {
            let fixture = Fixture::new();
            fill(&fixture.built());
            change(&fixture.built());
            fixture.freeze(&[]).unwrap().digest
        };
        let base = digest(&|_| {});
        assert_eq!(base, digest(&|_| {}));
        let changes: [&dyn Fn(&Path); 4] = [
            &|path| std::fs::write(path.join("b"), "Two").unwrap(),
            &|path| std::fs::rename(path.join("b"), path.join("c")).unwrap(),
            &|path| std::fs::rename(path.join("b"), path.join("src/b")).unwrap(),
            &|path| {
                let runs = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(path.join("b"), runs).unwrap();
            },
        ];
        for change in changes {
            assert_ne!(base, digest(change));
        }
    }

    #[test]
    fn mount_points_are_made_and_what_they_hide_is_said() {
        let fixture = Fixture::new();
        fill(&fixture.built());
        let point = |path: &str| MountPoint {
            path: path.into(),
            kind: MountKind::Guess,
        };
        let frozen = fixture
            .freeze(&[point("var/cache"), point("etc/env.php"), point("src")])
            .unwrap();
        assert!(frozen.path.join("var/cache").is_dir());
        assert!(frozen.path.join("etc/env.php").is_file());
        assert_eq!(
            frozen.notes,
            ["the mount src hides what the build put there"]
        );
    }

    #[test]
    fn a_mount_point_through_a_link_is_refused() {
        let fixture = Fixture::new();
        symlink("/etc", fixture.built().join("var")).unwrap();
        let point = MountPoint {
            path: "var/x".into(),
            kind: MountKind::Directory,
        };
        let error = fixture.freeze(&[point]).unwrap_err();
        assert!(matches!(error, FreezeError::MountPoint { .. }), "{error}");
        assert!(!Path::new("/etc/x").exists());
    }

    #[test]
    fn hard_links_are_broken_and_set_id_bits_taken() {
        let fixture = Fixture::new();
        fill(&fixture.built());
        let outside = fixture.directory.path().join("outside");
        std::fs::hard_link(fixture.built().join("b"), &outside).unwrap();
        let setuid = std::fs::Permissions::from_mode(0o4755);
        std::fs::set_permissions(fixture.built().join("src/a"), setuid).unwrap();
        let frozen = fixture.freeze(&[]).unwrap();
        std::fs::write(&outside, "changed").unwrap();
        assert_eq!(
            std::fs::read_to_string(frozen.path.join("b")).unwrap(),
            "two"
        );
        let mode = frozen.path.join("src/a").metadata().unwrap().mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert_eq!(
            frozen.notes,
            ["src/a lost its setuid or setgid bit"]
        );
    }

    #[test]
    fn sockets_and_too_much_are_refused_and_the_store_stays_empty() {
        let fixture = Fixture::new();
        let socket = fixture.built().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = fixture.freeze(&[]).unwrap_err();
        assert_eq!(error.to_string(), "the build left a socket at s");
        std::fs::remove_file(&socket).unwrap();
        std::fs::write(fixture.built().join("big"), vec![0; 10_001]).unwrap();
        let error = fixture.freeze(&[]).unwrap_err();
        assert!(matches!(error, FreezeError::TooLarge { unit: "bytes", .. }));
        let store = fixture.directory.path().join("store");
        assert!(std::fs::read_dir(store).unwrap().next().is_none());
    }
}
