#![allow(clippy::unwrap_used)] // what fails here fails the test

use http::{StatusCode, header::LOCATION};
use proptest::prelude::*;

use crate::{Head, Malformed, Params, Part, Reader, begin, stdin};

/// A record as an application sends it, with padding.
fn record(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = vec![1, kind, 0, 1, length[0], length[1], padding, 0];
    bytes.extend(content);
    bytes.extend(vec![0xff; usize::from(padding)]);
    bytes
}

fn end(status: u8) -> Vec<u8> {
    record(3, &[0, 0, 0, 0, status, 0, 0, 0], 0)
}

#[test]
fn a_request_is_what_the_specification_says() {
    let mut sent = Vec::new();
    begin(&mut sent);
    let mut params = Params::default();
    params.push("A", "bc");
    params.push("L", "x".repeat(200));
    params.write(&mut sent);
    stdin(&mut sent, b"hi");
    stdin(&mut sent, b"");
    let mut expected = vec![1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    expected.extend([1, 4, 0, 1, 0, 211, 0, 0, 1, 2, b'A', b'b', b'c']);
    expected.extend([1, 0x80, 0, 0, 200, b'L']);
    expected.extend([b'x'; 200]);
    expected.extend([1, 4, 0, 1, 0, 0, 0, 0]);
    expected.extend([1, 5, 0, 1, 0, 2, 0, 0, b'h', b'i', 1, 5, 0, 1, 0, 0, 0, 0]);
    assert_eq!(sent, expected);
}

#[test]
fn what_is_no_answer_is_refused() {
    for bad in [
        vec![2, 6, 0, 1, 0, 0, 0, 0],
        vec![1, 6, 0, 2, 0, 0, 0, 0],
        record(1, b"", 0),
        record(3, b"", 0),
        b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
    ] {
        let mut reader = Reader::default();
        reader.buffer().extend_from_slice(&bad);
        assert_eq!(reader.part(), Err(Malformed::Record), "{bad:?}");
    }
    let mut reader = Reader::default();
    reader.buffer().extend_from_slice(&end(2));
    assert_eq!(reader.part(), Err(Malformed::Refused(2)));
}

#[test]
fn heads() {
    let read = |text: &str| Head::read(text.as_bytes());
    let (head, length) = read("Status: 404 Not Found\r\nX-A: 1\r\nX-A: 2\r\n\r\nbody")
        .unwrap()
        .unwrap();
    assert_eq!((head.status, length), (StatusCode::NOT_FOUND, 41));
    assert_eq!(head.headers.get_all("x-a").iter().count(), 2);
    assert!(!head.headers.contains_key("status"));
    let (head, _) = read("Location: /x\n\n").unwrap().unwrap();
    assert_eq!(
        (head.status, &head.headers[LOCATION]),
        (StatusCode::FOUND, &"/x".parse().unwrap())
    );
    assert_eq!(read("\r\n").unwrap().unwrap().0.status, StatusCode::OK);
    assert_eq!(read("Content-Type: text/html\r\n"), Ok(None));
    for bad in [
        "Status: 101 x\r\n\r\n",
        "Status: 20\r\n\r\n",
        "Status: 2000\r\n\r\n",
        "a b\r\n\r\n",
    ] {
        assert_eq!(read(bad), Err(Malformed::Head), "{bad}");
    }
    let endless = format!("X: {}", "y".repeat(70_000));
    assert_eq!(read(&endless), Err(Malformed::Large));
}

/// The parts that come out when bytes come in pieces of these sizes.
fn parts(bytes: &[u8], sizes: &[usize]) -> Result<Vec<Part>, Malformed> {
    let (mut reader, mut parts, mut rest) = (Reader::default(), Vec::new(), bytes);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        let (piece, left) = rest.split_at(size);
        rest = left;
        reader.buffer().extend_from_slice(piece);
        while let Some(part) = reader.part()? {
            parts.push(part);
        }
    }
    Ok(parts)
}

proptest! {
    #[test]
    fn an_answer_is_the_same_in_whatever_pieces_it_comes(
        contents in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300), 0u8..9), 0..8),
        sizes in prop::collection::vec(1usize..40, 1..5),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (is_output, content, padding) in contents {
            bytes.extend(record(if is_output { 6 } else { 7 }, &content, padding));
            if !content.is_empty() {
                let content = content.into();
                expected.push(if is_output { Part::Stdout(content) } else { Part::Stderr(content) });
            }
        }
        bytes.extend(end(0));
        expected.push(Part::End);
        prop_assert_eq!(parts(&bytes, &sizes), Ok(expected));
    }

    #[test]
    fn nothing_that_comes_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        sizes in prop::collection::vec(1usize..40, 1..5),
    ) {
        parts(&bytes, &sizes).ok();
        Head::read(&bytes).ok();
    }

    #[test]
    fn a_body_of_any_size_comes_back_whole(size in 0usize..200_000) {
        let body = vec![7u8; size];
        let mut sent = Vec::new();
        stdin(&mut sent, &body);
        // An application's output has the same form, but for its kind.
        let (mut back, mut rest) = (0, &sent[..]);
        while let [_, kind, _, _, high, low, padding, _, content @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            prop_assert_eq!((*kind, *padding), (5, 0));
            back += length;
            rest = &content[length..];
        }
        prop_assert_eq!((back, rest.len()), (size, 0));
    }
}
