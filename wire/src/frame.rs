//! One message on a stream: four bytes of length, most significant first, then JSON.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

/// The largest frame, in bytes without the length. A caller that announces more is cut off.
pub const MAX: usize = 64 * 1024;
/// Bytes of the length before each frame.
pub const PREFIX: usize = 4;

/// Why a frame cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// More than [`MAX`] bytes.
    #[error("a frame of {0} bytes is larger than {MAX}")]
    TooLarge(usize),
    /// Not the JSON of the message that is expected here.
    #[error("a frame holds no message")]
    Malformed(#[source] serde_json::Error),
    /// The stream failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
}

/// Renders a message as a frame, length included.
///
/// # Errors
/// [`FrameError::TooLarge`] when the message does not fit.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; PREFIX];
    serde_json::to_writer(&mut bytes, message).map_err(FrameError::Malformed)?;
    let length = bytes.len() - PREFIX;
    if length > MAX {
        return Err(FrameError::TooLarge(length));
    }
    bytes[..PREFIX].copy_from_slice(&u32::try_from(length).expect("below MAX").to_be_bytes());
    Ok(bytes)
}

/// The length that a prefix announces.
///
/// # Errors
/// [`FrameError::TooLarge`] above [`MAX`].
pub fn length(prefix: [u8; PREFIX]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(prefix) as usize;
    if length > MAX {
        return Err(FrameError::TooLarge(length));
    }
    Ok(length)
}

/// Reads a message from a frame's bytes, without the length.
///
/// # Errors
/// [`FrameError::Malformed`] when the bytes are not such a message.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(bytes).map_err(FrameError::Malformed)
}

/// Takes the first message out of what has come so far; `None` where it is not whole yet.
///
/// # Errors
/// As [`length`] and [`decode`]; then nothing is taken.
pub fn take<T: DeserializeOwned>(inbox: &mut Vec<u8>) -> Result<Option<T>, FrameError> {
    let Some((prefix, rest)) = inbox.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = length(*prefix)?;
    let Some(bytes) = rest.get(..length) else {
        return Ok(None);
    };
    let message = decode(bytes)?;
    inbox.drain(..PREFIX + length);
    Ok(Some(message))
}

/// Reads one frame from a blocking stream; `None` at its end.
///
/// # Errors
/// As [`length`] and [`decode`]; an end inside a frame is [`io::ErrorKind::UnexpectedEof`].
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut prefix = [0; PREFIX];
    let first = loop {
        match stream.read(&mut prefix) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut prefix[first..])?;
    let mut bytes = vec![0; length(prefix)?];
    stream.read_exact(&mut bytes)?;
    decode(&bytes).map(Some)
}

/// Writes one frame to a blocking stream.
///
/// # Errors
/// As [`encode`], or the stream's.
pub fn write<T: Serialize>(stream: &mut impl Write, message: &T) -> Result<(), FrameError> {
    stream.write_all(&encode(message)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_announced_gigabyte_is_not_allocated() {
        let mut stream: &[u8] = &[0x40, 0, 0, 0];
        let error = read::<String>(&mut stream).unwrap_err();
        assert!(matches!(error, FrameError::TooLarge(0x4000_0000)));
    }

    #[test]
    fn an_end_inside_a_frame_is_an_error_and_between_frames_is_none() {
        assert!(read::<String>(&mut &b""[..]).unwrap().is_none());
        assert!(read::<String>(&mut &[0, 0, 0, 9, b'"'][..]).is_err());
    }

    #[test]
    fn messages_are_taken_one_by_one_as_they_come() {
        let mut bytes = encode(&"one").unwrap();
        bytes.extend(encode(&"two").unwrap());
        let mut inbox = Vec::new();
        let mut taken = Vec::new();
        for byte in bytes {
            inbox.push(byte);
            taken.extend(take::<String>(&mut inbox).unwrap());
        }
        assert_eq!((taken, inbox), (vec!["one".into(), "two".into()], vec![]));
        assert!(take::<String>(&mut vec![0xff; PREFIX]).is_err());
        assert!(take::<String>(&mut vec![0, 0, 0, 1, b'x']).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in ".{0,200}") {
            let mut bytes = Vec::new();
            write(&mut bytes, &text).unwrap();
            prop_assert_eq!(read::<String>(&mut &bytes[..]).unwrap(), Some(text));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ignored: Result<Option<crate::ToDaemon>, _> = read(&mut &bytes[..]);
        }
    }
}
