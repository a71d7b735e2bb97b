//! What is sent: the beginning, the parameters, the body.

use crate::{HEADER, ID, VERSION, kind};

/// The longest content of a record that needs no padding to eight bytes.
const MOST: usize = 65_528;
/// An application that answers, and then closes the connection.
const RESPONDER: [u8; 8] = [0, 1, 0, 0, 0, 0, 0, 0];

/// Begins a request.
pub fn begin(to: &mut Vec<u8>) {
    record(to, kind::BEGIN, &RESPONDER);
}

/// A part of the body; an empty one ends it.
pub fn stdin(to: &mut Vec<u8>, bytes: &[u8]) {
    stream(to, kind::STDIN, bytes);
}

/// The variables that a CGI program would find in its environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<u8>);

impl Params {
    /// Adds one. An application takes the last of two of the same name.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        for length in [name.len(), value.len()] {
            match u8::try_from(length) {
                Ok(short @ 0..=127) => self.0.push(short),
                _ => {
                    let long = u32::try_from(length).expect("heads are bounded") | 1 << 31;
                    self.0.extend(long.to_be_bytes());
                }
            }
        }
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(value);
    }

    /// All of them, and their end.
    pub fn write(&self, to: &mut Vec<u8>) {
        if !self.0.is_empty() {
            stream(to, kind::PARAMS, &self.0);
        }
        stream(to, kind::PARAMS, &[]);
    }
}

/// Bytes of a stream, in as many records as they need; its end where there are none.
fn stream(to: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    if bytes.is_empty() {
        record(to, kind, bytes);
    }
    for piece in bytes.chunks(MOST) {
        record(to, kind, piece);
    }
}

fn record(to: &mut Vec<u8>, kind: u8, content: &[u8]) {
    let length = u16::try_from(content.len()).expect("at most MOST bytes");
    let [id, id_low] = ID.to_be_bytes();
    let [length, length_low] = length.to_be_bytes();
    to.reserve(HEADER + content.len());
    to.extend([VERSION, kind, id, id_low, length, length_low, 0, 0]);
    to.extend_from_slice(content);
}
