//! A thread that writes to the journal, so that nobody else waits for it.
//!
//! journald takes datagrams, and whoever sends one waits while its queue is full: a journald that is busy, or
//! stopped, would stop the daemon. So entries wait here, a bounded number of them; what does not fit is
//! counted, and the count is said as soon as entries flow again.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use log::{Level, Record};
use systemd_journal_logger::JournalLog;

/// Entries of output that wait, at most; behind them there is room for what happens.
const LINES: usize = 4_096;
/// Entries of all kinds that wait, at most.
const ENTRIES: usize = 65_536;
/// How long the end of the process waits for what is left.
const PATIENCE: Duration = Duration::from_secs(1);

/// An entry as it goes to the journal.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) file: Option<&'static str>,
    pub(super) line: Option<u32>,
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, String)>,
}

/// What an entry is: there is always room for what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something happened.
    Event,
    /// Something was printed.
    Line,
}

/// The near end: takes entries and never waits.
#[derive(Debug, Clone)]
pub(super) struct Sender(Arc<Shared>);

/// The far end: whoever has it ends the thread, once what waits is written.
#[derive(Debug)]
pub struct Flush {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// How many found no room since the last one that did.
    lost: u64,
    ended: bool,
    /// Nothing is left, and the thread is gone.
    done: bool,
}

/// Begins, with one journal for what happens and one for what is printed.
///
/// # Errors
/// That there is no thread.
pub(super) fn start(events: JournalLog, lines: JournalLog) -> io::Result<(Sender, Flush)> {
    run(move |entry| {
        let journal = match entry.kind {
            Kind::Event => &events,
            Kind::Line => &lines,
        };
        let fields = entry.fields.as_slice();
        let sent = journal.journal_send(
            &Record::builder()
                .level(entry.level)
                .target(entry.target)
                .file(entry.file)
                .line(entry.line)
                .key_values(&fields)
                .args(format_args!("{}", entry.message))
                .build(),
        );
        // A journal that is away for a moment: what happened is in the record, too.
        drop(sent);
    })
}

fn run(mut write: impl FnMut(&Entry) + Send + 'static) -> io::Result<(Sender, Flush)> {
    let shared = Arc::new(Shared::default());
    let far = Arc::clone(&shared);
    let thread = std::thread::Builder::new()
        .name("journal".into())
        .spawn(move || {
            while let Some(entry) = far.next() {
                write(&entry);
            }
            far.lock().done = true;
            far.changed.notify_all();
        })?;
    let flush = Flush {
        shared: Arc::clone(&shared),
        thread: Some(thread),
    };
    Ok((Sender(shared), flush))
}

fn missing(lost: u64) -> Entry {
    Entry {
        kind: Kind::Event,
        level: Level::Warn,
        target: module_path!(),
        file: None,
        line: None,
        message: format!("{lost} entries are missing here: the journal did not take them in time"),
        fields: Vec::new(),
    }
}

impl Sender {
    /// Leaves an entry to be written; one for which there is no room is counted.
    pub(super) fn send(&self, entry: Entry) {
        let mut waiting = self.0.lock();
        let room = match entry.kind {
            Kind::Line => LINES,
            Kind::Event => ENTRIES,
        };
        if waiting.entries.len() >= room {
            waiting.lost += 1;
            return;
        }
        waiting.say_lost();
        waiting.entries.push_back(entry);
        drop(waiting);
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting
            .lock()
            .expect("nothing panics while it holds this")
    }

    /// The next entry; none at the end.
    fn next(&self) -> Option<Entry> {
        let mut waiting = self.lock();
        loop {
            if waiting.entries.is_empty() {
                waiting.say_lost();
            }
            if let Some(entry) = waiting.entries.pop_front() {
                return Some(entry);
            }
            if waiting.ended {
                return None;
            }
            waiting = self
                .changed
                .wait(waiting)
                .expect("nothing panics while it holds this");
        }
    }
}

impl Waiting {
    /// Says how many are missing, where they are.
    fn say_lost(&mut self) {
        if self.lost > 0 {
            self.entries
                .push_back(missing(std::mem::take(&mut self.lost)));
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let until = Instant::now() + PATIENCE;
        let mut waiting = self.shared.lock();
        waiting.ended = true;
        self.shared.changed.notify_all();
        while !waiting.done
            && let Some(left) = until.checked_duration_since(Instant::now())
        {
            let (next, _) = self
                .shared
                .changed
                .wait_timeout(waiting, left)
                .expect("nothing panics while it holds this");
            waiting = next;
        }
        let done = waiting.done;
        drop(waiting);
        if let Some(thread) = self.thread.take().filter(|_| done) {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::sync::mpsc::{channel, sync_channel};

    use super::*;

    fn entry(kind: Kind, message: &str) -> Entry {
        Entry {
            kind,
            level: Level::Info,
            target: "test",
            file: None,
            line: None,
            message: message.to_owned(),
            fields: Vec::new(),
        }
    }

    /// A journal that takes nothing: whoever says something goes on at once, what does not fit is counted,
    /// and what happens has room behind any number of lines.
    #[test]
    fn nobody_waits_for_the_journal() {
        let (written, read) = channel();
        let (hold, held) = sync_channel::<()>(0);
        let mut first = true;
        let (sender, flush) = run(move |entry: &Entry| {
            if std::mem::take(&mut first) {
                held.recv().unwrap();
            }
            written.send(entry.message.clone()).unwrap();
        })
        .unwrap();
        sender.send(entry(Kind::Event, "begins"));
        // Taken by the thread, or waiting: either way there is room for so many lines behind it.
        for _ in 0..LINES + 1_000 {
            sender.send(entry(Kind::Line, "line"));
        }
        sender.send(entry(Kind::Event, "ends"));
        hold.send(()).unwrap();
        drop(flush);
        let read: Vec<String> = read.iter().collect();
        assert_eq!(read.first().unwrap(), "begins");
        assert_eq!(read.last().unwrap(), "ends");
        let lines = read.iter().filter(|line| *line == "line").count();
        assert!((LINES - 1..=LINES).contains(&lines), "{lines}");
        let lost = LINES + 1_000 - lines;
        let missing = read
            .iter()
            .position(|line| line.contains("entries are missing"));
        assert!(
            read[missing.unwrap()].starts_with(&lost.to_string()),
            "{read:?}"
        );
        assert_eq!(missing, Some(read.len() - 2), "where they are missing");
    }

    #[test]
    fn a_journal_that_never_answers_does_not_keep_the_process() {
        let (_never, held) = channel::<()>();
        let (sender, flush) =
            run(move |_| assert!(held.recv_timeout(Duration::from_secs(60)).is_err())).unwrap();
        sender.send(entry(Kind::Event, "begins"));
        let began = Instant::now();
        drop(flush);
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
