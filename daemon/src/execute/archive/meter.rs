//! How much may be read before the next look: a header that claims to be endless is not believed.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// A reader that gives no more than was allowed.
#[derive(Debug)]
pub(crate) struct Meter<R> {
    inner: R,
    allowed: Allowance,
}

/// What may still be read, shared with who allows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowance(Rc<Cell<u64>>);

impl Allowance {
    /// From now on so many bytes may be read.
    pub(crate) fn set(&self, bytes: u64) {
        self.0.set(bytes);
    }
}

impl<R> Meter<R> {
    pub(crate) fn new(inner: R) -> (Meter<R>, Allowance) {
        let allowed = Allowance::default();
        let shared = allowed.clone();
        (Meter { inner, allowed }, shared)
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowed.0.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a header of it has no end"));
        }
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..most])?;
        self.allowed.0.set(left - count as u64);
        Ok(count)
    }
}
