//! Where the router's own events go: a terminal, the journal, or JSON lines.

use std::{env, fmt, io::IsTerminal, os::unix::fs::MetadataExt};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
    },
    registry::LookupSpan,
};
use wharf_router::flags::LogForm;

/// Starts logging. `WHARF_LOG` filters; without a form, the one that fits where standard error leads.
pub(crate) fn start(form: Option<LogForm>) {
    let filter = EnvFilter::try_from_env("WHARF_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match form.unwrap_or_else(fitting) {
        LogForm::Human => log.with_ansi(false).with_target(false).init(),
        LogForm::Journal => log.event_format(Prioritized::new()).init(),
        LogForm::Json => log.json().flatten_event(true).init(),
    }
}

fn fitting() -> LogForm {
    if std::io::stderr().is_terminal() {
        LogForm::Human
    } else if to_journal() {
        LogForm::Journal
    } else {
        LogForm::Json
    }
}

/// Whether standard error is the journal's own stream, as systemd says in `JOURNAL_STREAM`
/// (`device:inode`, see systemd.exec(5)).
fn to_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

/// Lines that begin with their priority, which journald takes off: see sd-daemon(3). It knows the time.
struct Prioritized(Format<Full, ()>);

impl Prioritized {
    fn new() -> Self {
        let format = Format::default().without_time().with_ansi(false);
        Self(format.with_level(false).with_target(false))
    }
}

impl<S, N> FormatEvent<S, N> for Prioritized
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}
