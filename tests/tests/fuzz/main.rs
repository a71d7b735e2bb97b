//! Everything that strangers write and Wharf reads: examples of each lie in `corpus/`, and are
//! changed at random. Nothing panics, hangs or grows, whatever comes.
//!
//! Budget: 1 minute. `WHARF_FUZZ` is how many changed inputs each reader gets; `make test-long` gives
//! a million. An input that fails belongs into the corpus, where every run reads it.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod configuration;
mod edit;
mod output;
mod protocol;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    test_runner::{Config, TestError, TestRunner},
};

/// Inputs for each reader, unless `WHARF_FUZZ` says otherwise.
const INPUTS: u32 = 2_000;
/// Changes of one example.
const EDITS: usize = 12;
/// No reader needs a hundredth of it, on a machine that does much else besides.
const LONGEST: Duration = Duration::from_secs(10);
/// All readers at the same time, in MB of resident memory.
const MOST: u64 = 512;

/// Reads all of a corpus, then what becomes of it. `read` says whether it took something of its
/// input: an example that is refused at the door leads nowhere.
fn fuzz(corpus: &str, read: impl Fn(&[u8]) -> bool) {
    let directory = directory(corpus);
    let mut examples: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert!(!examples.is_empty(), "{} is empty", directory.display());
    // The same run again, whatever the file system's order is.
    examples.sort();
    let examples: Vec<Vec<u8>> = examples.into_iter().map(|(_, bytes)| bytes).collect();
    let timed = |bytes: &[u8]| {
        let began = Instant::now();
        let taken = read(bytes);
        assert!(began.elapsed() < LONGEST, "it took {:?}", began.elapsed());
        taken
    };
    let taken = examples.iter().filter(|example| timed(example)).count();
    assert!(taken > 0, "{corpus}: nothing of it is good");

    let inputs = std::env::var("WHARF_FUZZ").map(|said| said.parse().expect("a number"));
    let mut runner = TestRunner::new(Config {
        cases: inputs.unwrap_or(INPUTS),
        failure_persistence: None,
        ..Config::default()
    });
    let changes = (
        any::<prop::sample::Index>(),
        prop::collection::vec(edit::edit(), 0..EDITS),
    );
    let failed = runner.run(&changes, |(chosen, edits)| {
        timed(&edit::apply(&examples, chosen, &edits));
        Ok(())
    });
    if let Err(error) = failed {
        let TestError::Fail(why, (chosen, edits)) = error else {
            panic!("{corpus}: {error}");
        };
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{corpus}.failed"));
        fs::write(&kept, edit::apply(&examples, chosen, &edits)).unwrap();
        panic!(
            "{corpus}: {why}; the input is kept as {}, move it into {}",
            kept.display(),
            directory.display()
        );
    }
    assert!(
        resident() < MOST,
        "{corpus}: {} MB are resident",
        resident()
    );
}

fn directory(corpus: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("fuzz/corpus").join(corpus)
}

/// The most memory that this program had so far, in MB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1_000
}
