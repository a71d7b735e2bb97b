//! What comes: records, in whatever pieces the connection brings them.

use bytes::{Buf, Bytes, BytesMut};

use crate::{HEADER, ID, Malformed, VERSION, kind};

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Of the answer itself: its head, then its body.
    Stdout(Bytes),
    /// What the application complains about; for its log.
    Stderr(Bytes),
    /// All of it has come.
    End,
}

/// Makes parts of what is read. Holds less than one record more than it is given at once.
#[derive(Debug, Default)]
pub struct Reader(BytesMut);

impl Reader {
    /// Where what is read goes.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.0
    }

    /// The next part; none where more must be read first.
    ///
    /// # Errors
    /// That this is no answer. What comes after it means nothing.
    pub fn part(&mut self) -> Result<Option<Part>, Malformed> {
        loop {
            let Some(header) = self.0.first_chunk::<HEADER>() else {
                return Ok(None);
            };
            let [version, kind, id, id_low, length, length_low, padding, _] = *header;
            let length = usize::from(u16::from_be_bytes([length, length_low]));
            let padding = usize::from(padding);
            if version != VERSION || u16::from_be_bytes([id, id_low]) != ID {
                return Err(Malformed::Record);
            }
            if self.0.len() < HEADER + length + padding {
                return Ok(None);
            }
            self.0.advance(HEADER);
            let content = self.0.split_to(length).freeze();
            self.0.advance(padding);
            return match kind {
                // The end of a stream, before the end of all.
                kind::STDOUT | kind::STDERR if content.is_empty() => continue,
                kind::STDOUT => Ok(Some(Part::Stdout(content))),
                kind::STDERR => Ok(Some(Part::Stderr(content))),
                kind::END => match content.get(4) {
                    Some(0) => Ok(Some(Part::End)),
                    Some(status) => Err(Malformed::Refused(*status)),
                    None => Err(Malformed::Record),
                },
                _ => Err(Malformed::Record),
            };
        }
    }
}
