//! The head of an answer, as RFC 3875 has it.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::LOCATION};

use crate::Malformed;

/// The largest head, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// The most lines of a head.
const MAX_LINES: usize = 256;

/// A status and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What `Status` says; else 302 with a `Location`, and 200 without.
    pub status: StatusCode,
    /// The other headers.
    pub headers: HeaderMap,
}

impl Head {
    /// Reads a head, and says how many bytes it has; none where more must come first.
    ///
    /// # Errors
    /// That it is none, or too large.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut lines = [httparse::EMPTY_HEADER; MAX_LINES];
        let (length, lines) = match httparse::parse_headers(bytes, &mut lines) {
            Ok(httparse::Status::Complete(read)) if read.0 <= MAX_HEAD => read,
            Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD => return Ok(None),
            Ok(_) => return Err(Malformed::Large),
            Err(_) => return Err(Malformed::Head),
        };
        let mut head = Self {
            status: StatusCode::OK,
            headers: HeaderMap::with_capacity(lines.len()),
        };
        let mut said = None;
        for line in lines {
            if line.name.eq_ignore_ascii_case("status") {
                said = Some(status(line.value).ok_or(Malformed::Head)?);
                continue;
            }
            let name = HeaderName::from_bytes(line.name.as_bytes());
            let value = HeaderValue::from_bytes(line.value);
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(Malformed::Head);
            };
            head.headers.append(name, value);
        }
        head.status = match said {
            Some(status) => status,
            None if head.headers.contains_key(LOCATION) => StatusCode::FOUND,
            None => StatusCode::OK,
        };
        Ok(Some((head, length)))
    }
}

/// The number before the reason. One below 200 would be no answer yet.
fn status(value: &[u8]) -> Option<StatusCode> {
    let number = value.get(..3)?;
    let ends = value.get(3).is_none_or(|byte| *byte == b' ');
    let status = StatusCode::from_bytes(number).ok()?;
    (ends && status.as_u16() >= 200).then_some(status)
}
