//! What builds and applications print.

use wharf_daemon::run::{
    mask::Mask,
    output::{Sink, WIDTH},
};

use crate::fuzz;

const SECRET: &str = "s3cr3t-value";
/// As it comes through a pipe.
const CHUNK: usize = 61;

#[test]
fn lines_for_people() {
    fuzz("output", |bytes| {
        let mut mask = Mask::new(&[SECRET.to_owned()]);
        let mut sink = Sink::default();
        let mut lines = Vec::new();
        for chunk in bytes.chunks(CHUNK) {
            lines.extend(sink.push(&mask.push(chunk)));
        }
        lines.extend(sink.push(&mask.finish()));
        lines.extend(sink.finish());
        for line in lines {
            assert!(line.chars().count() <= WIDTH, "{line:?}");
            let shows = |c: char| c == '\t' || !c.is_control();
            assert!(line.chars().all(shows), "{line:?}");
        }
        true
    });
}

#[test]
fn a_secret_in_whatever_is_around_it() {
    fuzz("output", |bytes| {
        let bytes = [bytes, SECRET.as_bytes(), bytes].concat();
        let mut mask = Mask::new(&[SECRET.to_owned()]);
        let mut shown = Vec::new();
        for chunk in bytes.chunks(CHUNK) {
            shown.extend(mask.push(chunk));
        }
        shown.extend(mask.finish());
        let mut windows = shown.windows(SECRET.len());
        assert!(!windows.any(|window| window == SECRET.as_bytes()));
        true
    });
}
