//! git's pkt-line: four hexadecimal digits of length, themselves included, then the bytes; `0000` ends
//! a section. See `gitprotocol-common(5)` and the reference in `git help githooks`, proc-receive.
//!
//! A crate for it exists, `gix-packetline`. It is a part of a git library, which a hook does not link,
//! and this is less than what it would be wrapped in.

use std::io::{self, Read, Write};

/// The largest line that git sends, in bytes without the length.
const MAX: usize = 65_516;
/// Bytes of the length.
const PREFIX: usize = 4;

/// Reads one section: its lines, each without its line end.
///
/// # Errors
/// As the stream, and [`io::ErrorKind::InvalidData`] for what is no pkt-line.
pub fn read_section(from: &mut impl Read) -> io::Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    loop {
        let mut prefix = [0; PREFIX];
        from.read_exact(&mut prefix)?;
        let length = str::from_utf8(&prefix)
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| usize::from_str_radix(text, 16).ok())
            .ok_or_else(bad)?;
        if length == 0 {
            return Ok(lines);
        }
        let length = length.checked_sub(PREFIX).ok_or_else(bad)?;
        let mut line = vec![0; length];
        from.read_exact(&mut line)?;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        lines.push(line);
    }
}

/// Appends a line with its line end.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for one that is too long.
pub(crate) fn line(to: &mut Vec<u8>, parts: &[&[u8]]) -> io::Result<()> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
    if length > MAX {
        return Err(bad());
    }
    write!(to, "{:04x}", length + PREFIX)?;
    for part in parts {
        to.extend_from_slice(part);
    }
    to.push(b'\n');
    Ok(())
}

/// Appends the end of a section.
pub(crate) fn end(to: &mut Vec<u8>) {
    to.extend_from_slice(b"0000");
}

fn bad() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a pkt-line of git's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        line(&mut bytes, &[b"version=1\0", b"push-options"]).unwrap();
        line(&mut bytes, &[]).unwrap();
        end(&mut bytes);
        assert_eq!(bytes, b"001bversion=1\0push-options\n0005\n0000");
        let mut from = &bytes[..];
        let lines = read_section(&mut from).unwrap();
        assert_eq!(lines, [b"version=1\0push-options".to_vec(), vec![]]);
        assert!(from.is_empty());
        assert!(line(&mut bytes, &[&[b'x'; MAX]]).is_err());
    }

    #[test]
    fn what_is_none_is_an_error() {
        for bytes in [
            &b""[..],
            b"00",
            b"0003",
            b"+004",
            b"wxyz",
            b"0009abc",
            b"0005\n",
        ] {
            assert!(read_section(&mut &bytes[..]).is_err(), "{bytes:?}");
        }
    }
}
