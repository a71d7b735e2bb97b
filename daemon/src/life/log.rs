//! Where the daemon's own events go: the journal with fields, a terminal, or JSON lines.

use std::io::IsTerminal;
use std::os::linux::fs::MetadataExt;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Starts logging. `WHARF_LOG` filters; state changes are INFO, steps DEBUG.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env("WHARF_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let sink = if to_journal()
        && let Ok(journal) = tracing_journald::layer()
    {
        journal
            .with_field_prefix(None)
            .with_syslog_identifier("wharfd".into())
            .boxed()
    } else if std::io::stderr().is_terminal() {
        fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .boxed()
    } else {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr)
            .boxed()
    };
    tracing_subscriber::registry()
        .with(sink.with_filter(filter))
        .init();
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
