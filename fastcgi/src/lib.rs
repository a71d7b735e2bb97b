//! FastCGI as a web server speaks it, without any input or output: what is sent, and what comes.
//!
//! Our own, since the one well-kept client (`fastcgi-client`) sends the whole of a request before
//! it reads: an application that answers early, or answers while it reads, would wait for us as we
//! for it. The protocol has been frozen since 1996.
//!
//! A request has a connection of its own, which the application closes. One that is kept would take
//! one of php-fpm's processes from everybody else.

mod head;
mod receive;
mod send;

pub use head::{Head, MAX_HEAD};
pub use receive::{Part, Reader};
pub use send::{Params, begin, stdin};

/// What came is not FastCGI, or not an answer to this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Another version, another request, or a record that no application sends.
    #[error("the application sent a record that is none of an answer's")]
    Record,
    /// It has no process free, or cannot do what it was asked to.
    #[error("the application refused the request with status {0}")]
    Refused(u8),
    /// Its head is no head of a CGI answer.
    #[error("the application sent a head that cannot be read")]
    Head,
    /// Its head is larger than [`MAX_HEAD`].
    #[error("the application sent a head of more than 64 KiB")]
    Large,
}

/// The only version.
const VERSION: u8 = 1;
/// The only request of a connection.
const ID: u16 = 1;
/// Bytes before each record's content.
const HEADER: usize = 8;

/// Kinds of records.
mod kind {
    pub(crate) const BEGIN: u8 = 1;
    pub(crate) const END: u8 = 3;
    pub(crate) const PARAMS: u8 = 4;
    pub(crate) const STDIN: u8 = 5;
    pub(crate) const STDOUT: u8 = 6;
    pub(crate) const STDERR: u8 = 7;
}

#[cfg(test)]
mod tests;
