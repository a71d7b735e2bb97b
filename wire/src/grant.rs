//! Links that open one environment for a time: what is signed, and how it travels.
//!
//! The daemon signs with a key that the environment alone has; the router knows the public half of
//! it, from the route. Neither keeps a list of links.

use data_encoding::BASE64URL_NOPAD;

/// The name of the query's part that brings a token, and of the cookie that keeps it.
pub const NAME: &str = "wharf-grant";
/// Bytes of a signature.
pub const SIGNATURE: usize = 64;

/// The right to look, until a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// Seconds since 1970-01-01 UTC.
    pub expires: u64,
    /// Over what [`said`] returns.
    pub signature: [u8; SIGNATURE],
}

/// What a token's signature is over. The names have no line ends, so that no two grants say the same.
pub fn said(project: &str, environment: &str, expires: u64) -> String {
    format!("wharf grant 1\n{project}\n{environment}\n{expires}")
}

impl Token {
    /// As it stands in a link: letters, digits, `-` and `_` only.
    pub fn text(&self) -> String {
        let mut bytes = self.expires.to_be_bytes().to_vec();
        bytes.extend(self.signature);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Reads [`Token::text`]; none where it is no token.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (expires, signature) = bytes.split_first_chunk()?;
        Some(Self {
            expires: u64::from_be_bytes(*expires),
            signature: signature.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_written() {
        let token = Token {
            expires: 1_800_000_000,
            signature: std::array::from_fn(|at| at as u8),
        };
        let text = token.text();
        assert_eq!(Token::parse(&text), Some(token));
        for bad in [
            "",
            "a",
            "AAAA",
            &text[1..],
            &format!("{text}A"),
            &text.replace('A', "="),
        ] {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
    }
}
