//! Several pushes to one environment: one works, one waits and says so, one is overtaken.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStderr, Stdio},
};

use wharf_tests::{Tree, obeys_the_rules};

use crate::laptop::{BUILT, on_one_git};
use crate::rejected::{GATED, open_gate};

/// A push that goes on, and what was read of it.
struct Pushing {
    push: Child,
    lines: Lines<BufReader<ChildStderr>>,
    said: String,
}

impl Pushing {
    /// Pushes a new commit.
    fn of(shop: &Tree<'_>) -> Pushing {
        shop.commit("Next");
        let mut push = shop.command("git");
        push.args(["push", "wharf", "main"]).stderr(Stdio::piped());
        let mut push = push.spawn().unwrap();
        let lines = BufReader::new(push.stderr.take().unwrap()).lines();
        Pushing {
            push,
            lines,
            said: String::new(),
        }
    }

    /// Reads until a line holds the text.
    fn until(mut self, text: &str) -> Pushing {
        while !self.said.contains(text) {
            assert!(self.line(), "no `{text}` in\n{}", self.said);
        }
        self
    }

    /// Reads to the end and returns the transcript.
    fn rest(mut self) -> String {
        while self.line() {}
        assert!(self.push.wait().unwrap().success(), "{}", self.said);
        self.said
    }

    fn line(&mut self) -> bool {
        let Some(line) = self.lines.next() else {
            return false;
        };
        if let Some(own) = line.unwrap().strip_prefix("remote: ") {
            self.said.push_str(own.trim_end());
            self.said.push('\n');
        }
        true
    }
}

#[test]
fn who_waits_knows_why_and_who_is_overtaken_too() {
    let files = [BUILT, ("build.sh", GATED), ("page", "one\n")];
    on_one_git(&files, |world, shop| {
        let first = Pushing::of(shop).until("| at the gate");
        let second = Pushing::of(shop).until("waiting: ");
        let third = Pushing::of(shop).until("waiting: ");
        open_gate(world);
        let second = second.rest();
        obeys_the_rules(&second);
        assert!(
            second.contains("is still at work in this environment"),
            "{second}"
        );
        assert!(second.contains("superseded by "), "{second}");
        let first = first.rest();
        obeys_the_rules(&first);
        assert!(first.contains("main now serves r1."), "{first}");
        let third = third.rest();
        obeys_the_rules(&third);
        assert!(third.contains("; this is next"), "{third}");
        assert!(third.contains("main now serves r2 (was r1)."), "{third}");
        println!("{second}\n{third}");
    });
}
