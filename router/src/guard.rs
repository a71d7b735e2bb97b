//! What of a directory may be served: tower-http asks here for every file.
//!
//! A slug holds what a repository holds, so links in it may point anywhere. A file is opened first
//! and asked where it really is afterwards: no link can be changed in between.

use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Cursor, Read},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Component, Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs as tower_fs;

/// Files up to this size are read at once, in the same trip to a blocking thread that opens them.
const SMALL: u64 = 32 * 1024;

/// A directory of static files, by its real path.
#[derive(Debug, Clone)]
pub(crate) struct Root(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Directories that lie over parts of it, by their paths below it.
    over: BTreeMap<PathBuf, PathBuf>,
    scripts: Scripts,
}

/// What becomes of scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    /// They are files as all others are.
    Shown,
    /// A process runs them, and nobody reads them.
    Run,
}

impl Root {
    /// Finds out where a directory really is, and those that lie over it. What lies over it and is
    /// not there shows nothing. Blocks.
    pub(crate) fn open(
        directory: &Path,
        over: BTreeMap<PathBuf, PathBuf>,
        scripts: Scripts,
    ) -> io::Result<Self> {
        let path = directory.canonicalize()?;
        if !path.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let real = |(below, directory): (PathBuf, PathBuf)| {
            let directory = directory.canonicalize().unwrap_or(directory);
            (below, directory)
        };
        Ok(Self(Arc::new(Inner {
            path,
            over: over.into_iter().map(real).collect(),
            scripts,
        })))
    }

    /// Where it really is.
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether a path below the directory is a script that may be run: one of the code, never one
    /// that lies over it.
    pub(crate) fn is_script(&self, below: &Path) -> bool {
        if !is_public(below) || !says_script(below) || self.lies_over(below).is_some() {
            return false;
        }
        let taken = self.real(&self.0.path, &self.0.path.join(below), OFlags::PATH);
        taken.is_ok_and(|(file, real)| {
            is_public(&real)
                && says_script(&real)
                && file.metadata().is_ok_and(|found| found.is_file())
        })
    }

    /// The directory that lies over a path below the root, and what of the path is below that.
    fn lies_over<'a>(&'a self, below: &'a Path) -> Option<(&'a Path, &'a Path, &'a Path)> {
        // What lies over what lies over it comes first.
        self.0.over.iter().rev().find_map(|(top, directory)| {
            let rest = below.strip_prefix(top).ok()?;
            Some((top.as_path(), directory.as_path(), rest))
        })
    }

    /// Whether anything may be served for this path: a file, or a directory with an `index.html`.
    pub(crate) fn has(&self, path: &Path) -> bool {
        match self.look(path) {
            Ok(found) if found.is_dir => self
                .look(&path.join("index.html"))
                .is_ok_and(|index| !index.is_dir),
            found => found.is_ok(),
        }
    }

    fn look(&self, path: &Path) -> io::Result<Found> {
        let file = self.take(path, OFlags::PATH)?;
        self.found(&file.metadata()?)
    }

    fn fetch(&self, path: &Path) -> io::Result<Opened> {
        // A FIFO must not make us wait, nor a terminal become ours.
        let mut file = self.take(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let found = self.found(&file.metadata()?)?;
        if found.is_dir {
            return Err(io::ErrorKind::NotFound.into());
        }
        if found.size > SMALL {
            return Ok(Opened {
                content: Content::Large(tokio::fs::File::from_std(file)),
                found,
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.size).expect("a small file"));
        // A file that shrinks or grows meanwhile must not break the answer's length.
        if (&mut file).take(found.size).read_to_end(&mut bytes)? as u64 != found.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Opened {
            content: Content::Small(Cursor::new(bytes)),
            found,
        })
    }

    /// Opens a path and checks where that has led.
    fn take(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        let nothing = || io::Error::from(io::ErrorKind::NotFound);
        let below = path.strip_prefix(&self.0.path).map_err(|_| nothing())?;
        let (file, real) = match self.lies_over(below) {
            None => self.real(&self.0.path, path, flags)?,
            Some((top, directory, rest)) => {
                let path = match rest == Path::new("") {
                    true => directory.to_owned(),
                    false => directory.join(rest),
                };
                let (file, real) = self.real(directory, &path, flags)?;
                (file, top.join(real))
            }
        };
        let is_hidden = self.0.scripts == Scripts::Run && says_script(&real);
        match is_public(&real) && !is_hidden {
            true => Ok(file),
            false => Err(nothing()),
        }
    }

    /// Opens a path, and says where that has led below a directory.
    fn real(&self, top: &Path, path: &Path, flags: OFlags) -> io::Result<(File, PathBuf)> {
        let opened = rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty());
        let file = File::from(opened.map_err(|error| match error {
            Errno::NOTDIR | Errno::ACCESS | Errno::LOOP | Errno::NAMETOOLONG => Errno::NOENT,
            error => error,
        })?);
        let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        match real.strip_prefix(top) {
            Ok(below) => Ok((file, below.to_owned())),
            Err(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn found(&self, metadata: &Metadata) -> io::Result<Found> {
        if !metadata.is_dir() && !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Found {
            is_dir: metadata.is_dir(),
            size: metadata.len(),
            modified: self.stamp(metadata)?,
        })
    }

    /// The file's time, with nanoseconds that say which file of which slug it is. The entity tag is
    /// made of time and size, and all files of a slug may have the same time.
    fn stamp(&self, metadata: &Metadata) -> io::Result<SystemTime> {
        let modified = metadata.modified()?;
        let whole = modified
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let mut hasher = DefaultHasher::new();
        (
            &self.0.path,
            metadata.ino(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        )
            .hash(&mut hasher);
        let nanoseconds = u32::try_from(hasher.finish() % 1_000_000_000).expect("below a second");
        Ok(SystemTime::UNIX_EPOCH + Duration::new(whole, nanoseconds))
    }
}

/// Whether a path below the root is for visitors: nothing hidden, and not what tells Wharf how to
/// run the application.
pub(crate) fn is_public(inside: &Path) -> bool {
    let is_shown = |part: Component<'_>| match part {
        Component::Normal(part) => {
            part == ".well-known" || !part.as_encoded_bytes().starts_with(b".")
        }
        _ => false,
    };
    let ours = ["wharf.toml", "wharf.config.toml", "Procfile"];
    ours.iter().all(|name| inside != Path::new(name)) && inside.components().all(is_shown)
}

/// Whether a file's name is a script's, or what editors leave of one: nobody may read what runs.
pub(crate) fn says_script(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.split(|byte| *byte == b'.').skip(1).any(|part| {
        let part = part.to_ascii_lowercase();
        let part = part.strip_suffix(b"~").unwrap_or(&part);
        let word = part.trim_ascii_end();
        let bare = word.iter().rposition(|byte| !byte.is_ascii_digit());
        let bare = &word[..bare.map_or(0, |last| last + 1)];
        matches!(bare, b"php" | b"phtml" | b"phar" | b"phps" | b"pht")
    })
}

/// What there is at a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    is_dir: bool,
    size: u64,
    modified: SystemTime,
}

impl tower_fs::Metadata for Found {
    fn is_dir(&self) -> bool {
        self.is_dir
    }

    fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.modified)
    }

    fn len(&self) -> u64 {
        self.size
    }
}

/// A file that may be served.
#[derive(Debug)]
pub(crate) struct Opened {
    content: Content,
    found: Found,
}

#[derive(Debug)]
enum Content {
    Small(Cursor<Vec<u8>>),
    Large(tokio::fs::File),
}

impl tower_fs::Backend for Root {
    type File = Opened;
    type Metadata = Found;
    type OpenFuture = Pin<Box<dyn Future<Output = io::Result<Opened>> + Send>>;
    type MetadataFuture = Pin<Box<dyn Future<Output = io::Result<Found>> + Send>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let root = self.clone();
        Box::pin(async move { blocking(move || root.fetch(&path)).await })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let root = self.clone();
        Box::pin(async move { blocking(move || root.look(&path)).await })
    }
}

/// Runs file work where it may wait for the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

impl tower_fs::File for Opened {
    type Metadata = Found;
    type MetadataFuture<'a> = std::future::Ready<io::Result<Found>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        std::future::ready(Ok(self.found))
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.content {
            Content::Small(bytes) => Pin::new(bytes).poll_read(cx, buffer),
            Content::Large(file) => Pin::new(file).poll_read(cx, buffer),
        }
    }
}

impl AsyncSeek for Opened {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        match &mut self.content {
            Content::Small(bytes) => Pin::new(bytes).start_seek(position),
            Content::Large(file) => Pin::new(file).start_seek(position),
        }
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match &mut self.content {
            Content::Small(bytes) => Pin::new(bytes).poll_complete(cx),
            Content::Large(file) => Pin::new(file).poll_complete(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_public() {
        for path in [
            "",
            "a/b.css",
            ".well-known/acme/x",
            "docs/wharf.toml",
            "docs/Procfile",
            "a..b",
        ] {
            assert!(is_public(Path::new(path)), "{path}");
        }
        for path in [
            ".env",
            ".git/config",
            "a/.b/c",
            "wharf.toml",
            "wharf.config.toml",
            "Procfile",
            "..",
            "a/../b",
            "/a",
        ] {
            assert!(!is_public(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn links_are_followed_inside_only() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        let public = base.join("public");
        std::fs::create_dir_all(public.join("sub")).unwrap();
        for (path, text) in [("secret", "s"), ("public/page", "p"), ("public/.env", "e")] {
            std::fs::write(base.join(path), text).unwrap();
        }
        for (target, link) in [
            ("page", "good"),
            ("../secret", "relative"),
            ("/etc/passwd", "absolute"),
            (".env", "hidden"),
            ("..", "up"),
            ("loop", "loop"),
            ("/proc/self/environ", "proc"),
        ] {
            symlink(target, public.join(link)).unwrap();
        }
        // A sibling whose name begins as the root's must not pass for the root.
        std::fs::create_dir(base.join("public2")).unwrap();
        std::fs::write(base.join("public2/x"), "x").unwrap();
        symlink("../public2", public.join("sibling")).unwrap();

        let root = Root::open(&public, BTreeMap::new(), Scripts::Shown).unwrap();
        let fetch = |path: &str| {
            root.fetch(&public.join(path))
                .map(drop)
                .map_err(|e| e.kind())
        };
        assert_eq!(fetch("good"), Ok(()));
        assert_eq!(fetch("page"), Ok(()));
        for path in [
            "relative",
            "absolute",
            "hidden",
            "up/secret",
            "loop",
            "proc",
            "sibling/x",
            "sub",
            "none",
            "page/x",
            ".env",
            "../secret",
        ] {
            assert_eq!(fetch(path), Err(io::ErrorKind::NotFound), "{path}");
        }
    }
}
