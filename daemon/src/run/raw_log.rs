//! The raw bytes of an output in a file of a limited size.

use std::{io, path::Path};

/// Appends to a file up to [`HEAD`]; of the rest the last [`TAIL`] bytes are written at the end.
#[derive(Debug)]
pub struct RawLog {}

/// Bytes that are written as they come.
pub const HEAD: u64 = 8 << 20;
/// Bytes at the end that are kept besides.
pub const TAIL: usize = 1 << 20;

impl RawLog {
    /// Opens a log for appending, made with mode 0640.
    ///
    /// # Errors
    /// Of the file system.
    pub fn open(_path: &Path) -> io::Result<Self> {
        unimplemented!()
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Of the file system.
    pub fn push(&mut self, _bytes: &[u8]) -> io::Result<()> {
        unimplemented!()
    }

    /// Writes what was kept, after a line that counts what was left out. Returns that count.
    ///
    /// # Errors
    /// Of the file system.
    pub fn finish(self) -> io::Result<u64> {
        unimplemented!()
    }
}
