//! `wharf activity wait`: until it has ended, over restarts of the daemon.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, WaitForm},
    outcome::Exit,
    view::Item,
};

use crate::{
    daemon::{Answer, Conversation},
    failure::{self, Failure},
    show,
};

/// How long the daemon may be away while somebody waits.
const AWAY: Duration = Duration::from_secs(60);
/// Between two attempts to reach it.
const AGAIN: Duration = Duration::from_millis(250);

/// How it ended.
struct Ended {
    line: Option<String>,
    record: Option<Item>,
    exit: Exit,
}

/// Waits, prints the last line or the record, and exits by the result.
///
/// # Errors
/// There is no such activity, it goes on after the timeout, or the daemon stays away.
pub fn wait(
    place: &Place,
    id: &str,
    timeout: Option<Duration>,
    json: bool,
) -> Result<Exit, Failure> {
    let form = if json {
        WaitForm::Record
    } else {
        WaitForm::Line
    };
    let (tell, told) = mpsc::channel();
    let (place, wanted) = (place.clone(), id.to_owned());
    // It ends with the process, whatever it waits for.
    thread::spawn(move || tell.send(until_ended(&place, &wanted, form)).is_ok());
    let late = || {
        let time = timeout.unwrap_or_default().as_secs();
        Failure::new(Exit::Failed, format!("{id} goes on after {time}s"))
            .code("timeout")
            .hint(format!("see where it stands: wharf activity show {id}"))
    };
    let ended = match timeout {
        Some(timeout) => told.recv_timeout(timeout).map_err(|_| late())?,
        None => told.recv().map_err(|_| late())?,
    }?;
    if let Some(line) = &ended.line {
        show::line(&failure::plain(line))?;
    }
    if let Some(Item::Activity(activity)) = &ended.record {
        show::json(activity)?;
    }
    Ok(ended.exit)
}

fn until_ended(place: &Place, id: &str, form: WaitForm) -> Result<Ended, Failure> {
    let mut seen = None;
    loop {
        let failure = match ask(place, id, form, &mut seen) {
            Ok(ended) => return Ok(ended),
            Err(failure) => failure,
        };
        // A daemon that was never there is not waited for.
        let since: Instant = match seen {
            Some(since) if failure.exit == Exit::Unreachable => since,
            _ => return Err(failure),
        };
        if since.elapsed() >= AWAY {
            return Err(failure);
        }
        pause();
    }
}

/// One conversation; `seen` is when the daemon was there.
fn ask(
    place: &Place,
    id: &str,
    form: WaitForm,
    seen: &mut Option<Instant>,
) -> Result<Ended, Failure> {
    let activity = id.to_owned();
    let mut conversation = Conversation::begin(place, Ask::Wait { activity, form })?;
    let mut ended = Ended {
        line: None,
        record: None,
        exit: Exit::Failed,
    };
    loop {
        *seen = Some(Instant::now());
        let answer = conversation.answer();
        // However long it took: until now it was there.
        *seen = Some(Instant::now());
        match answer? {
            Answer::Line(line) => ended.line = Some(line),
            Answer::Item(item) => ended.record = Some(*item),
            Answer::Queued(_) | Answer::Raw(_) | Answer::Ran(_) => {}
            Answer::End(exit) => return Ok(Ended { exit, ..ended }),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nobody tells when a daemon listens again"
)]
fn pause() {
    thread::sleep(AGAIN);
}
