//! Events of [`tracing`] become entries.

use std::fmt::{Debug, Write};

use log::Level;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::sender::{Entry, Kind, Sender};

/// Hands each event to the thread that writes to the journal. Fields keep their names.
#[derive(Debug)]
pub(super) struct ToJournal(pub(super) Sender);

impl<S: Subscriber> Layer<S> for ToJournal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut entry = Entry {
            kind: match metadata.target() {
                super::BUILD => Kind::Line,
                _ => Kind::Event,
            },
            level: level(*metadata.level()),
            target: metadata.target(),
            file: metadata.file(),
            line: metadata.line(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut Into(&mut entry));
        self.0.send(entry);
    }
}

/// Their numbers in the journal: error 3, warning 4, what happens 5 (notice), steps 6.
fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

struct Into<'a>(&'a mut Entry);

impl Visit for Into<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.0.message),
            name => self.0.fields.push((name, value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").expect("a string takes all");
        self.record_str(field, &text);
    }
}
