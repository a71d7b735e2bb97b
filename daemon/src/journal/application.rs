//! What an application prints, as entries under its own name: `project@environment`.

use std::io;
use std::time::{Duration, Instant};

use log::Level;
use systemd_journal_logger::JournalLog;

use super::sender::{self, Entry, Flush, Kind, Sender};
use crate::run::mask::Mask;
use crate::run::output::Sink;
use crate::run::sandbox::Label;

/// Lines in each [`INTERVAL`] that the journal gets, as it lets any service have by itself
/// (`RateLimitBurst=` of journald.conf(5)). The application's own log has all.
const BURST: u32 = 10_000;
const INTERVAL: Duration = Duration::from_secs(30);

/// The journal's end of an application's output.
#[derive(Debug)]
pub struct Application {
    sender: Sender,
    mask: Mask,
    sink: Sink,
    rate: Rate,
    /// Goes last: it waits for what the sender has.
    _flush: Flush,
}

impl Application {
    /// Begins, with the values that are starred in what it prints.
    ///
    /// # Errors
    /// That there is no journal.
    pub fn open(label: &Label, secrets: &[String]) -> io::Result<Application> {
        let Label {
            project,
            environment,
        } = label;
        let journal = || -> io::Result<JournalLog> {
            Ok(JournalLog::empty()?
                .with_syslog_identifier(format!("{project}@{environment}"))
                .with_extra_fields([
                    ("WHARF_PROJECT", project.as_str()),
                    ("WHARF_ENVIRONMENT", environment.as_str()),
                ]))
        };
        let (sender, flush) = sender::start(journal()?, journal()?)?;
        Ok(Application {
            sender,
            mask: Mask::new(secrets),
            sink: Sink::default(),
            rate: Rate::new(Instant::now()),
            _flush: flush,
        })
    }

    /// Takes what it printed; whole lines become entries.
    pub fn push(&mut self, bytes: &[u8]) {
        let certain = self.mask.push(bytes);
        for line in self.sink.push(&certain) {
            let (may, left_out) = self.rate.takes(Instant::now());
            if left_out > 0 {
                let text = format!("{left_out} lines are left out here; all: wharf log --app");
                self.send(Level::Warn, text);
            }
            if may {
                self.send(Level::Debug, line);
            }
        }
    }

    fn send(&self, level: Level, message: String) {
        self.sender.send(Entry {
            kind: Kind::Line,
            level,
            target: module_path!(),
            file: None,
            line: None,
            message,
            fields: Vec::new(),
        });
    }
}

/// How many lines there were lately.
#[derive(Debug)]
struct Rate {
    since: Instant,
    lines: u32,
}

impl Rate {
    fn new(now: Instant) -> Rate {
        Rate {
            since: now,
            lines: 0,
        }
    }

    /// Whether one more line is taken, and how many were not before it, where that is to be said now.
    fn takes(&mut self, now: Instant) -> (bool, u32) {
        let mut left_out = 0;
        if now.duration_since(self.since) >= INTERVAL {
            left_out = self.lines.saturating_sub(BURST);
            *self = Rate::new(now);
        }
        self.lines = self.lines.saturating_add(1);
        (self.lines <= BURST, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let began = Instant::now();
        let mut rate = Rate::new(began);
        let taken = (0..BURST + 500).filter(|_| rate.takes(began).0).count();
        assert_eq!(taken, BURST as usize);
        assert_eq!(rate.takes(began + INTERVAL), (true, 500));
        assert_eq!(rate.takes(began + INTERVAL), (true, 0));
    }
}
