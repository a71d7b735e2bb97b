//! `wharf activity wait`: until it has ended, over restarts of the daemon.

use std::{
    sync::mpsc::{self, Receiver, Sender},
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

/// What is told to whoever waits.
enum News {
    /// The daemon went away, and why it is believed so.
    Away(Failure),
    /// It is there again.
    There,
    /// Nothing more comes.
    Done(Box<Result<Ended, Failure>>),
}

/// How it ended.
struct Ended {
    line: Option<String>,
    record: Option<Item>,
    exit: Exit,
}

/// Waits, prints the last line or the record, and exits by the result. A daemon that is away, now or
/// later, is waited for up to [`AWAY`], and people are told so.
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
    thread::spawn(move || {
        let done = until_ended(&place, &wanted, form, &tell);
        tell.send(News::Done(Box::new(done))).is_ok()
    });
    let ended = hear(&told, id, timeout)?;
    if let Some(line) = &ended.line {
        show::line(&failure::plain(line))?;
    }
    if let Some(Item::Activity(activity)) = &ended.record {
        show::json(activity)?;
    }
    Ok(ended.exit)
}

/// What became of it within the timeout.
fn hear(told: &Receiver<News>, id: &str, timeout: Option<Duration>) -> Result<Ended, Failure> {
    let since = Instant::now();
    let mut away = None;
    loop {
        let news = match timeout {
            Some(timeout) => told
                .recv_timeout(timeout.saturating_sub(since.elapsed()))
                .ok(),
            None => told.recv().ok(),
        };
        match news {
            Some(News::Done(done)) => return *done,
            Some(News::There) => away = None,
            Some(News::Away(failure)) => {
                let time = AWAY.as_secs();
                failure::note(&format!("{failure}; waiting for it, at most {time} s"));
                away = Some(failure);
            }
            // Whether it goes on is not known where nobody could be asked.
            None => return Err(away.unwrap_or_else(|| late(id, timeout.unwrap_or_default()))),
        }
    }
}

fn late(id: &str, timeout: Duration) -> Failure {
    let time = timeout.as_secs();
    Failure::new(Exit::Failed, format!("{id} goes on after {time}s"))
        .code("timeout")
        .hint(format!("see where it stands: wharf activity show {id}"))
}

fn until_ended(
    place: &Place,
    id: &str,
    form: WaitForm,
    tell: &Sender<News>,
) -> Result<Ended, Failure> {
    let mut away: Option<Instant> = None;
    loop {
        let asked = Conversation::begin(place, question(id, form)).and_then(|conversation| {
            if away.take().is_some() {
                // Nobody listens any more once the timeout is over.
                tell.send(News::There).ok();
            }
            the_end(conversation)
        });
        let failure = match asked {
            Err(failure) if failure.is_away() => failure,
            done => return done,
        };
        match away {
            Some(since) if since.elapsed() >= AWAY => return Err(failure),
            Some(_) => {}
            None => {
                away = Some(Instant::now());
                tell.send(News::Away(failure)).ok();
            }
        }
        pause();
    }
}

fn question(id: &str, form: WaitForm) -> Ask {
    let activity = id.to_owned();
    Ask::Wait { activity, form }
}

/// One conversation to its end.
fn the_end(mut conversation: Conversation) -> Result<Ended, Failure> {
    let mut ended = Ended {
        line: None,
        record: None,
        exit: Exit::Failed,
    };
    loop {
        match conversation.answer()? {
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
