//! Those who wait for something to be said.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Stdio};

use serde_json::Value;
use wharf_tests::{Tree, World};

/// A push that goes on while the test does something else.
pub(crate) struct Pushing {
    git: Child,
    transcript: BufReader<ChildStderr>,
    read: String,
}

impl Pushing {
    /// Begins `git push wharf WORDS`.
    pub(crate) fn begin(shop: &Tree<'_>, words: &[&str]) -> Pushing {
        let mut git = shop.command("git");
        git.args(["push", "wharf"])
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut git = git.spawn().unwrap();
        let transcript = BufReader::new(git.stderr.take().unwrap());
        Pushing {
            git,
            transcript,
            read: String::new(),
        }
    }

    /// Reads until a line holds the text.
    pub(crate) fn until(&mut self, text: &str) {
        loop {
            let from = self.read.len();
            let length = self.transcript.read_line(&mut self.read).unwrap();
            assert_ne!(length, 0, "never said `{text}`:\n{}", self.read);
            if self.read[from..].contains(text) {
                return;
            }
        }
    }

    /// The client ends without a word; what it started on the host lives on.
    pub(crate) fn vanish(mut self) {
        self.git.kill().unwrap();
        self.git.wait().unwrap();
    }

    /// All that was said, once it is over.
    pub(crate) fn end(mut self) -> String {
        self.transcript.read_to_string(&mut self.read).unwrap();
        self.git.wait().unwrap();
        self.read
    }
}

/// Waits until the daemon's log says it.
pub(crate) fn wait_for_log(world: &World, text: &str) {
    let mut tail = world.command("tail");
    tail.args(["-n", "+1", "-F", "wharfd.log"])
        .current_dir(world.path(""))
        .stdout(Stdio::piped());
    let mut tail = tail.spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let found = lines.map_while(Result::ok).any(|line| line.contains(text));
    tail.kill().unwrap();
    tail.wait().unwrap();
    assert!(found, "{}", world.logs());
}

/// Every activity of the work tree's project, newest first.
pub(crate) fn activities(shop: &Tree<'_>) -> Vec<Value> {
    let out = shop.wharf(&["activities", "-n", "100", "--json"]).ok().out;
    serde_json::from_str(&out).unwrap()
}
