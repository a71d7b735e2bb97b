//! What git writes to a receive hook: one line a ref.

use std::{
    io::{self, Read},
    process::ChildStdin,
};

use wharf_wire::hook::{MAX_REF_NAME, MAX_UPDATES, RefUpdate};

/// More than [`MAX_UPDATES`] of the longest lines.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// git's standard input, kept because a chained hook reads it too.
pub(crate) struct Input {
    bytes: Vec<u8>,
}

/// Why the daemon cannot be told of a push.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Too many lines.
    #[error("Wharf takes at most {MAX_UPDATES} ref updates in one push")]
    TooMany,
    /// A name that git itself could hardly store.
    #[error("a ref name is longer than {MAX_REF_NAME} bytes")]
    LongName,
    /// Not what git writes.
    #[error("git described the push in a form that Wharf does not know")]
    Form,
}

impl InputError {
    /// What the pusher can do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            InputError::TooMany => "push fewer branches and tags at a time",
            InputError::LongName => "rename the branch, push again",
            InputError::Form => "tell whoever runs this host, with the version of its git",
        }
    }
}

impl Input {
    /// Reads what git wrote, up to a bound.
    ///
    /// # Errors
    /// As the pipe.
    pub(crate) fn read() -> io::Result<Self> {
        let mut bytes = Vec::new();
        io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(Input { bytes })
    }

    /// Writes the same bytes to a chained hook, those beyond the bound too.
    ///
    /// # Errors
    /// As the pipe; a hook that stops reading is no error.
    pub(crate) fn copy_to(&self, hook: &mut ChildStdin) -> io::Result<()> {
        let copied = io::Write::write_all(hook, &self.bytes)
            .and_then(|()| io::copy(&mut io::stdin().lock(), hook).map(drop));
        match copied {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// The updates.
    ///
    /// # Errors
    /// [`InputError`] when they are too many or not understood.
    pub(crate) fn updates(&self) -> Result<Vec<RefUpdate>, InputError> {
        if self.bytes.len() as u64 >= MAX_BYTES {
            return Err(InputError::TooMany);
        }
        let mut updates = Vec::new();
        for line in self.bytes.split_inclusive(|b| *b == b'\n') {
            if updates.len() == MAX_UPDATES {
                return Err(InputError::TooMany);
            }
            updates.push(parse(line.strip_suffix(b"\n").ok_or(InputError::Form)?)?);
        }
        if updates.is_empty() {
            Err(InputError::Form)
        } else {
            Ok(updates)
        }
    }
}

/// Reads `<old> <new> <ref>`.
///
/// # Errors
/// [`InputError`] when it is not understood.
pub fn parse(line: &[u8]) -> Result<RefUpdate, InputError> {
    let mut words = line.splitn(3, |b| *b == b' ');
    let mut word = || words.next().ok_or(InputError::Form);
    let (old, new, name) = (id(word()?)?, id(word()?)?, word()?);
    if name.len() > MAX_REF_NAME {
        return Err(InputError::LongName);
    }
    if name.is_empty() || name.iter().any(|b| b.is_ascii_control()) {
        return Err(InputError::Form);
    }
    let (name, lossy) = match str::from_utf8(name) {
        Ok(name) => (name.to_owned(), false),
        Err(_) => (String::from_utf8_lossy(name).into_owned(), true),
    };
    Ok(RefUpdate {
        name,
        lossy,
        old,
        new,
    })
}

fn id(word: &[u8]) -> Result<String, InputError> {
    match str::from_utf8(word) {
        Ok(word) if is_id(word) => Ok(word.to_owned()),
        _ => Err(InputError::Form),
    }
}

/// Whether the text is an object id and nothing else: it becomes an argument of git.
pub(crate) fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updates(text: &[u8]) -> Result<Vec<RefUpdate>, InputError> {
        Input {
            bytes: text.to_vec(),
        }
        .updates()
    }

    fn line(name: &[u8]) -> Vec<u8> {
        [
            b"0".repeat(40).as_slice(),
            b" ",
            &b"a".repeat(40),
            b" ",
            name,
            b"\n",
        ]
        .concat()
    }

    #[test]
    fn names_are_taken_as_they_are() {
        let read = updates(&line(b"refs/heads/--exec=x; rm $HOME '\"")).unwrap();
        assert_eq!(read[0].name, "refs/heads/--exec=x; rm $HOME '\"");
        assert!(read[0].creates() && !read[0].lossy);
        let read = updates(&line(b"refs/heads/\xff")).unwrap();
        assert_eq!(
            (read[0].name.as_str(), read[0].lossy),
            ("refs/heads/\u{fffd}", true)
        );
    }

    #[test]
    fn what_git_does_not_write_is_refused() {
        for text in [&b""[..], b"\n", b"a b c\n", b"0 0\n"] {
            assert_eq!(updates(text), Err(InputError::Form));
        }
        assert_eq!(updates(&line(b"refs/heads/a")[..90]), Err(InputError::Form));
        assert_eq!(updates(&line(b"refs/heads/a\x1bb")), Err(InputError::Form));
        assert_eq!(
            updates(&line(&b"r".repeat(5000))),
            Err(InputError::LongName)
        );
        assert_eq!(
            updates(&line(b"refs/tags/t").repeat(1001)),
            Err(InputError::TooMany)
        );
        assert_eq!(
            updates(&line(b"refs/tags/t").repeat(1000)).unwrap().len(),
            1000
        );
    }
}
