//! Where the daemon's own events go: the journal with fields, a terminal, or JSON lines.

use std::io::IsTerminal;
use std::os::linux::fs::MetadataExt;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::journal::{self, Flush};

/// Starts logging. `WHARF_LOG` filters; state changes are INFO, steps and commands' output DEBUG. What is
/// returned is kept until the process ends.
pub(super) fn start() -> Option<Flush> {
    let (sink, flush, usual) = if to_journal()
        && let Ok((journal, flush)) = journal::layer()
    {
        // One query reads daemon and builds.
        let usual = format!("info,{}=debug", journal::BUILD);
        (journal.boxed(), Some(flush), usual)
    } else if std::io::stderr().is_terminal() {
        let terminal = fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .boxed();
        (terminal, None, "info".to_owned())
    } else {
        let lines = fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr)
            .boxed();
        (lines, None, "info".to_owned())
    };
    let filter = EnvFilter::try_from_env("WHARF_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::registry()
        .with(sink.with_filter(filter))
        .init();
    flush
}

/// Whether standard error is the journal's own stream, as systemd says in `JOURNAL_STREAM`
/// (`device:inode`, see systemd.exec(5)).
fn to_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev(), stderr.st_ino()))
}
