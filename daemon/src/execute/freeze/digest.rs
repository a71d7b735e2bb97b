//! The one digest of a slug: over paths, modes, targets and contents, in the order of a walk.

use sha2::{Digest as _, Sha256};

use crate::execute::slug_key::hex;

/// What a slug's digest is made of so far. Entries come directory by directory, names in byte order,
/// each directory before what it holds.
#[derive(Debug, Default, Clone)]
pub(in crate::execute) struct SlugDigest(Sha256);

impl SlugDigest {
    /// A directory.
    pub(in crate::execute) fn directory(&mut self, path: &[u8], mode: u32) {
        self.note(b'd', path, mode, &[]);
    }

    /// A symbolic link.
    pub(in crate::execute) fn link(&mut self, path: &[u8], target: &[u8]) {
        self.note(b'l', path, 0, target);
    }

    /// A file of so many bytes, which follow.
    pub(in crate::execute) fn file(&mut self, path: &[u8], mode: u32, bytes: u64) {
        self.note(b'f', path, mode, &bytes.to_le_bytes());
    }

    /// A part of a file's content.
    pub(in crate::execute) fn content(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in hex.
    #[must_use]
    pub(in crate::execute) fn finish(self) -> String {
        hex(&self.0.finalize())
    }

    /// Each part has its length or a fixed size before it: no two trees have equal bytes.
    fn note(&mut self, kind: u8, path: &[u8], mode: u32, rest: &[u8]) {
        self.0.update([kind]);
        self.0.update((path.len() as u64).to_le_bytes());
        self.0.update(path);
        self.0.update(mode.to_le_bytes());
        self.0.update((rest.len() as u64).to_le_bytes());
        self.0.update(rest);
    }
}
