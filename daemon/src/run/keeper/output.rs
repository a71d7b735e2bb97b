//! What the process prints, in a file that does not grow without end.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The size at which the file becomes `<file>.1`, in place of an earlier one.
const LARGEST: u64 = 8 << 20;

/// The output file.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    file: File,
    size: u64,
    largest: u64,
}

impl Output {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::with(path, LARGEST)
    }

    fn with(path: &Path, largest: u64) -> io::Result<Self> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            size,
            largest,
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let count = bytes.len() as u64;
        if self.size > 0 && self.size + count > self.largest {
            let mut old = OsString::from(&self.path);
            old.push(".1");
            fs::rename(&self.path, old)?;
            self.file = append(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(bytes)?;
        self.size += count;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_becomes_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web.log");
        fs::write(&path, "0123").unwrap();
        let mut output = Output::with(&path, 10).unwrap();
        for text in [
            "456789",
            "a",
            "bcdefghij",
            "k",
            "a line that is longer than all\n",
        ] {
            output.write(text.as_bytes()).unwrap();
        }
        let old = directory.path().join("web.log.1");
        assert_eq!(fs::read_to_string(old).unwrap(), "k");
        assert_eq!(
            fs::read_to_string(path).unwrap(),
            "a line that is longer than all\n"
        );
    }
}
