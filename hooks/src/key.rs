//! With which key somebody logged in, where sshd says so (`ExposeAuthInfo`).

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use rustix::fs::{Mode, OFlags};
use wharf_wire::hook::MAX_KEY;

/// More than the ways in which anybody logs in.
const MAX_FILE: u64 = 16 * 1024;
/// What such a line of the file begins with.
const METHOD: &str = "publickey ";

/// The first key of the file that sshd names in `SSH_USER_AUTH`, as `TYPE BASE64`.
///
/// # Errors
/// There is no such regular file, or no such key in it.
pub fn read(file: &Path) -> io::Result<String> {
    // The name comes from the surroundings: no link is followed, and no pipe waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(file, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text)?;
    let found = text.lines().find_map(|line| line.strip_prefix(METHOD));
    let key = found.filter(|key| key.len() <= MAX_KEY && is_key(key));
    key.map(str::to_owned)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether it is two words of the letters that a key has.
fn is_key(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"+/=@.-".contains(&b);
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_plain);
    let mut words = text.split(' ');
    words.next().is_some_and(is_word) && words.next().is_some_and(is_word) && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn the_first_key_of_a_regular_file_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let said = |text: &str| {
            fs::write(path("auth"), text).unwrap();
            read(&path("auth")).ok()
        };
        let key = "ssh-ed25519 AAAAC3+/x=";
        assert_eq!(said(&format!("publickey {key}\n")).as_deref(), Some(key));
        let more = format!("password\npublickey {key}\npublickey other AA\n");
        assert_eq!(said(&more).as_deref(), Some(key));
        for text in ["", "password\n", "publickey\n", "publickey ssh-rsa\n"] {
            assert_eq!(said(text), None, "{text}");
        }
        for text in [
            "publickey a b c\n",
            "publickey a  b\n",
            "publickey a b\u{1b}\n",
        ] {
            assert_eq!(said(text), None, "{text}");
        }
        assert_eq!(said(&format!("publickey a {}\n", "A".repeat(5_000))), None);

        said(&format!("publickey {key}\n"));
        symlink(path("auth"), path("link")).unwrap();
        assert!(read(&path("link")).is_err());
        assert!(read(directory.path()).is_err() && read(&path("none")).is_err());
    }
}
