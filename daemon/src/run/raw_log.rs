//! The raw bytes of an output in a file of a limited size.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Bytes that are written as they come.
pub const HEAD: u64 = 8 << 20;
/// Bytes at the end that are kept besides.
pub const TAIL: usize = 1 << 20;

/// Appends to a file up to [`HEAD`]; of the rest the last [`TAIL`] bytes are written at the end.
#[derive(Debug)]
pub struct RawLog {
    file: File,
    room: u64,
    tail: VecDeque<u8>,
    most: usize,
    dropped: u64,
}

impl RawLog {
    /// Opens a log for appending, made with mode 0640. What is in it already counts.
    ///
    /// # Errors
    /// Of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::with(path, HEAD, TAIL)
    }

    fn with(path: &Path, head: u64, most: usize) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let room = head.saturating_sub(file.metadata()?.len());
        Ok(Self {
            file,
            room,
            tail: VecDeque::new(),
            most,
            dropped: 0,
        })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Of the file system.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fits = usize::try_from(self.room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let (now, rest) = bytes.split_at(fits);
        self.file.write_all(now)?;
        self.room -= fits as u64;
        let last = &rest[rest.len().saturating_sub(self.most)..];
        let over = (self.tail.len() + last.len()).saturating_sub(self.most);
        self.tail.drain(..over);
        self.tail.extend(last);
        self.dropped += (rest.len() - last.len() + over) as u64;
        Ok(())
    }

    /// Writes what was kept, after a line that counts what was left out. Returns that count.
    ///
    /// # Errors
    /// Of the file system.
    pub fn finish(mut self) -> io::Result<u64> {
        if self.dropped > 0 {
            writeln!(self.file, "\n[... {} bytes left out ...]", self.dropped)?;
        }
        let (first, second) = self.tail.as_slices();
        self.file.write_all(first)?;
        self.file.write_all(second)?;
        Ok(self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log(chunks: &[&[u8]], head: u64, tail: usize) -> (String, u64) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = RawLog::with(&path, head, tail).unwrap();
        for chunk in chunks {
            log.push(chunk).unwrap();
        }
        let dropped = log.finish().unwrap();
        (std::fs::read_to_string(path).unwrap(), dropped)
    }

    #[test]
    fn the_head_and_the_tail_are_kept() {
        assert_eq!(log(&[b"abc", b"def"], 6, 3), ("abcdef".into(), 0));
        assert_eq!(log(&[b"abc", b"defghi"], 6, 3), ("abcdefghi".into(), 0));
        let expected = "abcdef\n[... 7 bytes left out ...]\nxyz";
        assert_eq!(
            log(&[b"abc", b"def1", b"23456", b"7xyz"], 6, 3),
            (expected.into(), 7)
        );
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_without_being_counted(
            sizes in proptest::collection::vec(0usize..12, 0..12), head in 0u64..20, tail in 0usize..9
        ) {
            let chunks: Vec<Vec<u8>> = sizes.iter().map(|n| vec![b'x'; *n]).collect();
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let (text, dropped) = log(&chunks, head, tail);
            let kept = text.bytes().filter(|b| *b == b'x').count();
            prop_assert_eq!(kept as u64 + dropped, sizes.iter().sum::<usize>() as u64);
        }
    }
}
