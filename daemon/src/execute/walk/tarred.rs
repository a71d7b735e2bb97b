//! What a walk finds, as entries of a tar archive.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;

use rustix::fs::Stat;
use tar::{Builder, EntryType, Header};

use super::Found;

/// Why a file is not whole in an archive.
pub(crate) const SHORTER: &str = "it became shorter while it was read";

/// What was written of something.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// Bytes of content.
    pub(crate) bytes: u64,
    /// Those of them that the file lost while it was read: zeros stand there.
    pub(crate) missing: u64,
}

/// Appends what was found, without whose it was: that means nothing elsewhere.
///
/// # Errors
/// That it cannot be read, or the archive not be written.
pub(crate) fn append(
    out: &mut Builder<impl Write>,
    path: &Path,
    stat: &Stat,
    found: Found,
) -> io::Result<Appended> {
    let (mode, modified) = (stat.st_mode & 0o777, u64::try_from(stat.st_mtime));
    let modified = modified.unwrap_or_default();
    match found {
        Found::Directory => {
            let mut header = header(EntryType::Directory, mode, modified);
            out.append_data(&mut header, path, io::empty())?;
            Ok(Appended::default())
        }
        Found::Link(to) => {
            let mut header = header(EntryType::Symlink, mode, modified);
            out.append_link(&mut header, path, to)?;
            Ok(Appended::default())
        }
        Found::File(file) => {
            let bytes = u64::try_from(stat.st_size).unwrap_or_default();
            let mut header = header(EntryType::Regular, mode, modified);
            header.set_size(bytes);
            let mut taken = Taken {
                file: file.take(bytes),
                missing: 0,
            };
            out.append_data(&mut header, path, &mut taken)?;
            let missing = taken.missing;
            Ok(Appended { bytes, missing })
        }
    }
}

/// A header that says nothing of whose it was.
pub(crate) fn header(kind: EntryType, mode: u32, modified: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(modified);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

/// As many bytes of a file as it had; zeros for those that it lost meanwhile.
struct Taken {
    file: io::Take<File>,
    missing: u64,
}

impl io::Read for Taken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let left = self.file.limit().saturating_sub(self.missing);
        if read > 0 || left == 0 || buffer.is_empty() {
            return Ok(read);
        }
        let zeros = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        buffer[..zeros].fill(0);
        self.missing += zeros as u64;
        Ok(zeros)
    }
}
