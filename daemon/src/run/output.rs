//! Raw output of a build, made fit for people: whole lines, printable, of a limited length.

use std::collections::VecDeque;

use vte::{Params, Parser, Perform};

/// The most characters of a line.
pub const WIDTH: usize = 500;
/// How a line ends that was longer.
const CUT: &str = " [...]";
/// Ends an escape sequence that was begun, and does nothing outside of one.
const CANCEL: u8 = 0x18;

/// Turns bytes into lines, across any border between chunks.
///
/// Escapes are dropped, also endless ones at the end of their line; a line that was written over
/// (`\r`, as progress bars do) is shown in its last state; what could turn or hide text is escaped.
#[derive(Default)]
pub struct Sink {
    parser: Parser,
    screen: Screen,
    /// The first bytes of a character whose rest has not come yet.
    begun: Vec<u8>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("screen", &self.screen)
            .finish_non_exhaustive()
    }
}

impl Sink {
    /// Takes the next bytes and returns the lines that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let bytes = [&self.begun, bytes].concat();
        self.begun.clear();
        let mut rest = bytes.as_slice();
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text(text);
                    break;
                }
                Err(error) => error,
            };
            let (valid, invalid) = rest.split_at(error.valid_up_to());
            self.text(&String::from_utf8_lossy(valid));
            let Some(length) = error.error_len() else {
                // A character that may go on in the next chunk.
                self.begun = invalid.to_vec();
                break;
            };
            self.text("\u{fffd}");
            rest = &invalid[length..];
        }
        std::mem::take(&mut self.screen.lines)
    }

    /// The last line, when it was not ended.
    #[must_use]
    pub fn finish(mut self) -> Option<String> {
        if !self.begun.is_empty() {
            self.text("\u{fffd}");
        }
        if self.screen.line.is_empty() {
            return None;
        }
        self.screen.end_line();
        self.screen.lines.pop()
    }

    fn text(&mut self, text: &str) {
        for part in text.split_inclusive('\n') {
            let line = part.strip_suffix('\n');
            self.parser
                .advance(&mut self.screen, line.unwrap_or(part).as_bytes());
            if line.is_some() {
                self.parser.advance(&mut self.screen, &[CANCEL]);
                self.screen.end_line();
            }
        }
    }
}

/// The line that is being written.
#[derive(Debug, Default)]
struct Screen {
    line: String,
    width: usize,
    /// Whether the line was longer than [`WIDTH`].
    cut: bool,
    /// Whether the next character begins the line anew.
    back: bool,
    lines: Vec<String>,
}

impl Screen {
    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if self.cut {
            let keep = line
                .char_indices()
                .nth(WIDTH - CUT.len())
                .map_or(line.len(), |(at, _)| at);
            line.truncate(keep);
            line.push_str(CUT);
        }
        self.lines.push(line);
        self.clear();
    }

    fn clear(&mut self) {
        self.line.clear();
        (self.width, self.cut, self.back) = (0, false, false);
    }

    fn add(&mut self, c: char) {
        if self.width < WIDTH {
            self.line.push(c);
            self.width += 1;
        } else {
            self.cut = true;
        }
    }
}

impl Perform for Screen {
    fn print(&mut self, c: char) {
        if self.back {
            self.clear();
        }
        match c {
            _ if disguises(c) => c.escape_unicode().for_each(|c| self.add(c)),
            // DEL and the like are printed by nobody.
            _ if c.is_control() && c != '\t' => {}
            c => self.add(c),
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' => self.print('\t'),
            b'\r' => self.back = true,
            0x08 if !self.cut && self.line.pop().is_some() => self.width -= 1,
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, _between: &[u8], _ignored: bool, action: char) {
        // "To the first column" and "erase the whole line" begin it anew.
        let first = params
            .iter()
            .next()
            .and_then(|p| p.first())
            .copied()
            .unwrap_or(0);
        if (action == 'G' && first <= 1) || (action == 'K' && first == 2) {
            self.back = true;
        }
    }
}

/// Characters that turn the direction of text, hide or begin lines where none begins.
fn disguises(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The last lines of an output.
#[derive(Debug, Clone)]
pub struct Tail {
    lines: VecDeque<String>,
    most: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self::new(30)
    }
}

impl Tail {
    /// Keeps the last `most` lines.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            most,
        }
    }

    /// Takes a line.
    pub fn push(&mut self, line: String) {
        self.lines.push_back(line);
        if self.lines.len() > self.most {
            self.lines.pop_front();
        }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut sink = Sink::default();
        let mut lines = sink.push(bytes);
        lines.extend(sink.finish());
        lines
    }

    #[test]
    fn what_a_terminal_would_show_last() {
        let table: [(&[u8], &[&str]); 19] = [
            (b"", &[]),
            (b"one\ntwo", &["one", "two"]),
            (b"\n\nx\n", &["", "", "x"]),
            (b"one\r\ntwo\r\n", &["one", "two"]),
            (b"10%\r50%\r100%\n", &["100%"]),
            (b"10%\r", &["10%"]),
            (b"\x1b[1;31mred\x1b[0m text\n", &["red text"]),
            (
                b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n",
                &["alink"],
            ),
            (b"10%\x1b[2K\x1b[1G20%\n", &["20%"]),
            (b"a\tb\x07\x00c\n", &["a\tbc"]),
            (b"abc\x08\x08X\n", &["aX"]),
            ("ü 日本 ✓\n".as_bytes(), &["ü 日本 ✓"]),
            (b"a\xffb\xc3\n", &["a\u{fffd}b\u{fffd}"]),
            ("a\u{202e}b\u{200b}\n".as_bytes(), &["a\\u{202e}b\\u{200b}"]),
            ("a\u{9b}31mb\u{85}c\u{7f}\n".as_bytes(), &["a31mbc"]),
            (b"a\x1b]0;never ended\nb\n", &["a", "b"]),
            (b"a\x1bPnever ended\nb\n", &["a", "b"]),
            (b"a\x1b[12\nb\n", &["a", "b"]),
            (b"\x1b[31m", &[]),
        ];
        for (bytes, expected) in table {
            assert_eq!(
                lines(bytes),
                expected,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let exact = "é".repeat(WIDTH);
        assert_eq!(lines(exact.as_bytes()), [exact.as_str()]);
        let line = lines(&[b'x'; 10_000]).pop().unwrap();
        assert_eq!(line.chars().count(), WIDTH);
        assert!(line.ends_with("x [...]"));
    }

    #[test]
    fn the_tail_is_the_last() {
        let mut tail = Tail::new(2);
        for line in ["a", "b", "c"] {
            tail.push(line.to_owned());
        }
        assert_eq!(tail.lines().collect::<Vec<_>>(), ["b", "c"]);
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            prop::sample::select(vec![
                "\x1b[", "\x1b]", "\x1bP", "31m", "\r", "\n", "\r\n", "ü", "\u{202e}", "\x07",
                "abc"
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ];
        proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn borders_between_chunks_change_nothing(bytes in bytes(), size in 1usize..9) {
            let mut sink = Sink::default();
            let mut chunked: Vec<_> = bytes.chunks(size).flat_map(|c| sink.push(c)).collect();
            chunked.extend(sink.finish());
            prop_assert_eq!(chunked, lines(&bytes));
        }

        #[test]
        fn nothing_but_printable_text_comes_out(bytes in bytes()) {
            for line in lines(&bytes) {
                prop_assert!(line.chars().all(|c| c == '\t' || (!c.is_control() && !disguises(c))));
                prop_assert!(line.chars().count() <= WIDTH);
            }
        }
    }
}
