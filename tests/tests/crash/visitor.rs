//! Somebody who keeps asking for the application while things are killed.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wharf_tests::{Visitor, World};

/// Between two requests.
const PACE: Duration = Duration::from_millis(5);

/// What an answer was: its status and body, or what went wrong.
pub(crate) type Answer = Result<(u16, String), String>;

/// A visitor at work.
pub(crate) struct Visits {
    stop: Sender<()>,
    asking: JoinHandle<Vec<Answer>>,
}

impl Visits {
    /// Begins to ask for both pages, each time over a new connection.
    pub(crate) fn begin(world: &World, host: &str) -> Visits {
        Visits::asking(world, host, |port, _| Visitor::new(port))
    }

    /// The same over one connection, as long as that is kept open.
    pub(crate) fn begin_regular(world: &World, host: &str) -> Visits {
        Visits::asking(world, host, |_, regular| regular)
    }

    fn asking(world: &World, host: &str, who: fn(u16, Visitor) -> Visitor) -> Visits {
        let (port, host) = (world.port(), host.to_owned());
        let (stop, stopped) = mpsc::channel();
        let asking = thread::spawn(move || {
            let mut answers = Vec::new();
            let mut visitor = Visitor::new(port);
            for path in ["/", "/built"].iter().cycle() {
                visitor = who(port, visitor);
                let page = visitor.get(&host, path);
                answers.push(match page {
                    Ok(page) => Ok((page.status, page.body)),
                    Err(error) => Err(error.to_string()),
                });
                match stopped.recv_timeout(PACE) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => break,
                }
            }
            answers
        });
        Visits { stop, asking }
    }

    /// Every answer, in order.
    pub(crate) fn end(self) -> Vec<Answer> {
        self.stop.send(()).unwrap();
        self.asking.join().unwrap()
    }
}

/// What is wrong with the answers of an application that goes from `old` to `new`, if it does;
/// none stands for one that is gone. Connections may fail while there is no router.
pub(crate) fn wrong(
    answers: &[Answer],
    old: Option<&str>,
    new: Option<&str>,
    router_lived: bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let is = |answer: &Answer, what: Option<&str>| match (answer, what) {
        (Ok((status, body)), Some(version)) => *status == 200 && body.trim_end() == version,
        // Deleted, or paused: the judge tells which.
        (Ok((status, _)), None) => matches!(*status, 404 | 503),
        (Err(_), _) => false,
    };
    let mut switched = false;
    for (number, answer) in answers.iter().enumerate() {
        if is(answer, new) {
            switched = true;
        } else if is(answer, old) {
            if switched {
                wrong.push(format!("request {number} got the old again: {answer:?}"));
            }
        } else if answer.is_ok() || router_lived {
            wrong.push(format!("request {number} of {}: {answer:?}", answers.len()));
        }
    }
    wrong.truncate(5);
    wrong
}
