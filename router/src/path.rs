//! The path of a request, in one form: what is compared with the paths that people write.

use std::path::{Component, Path};

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Characters that stand for themselves in a path, but for letters and digits.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A path without double slashes and dots, as one would write it: two that lead to the same file
/// are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    decoded: String,
    encoded: String,
}

impl Plain {
    /// The path of an address; none where it is no text, or leads above the top.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        Self::read(uri.path())
    }

    /// Reads a path; see [`Plain::of`].
    pub(crate) fn read(path: &str) -> Option<Self> {
        // A request for all of a server, or for a tunnel: neither has a path.
        if !path.starts_with('/') {
            return None;
        }
        let text = percent_decode_str(path).decode_utf8().ok()?;
        if text.contains('\0') {
            return None;
        }
        let mut parts = Vec::new();
        for part in Path::new(&*text).components() {
            match part {
                Component::Normal(part) => parts.push(part.to_str()?),
                Component::ParentDir => drop(parts.pop()?),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        let mut decoded = String::with_capacity(text.len());
        for part in &parts {
            decoded.push('/');
            decoded.push_str(part);
        }
        let is_directory = ["/", "/.", "/.."].iter().any(|end| text.ends_with(end));
        if is_directory || parts.is_empty() {
            decoded.push('/');
        }
        let encoded = utf8_percent_encode(&decoded, KEPT).to_string();
        Some(Self { decoded, encoded })
    }

    /// As a file's name has it.
    pub(crate) fn decoded(&self) -> &str {
        &self.decoded
    }

    /// As an address has it.
    pub(crate) fn encoded(&self) -> &str {
        &self.encoded
    }

    /// What follows a path that ends with a slash, where this one is below it. The path itself may
    /// be written without the slash.
    pub(crate) fn below(&self, top: &Self) -> Option<&str> {
        match self.encoded.strip_prefix(&top.encoded) {
            Some(rest) => Some(rest),
            None => (top.encoded.strip_suffix('/') == Some(&self.encoded)).then_some(""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_the_same_are_written_the_same() {
        for (written, encoded, decoded) in [
            ("/", "/", "/"),
            ("//", "/", "/"),
            ("/a//b/./c", "/a/b/c", "/a/b/c"),
            ("/a/../b/", "/b/", "/b/"),
            ("/a/b/..", "/a/", "/a/"),
            ("/%61dmin/%2e%2e/x", "/x", "/x"),
            ("/a%2fb", "/a/b", "/a/b"),
            ("/caf%C3%A9 1", "/caf%C3%A9%201", "/caf\u{e9} 1"),
            ("/a%25b?c", "/a%25b%3Fc", "/a%b?c"),
        ] {
            let plain = Plain::read(written).expect(written);
            assert_eq!((plain.encoded(), plain.decoded()), (encoded, decoded));
        }
        for bad in ["", "*", "/..", "/a/../../b", "/%ff", "/a%00"] {
            assert_eq!(Plain::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_below() {
        let plain = |text| Plain::read(text).expect("a path");
        let top = plain("/static/");
        assert_eq!(plain("/static/a/b").below(&top), Some("a/b"));
        assert_eq!(plain("/static").below(&top), Some(""));
        assert_eq!(plain("/statics").below(&top), None);
        assert_eq!(plain("/x").below(&plain("/")), Some("x"));
    }
}
