//! Activity logs: one file of events each, written by one thread, followed by offset.
//!
//! Followers read the file, not a channel, so a slow reader neither loses lines nor slows a build.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncSeekExt, BufReader};
use tokio::sync::watch;
use wharf_wire::event::{Entry, Event};

use super::now;
use super::paths::Paths;

/// Bytes of one log that wait for room on the disk, at most.
const MAX_OWED: usize = 1 << 20;
/// Closed logs that wait for room, at most.
const MAX_LATE: usize = 64;
/// How long they wait for another attempt.
const AGAIN: Duration = Duration::from_secs(1);

/// All activity logs.
#[derive(Debug, Clone)]
pub struct Logs {
    paths: Paths,
    // Unbounded: an activity writes at most a few hundred events a step.
    writer: mpsc::Sender<Order>,
    grown: Arc<Mutex<HashMap<String, watch::Sender<u64>>>>,
}

enum Order {
    Append { activity: String, entry: Box<Entry> },
    Close { activity: String },
}

impl Logs {
    /// Starts the thread that writes.
    pub fn start(paths: &Paths) -> Logs {
        let (writer, orders) = mpsc::channel();
        let grown = Arc::new(Mutex::new(HashMap::new()));
        let logs = Logs {
            paths: paths.clone(),
            writer,
            grown: Arc::clone(&grown),
        };
        let paths = paths.clone();
        std::thread::Builder::new()
            .name("logs".into())
            .spawn(move || write_all(&paths, &orders, &grown))
            .expect("a thread can be started");
        logs
    }

    /// Says that the activity is alive: followers stay until [`Event::Ended`].
    pub fn open(&self, activity: &str) -> Log {
        let mut grown = self.grown.lock().expect("no holder of this lock panics");
        grown
            .entry(activity.to_owned())
            .or_insert_with(|| watch::channel(0).0);
        Log {
            activity: activity.to_owned(),
            writer: self.writer.clone(),
        }
    }

    /// Reads a log from its beginning; waits for more while the activity is alive.
    ///
    /// # Errors
    /// The file's, where it cannot be opened.
    pub async fn follow(&self, activity: &str) -> io::Result<Follower> {
        let grown = {
            let grown = self.grown.lock().expect("no holder of this lock panics");
            grown.get(activity).map(watch::Sender::subscribe)
        };
        Ok(Follower {
            path: self.paths.events(activity),
            reader: None,
            read: 0,
            grown,
        })
    }
}

/// Writes one activity's log.
#[derive(Debug, Clone)]
pub struct Log {
    activity: String,
    writer: mpsc::Sender<Order>,
}

impl Log {
    /// A log that nobody reads.
    pub fn silent() -> Log {
        Log {
            activity: String::new(),
            writer: mpsc::channel().0,
        }
    }

    /// Appends an event. The end of an activity closes its log.
    pub fn event(&self, event: Event) {
        let ends = matches!(event, Event::Ended(_));
        let activity = self.activity.clone();
        let entry = Box::new(Entry { at: now(), event });
        // The thread lives as long as the daemon; nobody is left to read when it is gone.
        drop(self.writer.send(Order::Append {
            activity: activity.clone(),
            entry,
        }));
        if ends {
            drop(self.writer.send(Order::Close { activity }));
        }
    }

    /// Appends a line of our own.
    pub fn note(&self, text: impl Into<String>) {
        self.event(Event::Note { text: text.into() });
    }
}

fn write_all(
    paths: &Paths,
    orders: &mpsc::Receiver<Order>,
    grown: &Mutex<HashMap<String, watch::Sender<u64>>>,
) {
    let mut files: HashMap<String, Writer> = HashMap::new();
    // Closed, and a full disk did not take their ends yet: without a file to append to, all of it.
    let mut late: Vec<Writer> = Vec::new();
    loop {
        let order = match late.is_empty() {
            true => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => orders.recv_timeout(AGAIN),
        };
        late.retain_mut(|writer| writer.write(b"").is_err());
        match order {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(Order::Append { activity, entry }) => {
                if let Err(error) = append(paths, &mut files, &activity, &entry) {
                    tracing::error!(WHARF_ACTIVITY = activity, %error, "log not written");
                }
                let grown = grown.lock().expect("no holder of this lock panics");
                if let Some(length) = grown.get(&activity) {
                    length.send_modify(|length| *length += 1);
                }
            }
            Ok(Order::Close { activity }) => {
                if let Some(mut file) = files.remove(&activity)
                    && let Err(error) = file.write(b"")
                {
                    tracing::error!(WHARF_ACTIVITY = activity, %error, "log not whole yet");
                    if late.len() < MAX_LATE {
                        late.push(file);
                    }
                }
                grown
                    .lock()
                    .expect("no holder of this lock panics")
                    .remove(&activity);
            }
        }
    }
}

fn append(
    paths: &Paths,
    files: &mut HashMap<String, Writer>,
    activity: &str,
    entry: &Entry,
) -> io::Result<()> {
    let writer = files
        .entry(activity.to_owned())
        .or_insert_with(|| Writer::new(paths.events(activity)));
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    writer.write(&line)
}

/// The end of a log's file, and what a full disk did not take yet.
struct Writer {
    path: PathBuf,
    file: Option<File>,
    owed: Vec<u8>,
}

impl Writer {
    fn new(path: PathBuf) -> Writer {
        Writer {
            path,
            file: None,
            owed: Vec::new(),
        }
    }

    /// Writes whole lines, in order. What cannot be written now is kept for the next time.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.owed.len() + line.len() > MAX_OWED {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.owed.extend(line);
        if self.owed.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(open(&self.path)?),
        };
        let length = file.metadata()?.len();
        // One write a line: a reader never sees a part of it that a later write completes
        // differently.
        if let Err(error) = file.write_all(&self.owed) {
            file.set_len(length)?;
            return Err(error);
        }
        self.owed.clear();
        Ok(())
    }
}

/// Opens a log to append to it. A line that a power cut tore is closed: the next one is whole.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .append(true)
        .read(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let length = file.metadata()?.len();
    if length > 0 {
        let mut last = [0];
        file.read_exact_at(&mut last, length - 1)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// Reads a log.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    reader: Option<BufReader<tokio::fs::File>>,
    read: u64,
    grown: Option<watch::Receiver<u64>>,
}

impl Follower {
    /// The next event; none after the last one of an activity that is not alive.
    ///
    /// # Errors
    /// The file's.
    pub async fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            // Seen before reading, so that what is written meanwhile wakes us.
            if let Some(grown) = &mut self.grown {
                grown.borrow_and_update();
            }
            if let Some(entry) = self.read_line().await? {
                return Ok(Some(entry));
            }
            match &mut self.grown {
                None => return Ok(None),
                Some(grown) => {
                    if grown.changed().await.is_err() {
                        // Closed: one more look, then the end.
                        self.grown = None;
                    }
                }
            }
        }
    }

    /// The next event that is in the file already.
    ///
    /// # Errors
    /// The file's.
    pub async fn read_line(&mut self) -> io::Result<Option<Entry>> {
        if self.reader.is_none() {
            match tokio::fs::File::open(&self.path).await {
                Ok(file) => self.reader = Some(BufReader::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let reader = self.reader.as_mut().expect("just opened");
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).await?;
            if length == 0 {
                return Ok(None);
            }
            if line.last() != Some(&b'\n') {
                // Half a line: whole at the next look.
                reader.seek(io::SeekFrom::Start(self.read)).await?;
                return Ok(None);
            }
            self.read += length as u64;
            // A line that a power cut tore is passed over.
            if let Ok(entry) = serde_json::from_slice(&line) {
                return Ok(Some(entry));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_config::place::Place;

    fn logs(directory: &std::path::Path) -> Logs {
        let place = Place {
            config: directory.join("config"),
            state: directory.join("state"),
            run: directory.join("run"),
            git: directory.join("git"),
        };
        let paths = Paths::new(&place);
        paths.make().unwrap();
        Logs::start(&paths)
    }

    #[test]
    fn what_the_disk_did_not_take_is_written_with_the_next_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/4f2a.jsonl");
        let mut writer = Writer::new(path.clone());
        assert!(writer.write(b"first\n").is_err(), "there is no directory");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        writer.write(b"second\n").unwrap();
        writer.write(b"").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first\nsecond\n");
    }

    #[test]
    fn a_line_that_a_power_cut_tore_takes_no_other_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("4f2a.jsonl");
        for (torn, then) in [("", "new\n"), ("old\n", "old\nnew\n"), ("to", "to\nnew\n")] {
            std::fs::write(&path, torn).unwrap();
            Writer::new(path.clone()).write(b"new\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), then);
        }
    }

    #[tokio::test]
    async fn a_log_that_ended_while_there_was_no_room_is_written_when_there_is() {
        let directory = tempfile::tempdir().unwrap();
        let logs = logs(directory.path());
        let place = logs.paths.logs();
        std::fs::remove_dir(&place).unwrap();
        let log = logs.open("4f2a");
        let mut follower = logs.follow("4f2a").await.unwrap();
        log.event(Event::Ended(Box::new(ended())));
        assert!(
            follower.next().await.unwrap().is_none(),
            "closed, unwritten"
        );
        std::fs::create_dir(&place).unwrap();
        // Whatever comes next finds it written.
        let other = logs.open("4f2b");
        let mut after = logs.follow("4f2b").await.unwrap();
        other.note("next");
        after.next().await.unwrap().unwrap();
        let mut again = logs.follow("4f2a").await.unwrap();
        let entry = again.next().await.unwrap().unwrap();
        assert!(matches!(entry.event, Event::Ended(_)));
    }

    fn ended() -> wharf_wire::event::Ended {
        wharf_wire::event::Ended {
            state: wharf_wire::outcome::State::Succeeded,
            verdict: "done".into(),
            details: vec![],
            hints: vec![],
            url: None,
            serves: "it serves".into(),
            milliseconds: 1,
            maintenance_ms: None,
        }
    }

    #[tokio::test]
    async fn a_follower_sees_what_was_there_and_what_comes_and_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let logs = logs(directory.path());
        let log = logs.open("4f2a");
        log.note("first");
        let mut follower = logs.follow("4f2a").await.unwrap();
        assert_eq!(
            follower.next().await.unwrap().unwrap().event,
            Event::Note {
                text: "first".into()
            }
        );
        let waiting = tokio::spawn(async move {
            let second = follower.next().await.unwrap();
            (second, follower)
        });
        log.note("second");
        let (second, mut follower) = waiting.await.unwrap();
        assert_eq!(
            second.unwrap().event,
            Event::Note {
                text: "second".into()
            }
        );
        log.event(Event::Ended(Box::new(ended())));
        assert!(matches!(
            follower.next().await.unwrap().unwrap().event,
            Event::Ended(_)
        ));
        assert!(follower.next().await.unwrap().is_none());
    }
}
