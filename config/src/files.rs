//! What stands at the wanted paths of a commit or of a directory.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::Path,
};

use crate::problem::{Problem, Problems};

/// Every path that configuration or detection may ask for.
pub const WANTED: &[&str] = &[
    "wharf.toml",
    "wharf.config.toml",
    "Procfile",
    "package.json",
    "package-lock.json",
    "requirements.txt",
    "pyproject.toml",
    "index.html",
    "public/index.html",
];

/// A file larger than this is not read.
pub const MAX_FILE: u64 = 256 * 1024;

/// What kind of thing stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A submodule.
    Submodule,
}

/// What stands at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: EntryKind,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's bytes; none for what is no file, or larger than [`MAX_FILE`].
    pub content: Option<Vec<u8>>,
}

/// What stands at the wanted paths; a path that is not there is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, Entry>);

impl Files {
    /// Adds a regular file.
    pub fn insert(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        let content = content.into();
        let entry = Entry {
            kind: EntryKind::File,
            size: content.len() as u64,
            content: Some(content),
        };
        self.0.insert(path.into(), entry);
    }

    /// What stands at a path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(path)
    }

    /// Whether a regular file stands at a path.
    pub fn has_file(&self, path: &str) -> bool {
        self.get(path)
            .is_some_and(|entry| entry.kind == EntryKind::File)
    }

    /// Reads the wanted paths below a directory, as a commit of it would have them: no link is
    /// followed below the directory.
    pub fn from_dir(dir: &Path) -> Result<Self, Problems> {
        let mut files = Self::default();
        let mut problems = Vec::new();
        if let Err(error) = fs::read_dir(dir) {
            let name = dir.display().to_string();
            let message = format!("the directory cannot be read: {error}");
            return Err(Problem::new(name, "unreadable", message).into());
        }
        for path in WANTED {
            match entry(dir, path) {
                Ok(Some(entry)) => {
                    files.0.insert((*path).to_owned(), entry);
                }
                Ok(None) => {}
                Err(error) => problems.push(
                    Problem::new(*path, "unreadable", format!("it cannot be read: {error}"))
                        .hint("check the file's permissions"),
                ),
            }
        }
        Problems::or(problems, files)
    }

    /// The text of the file at a path; none when nothing is there.
    pub(crate) fn text(&self, path: &str) -> Result<Option<&str>, Problems> {
        let Some(entry) = self.get(path) else {
            return Ok(None);
        };
        let what = match entry.kind {
            EntryKind::File => match &entry.content {
                Some(bytes) if bytes.len() as u64 <= MAX_FILE => {
                    return utf8(path, bytes).map(Some);
                }
                _ => {
                    let (size, most) = (entry.size, MAX_FILE / 1024);
                    let message = format!("it has {size} bytes, at most {most} KiB are read");
                    return Err(Problem::new(path, "too-large", message)
                        .hint("keep only configuration in it")
                        .into());
                }
            },
            EntryKind::Symlink => "a symbolic link",
            EntryKind::Directory => "a directory",
            EntryKind::Submodule => "a submodule",
        };
        let message = format!("it is {what}, but must be a regular file");
        Err(Problem::new(path, "not-a-file", message)
            .hint("commit the file itself in its place")
            .into())
    }
}

fn utf8<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str, Problems> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = error.valid_up_to();
        let line = bytes[..good].iter().filter(|b| **b == b'\n').count() + 1;
        let message = format!("it is not UTF-8: byte 0x{:02x} in line {line}", bytes[good]);
        Problem::new(path, "not-utf8", message)
            .hint("save the file as UTF-8")
            .into()
    })
}

fn entry(dir: &Path, path: &str) -> io::Result<Option<Entry>> {
    let absent = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
        _ => Err(error),
    };
    // A link on the way is not followed either: git would not have the path.
    let mut full = dir.to_owned();
    let mut parts = path.split('/').peekable();
    loop {
        let part = parts.next().expect("a wanted path is not empty");
        full.push(part);
        let meta = match full.symlink_metadata() {
            Ok(meta) => meta,
            Err(error) => return absent(error),
        };
        if parts.peek().is_some() {
            if !meta.is_dir() {
                return Ok(None);
            }
            continue;
        }
        let kind = if meta.is_symlink() {
            EntryKind::Symlink
        } else if meta.is_file() {
            EntryKind::File
        } else {
            // Pipes and devices cannot be committed and must not be opened.
            EntryKind::Directory
        };
        let size = meta.len();
        let content = if kind == EntryKind::File && size <= MAX_FILE {
            let mut bytes = Vec::new();
            // The file may grow while it is read.
            fs::File::open(&full)?
                .take(MAX_FILE + 1)
                .read_to_end(&mut bytes)?;
            Some(bytes).filter(|bytes| bytes.len() as u64 <= MAX_FILE)
        } else {
            None
        };
        return Ok(Some(Entry {
            kind,
            size,
            content,
        }));
    }
}

#[cfg(test)]
mod tests;
