//! Raw output of a build, made fit for people: whole lines, printable, of a limited length.

/// The most characters of a line.
pub const WIDTH: usize = 500;

/// Turns bytes into lines.
#[derive(Default)]
pub struct Sink {}

impl Sink {
    /// Takes the next bytes and returns the lines that they complete.
    pub fn push(&mut self, _bytes: &[u8]) -> Vec<String> {
        unimplemented!()
    }

    /// The last line, when it was not ended.
    #[must_use]
    pub fn finish(self) -> Option<String> {
        unimplemented!()
    }
}

/// The last lines of an output.
#[derive(Debug, Clone)]
pub struct Tail {}

impl Tail {
    /// Keeps the last `lines`.
    #[must_use]
    pub fn new(_lines: usize) -> Self {
        unimplemented!()
    }

    /// Takes a line.
    pub fn push(&mut self, _line: String) {
        unimplemented!()
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
}
