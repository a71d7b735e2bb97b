//! Changes of an example, as values: what fails is made smaller by leaving some of them out.

use proptest::{prelude::*, sample::Index};

/// What means something to some reader, or to a shell, a terminal or a file system.
const WORDS: [&[u8]; 40] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b"\x1b[2J",
    b"\x1b]0;",
    b"\x9b31m",
    b"\xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80",
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{feff}".as_bytes(),
    "e\u{301}".as_bytes(),
    b"../",
    b"/",
    b"//",
    b"~",
    b"-",
    b"--exec=id",
    b"$(id)",
    b"`id`",
    b";",
    b"{default}",
    b"*",
    b"[[",
    b"]]",
    b"{",
    b"}",
    b"\"",
    b"\"\"\"",
    b"'''",
    b"\\",
    b"\\u0000",
    b"#",
    b"=",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"0000",
];
/// The longest piece that is removed or copied.
const PIECE: usize = 400;

/// One change.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// A byte becomes another.
    Set(Index, u8),
    /// Bytes come in between.
    Insert(Index, Vec<u8>),
    /// One of [`WORDS`] does.
    Word(Index, Index),
    /// A piece goes.
    Remove(Index, usize),
    /// A piece comes again elsewhere.
    Copy(Index, usize, Index),
    /// A piece of another example comes in.
    Splice(Index, Index, usize, Index),
    /// A piece comes so many times.
    Repeat(Index, usize, usize),
    /// The rest goes.
    Cut(Index),
}

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), prop::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(at, some)| Edit::Insert(at, some)),
        (at(), at()).prop_map(|(at, word)| Edit::Word(at, word)),
        (at(), 1..PIECE).prop_map(|(at, length)| Edit::Remove(at, length)),
        (at(), 1..PIECE, at()).prop_map(|(from, length, to)| Edit::Copy(from, length, to)),
        (at(), at(), 1..PIECE, at())
            .prop_map(|(other, from, length, to)| Edit::Splice(other, from, length, to)),
        (at(), 1..16_usize, 2..2_000_usize)
            .prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        at().prop_map(Edit::Cut),
    ]
}

/// The chosen example after these changes.
pub(crate) fn apply(examples: &[Vec<u8>], chosen: Index, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = examples[chosen.index(examples.len())].clone();
    for edit in edits {
        match edit {
            Edit::Set(at, byte) => {
                if !bytes.is_empty() {
                    *at.get_mut(&mut bytes) = *byte;
                }
            }
            Edit::Insert(at, some) => insert(&mut bytes, *at, some),
            Edit::Word(at, word) => insert(&mut bytes, *at, WORDS[word.index(WORDS.len())]),
            Edit::Remove(at, length) => {
                let at = place(&bytes, *at);
                let end = (at + length).min(bytes.len());
                bytes.drain(at..end);
            }
            Edit::Copy(from, length, to) => {
                let piece = piece(&bytes, *from, *length);
                insert(&mut bytes, *to, &piece);
            }
            Edit::Splice(other, from, length, to) => {
                let piece = piece(&examples[other.index(examples.len())], *from, *length);
                insert(&mut bytes, *to, &piece);
            }
            Edit::Repeat(at, length, times) => {
                let piece = piece(&bytes, *at, *length);
                insert(&mut bytes, *at, &piece.repeat(*times));
            }
            Edit::Cut(at) => bytes.truncate(place(&bytes, *at)),
        }
    }
    bytes
}

fn insert(bytes: &mut Vec<u8>, at: Index, some: &[u8]) {
    let at = place(bytes, at);
    bytes.splice(at..at, some.iter().copied());
}

fn piece(bytes: &[u8], from: Index, length: usize) -> Vec<u8> {
    let from = place(bytes, from);
    bytes[from..(from + length).min(bytes.len())].to_vec()
}

/// A place between two bytes, or at an end.
fn place(bytes: &[u8], at: Index) -> usize {
    at.index(bytes.len() + 1)
}
