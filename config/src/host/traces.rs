//! `[traces]`: where a tracing system takes what activities took.

use std::path::PathBuf;

use super::read::Merge;
use crate::{
    notify::WebhookUrl,
    project::read::absolute,
    reader::{Item, Table},
};

/// Where traces go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// The address of OTLP over HTTP, without `/v1/traces`; none: nowhere.
    pub endpoint: Option<WebhookUrl>,
    /// A file with headers of each request, one a line.
    pub headers_file: Option<PathBuf>,
}

/// How `wharfd check` prints what counts where nobody wrote anything.
pub(super) const SHOWN: [(&str, &str); 2] = [
    ("traces.endpoint", "\"off\""),
    ("traces.headers_file", "none"),
];

/// Reads the section.
pub(super) fn merge(table: &Table<'_>, m: &mut Merge<'_>) {
    let item = table.get("endpoint");
    m.key(item, "traces.endpoint", endpoint, |h, v| {
        h.traces.endpoint = v
    });
    let item = table.get("headers_file");
    m.key(item, "traces.headers_file", absolute, |h, v| {
        h.traces.headers_file = Some(v)
    });
}

fn endpoint(item: &Item<'_>) -> Option<Option<WebhookUrl>> {
    item.parsed("\"http://127.0.0.1:4318\"", |text| match text {
        "off" => Ok(None),
        text if text.contains('?') => Err("must have no query: /v1/traces is put behind it"),
        text => WebhookUrl::parse(text.trim_end_matches('/')).map(Some),
    })
}
