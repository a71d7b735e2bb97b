//! A recorded activity becomes spans: itself, the wait for its turn, its stages, and their steps.
//!
//! Ids come from the activity's own, so that whoever knows it finds its trace, and whoever is told twice has it once.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use sha2::{Digest as _, Sha256};
use wharf_wire::outcome::State;
use wharf_wire::view::{Activity, Step};

use crate::journal::Facts;

/// A trace, as it is sent.
pub(super) fn of(activity: &Activity, facts: &Facts) -> ExportTraceServiceRequest {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let node = rustix::system::uname();
    let host = node.nodename().to_string_lossy().into_owned();
    let resource = Resource {
        attributes: vec![
            text("service.name", "wharfd"),
            text("service.version", &version),
            text("host.name", &host),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "wharf".to_owned(),
        version,
        ..InstrumentationScope::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans: spans(activity, facts),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn spans(activity: &Activity, facts: &Facts) -> Vec<Span> {
    let mut trace = Trace {
        activity,
        end: activity.ended.unwrap_or(activity.created),
        spans: Vec::new(),
    };
    let root = trace.activity(facts);
    if let Some(started) = activity.started {
        trace.span("queued", &root, (activity.created, started), Vec::new());
    }
    for stage in activity.steps.chunk_by(|one, next| one.stage == next.stage) {
        trace.stage(&root, stage);
    }
    trace.spans
}

struct Trace<'a> {
    activity: &'a Activity,
    /// When what never ended did.
    end: u64,
    spans: Vec<Span>,
}

impl Trace<'_> {
    fn activity(&mut self, facts: &Facts) -> Vec<u8> {
        let of = self.activity;
        let mut attributes = vec![
            text("wharf.project", &of.project),
            text("wharf.environment", &of.environment),
            text("wharf.branch", &of.branch),
            text("wharf.activity", &of.id),
            text("wharf.activity.kind", of.kind.word()),
            text("wharf.result", of.state.word()),
            flag("wharf.slug.reused", of.slug_reused),
        ];
        let more = [
            ("wharf.environment.type", facts.environment_type.as_deref()),
            ("wharf.slug", of.slug.as_deref()),
            ("wharf.error", facts.error.as_deref()),
            ("vcs.ref.head.revision", of.commit.new.as_deref()),
        ];
        attributes.extend(
            more.iter()
                .filter_map(|(key, value)| Some(text(key, (*value)?))),
        );
        let releases = [
            ("wharf.release", of.release),
            ("wharf.release.live", of.live_after),
        ];
        let number = |(key, value): &(&str, Option<u32>)| Some(whole(key, i64::from((*value)?)));
        attributes.extend(releases.iter().filter_map(number));
        let id = self.span(of.kind.word(), &[], (of.created, self.end), attributes);
        if of.state == State::Failed {
            let why = of.reason.as_ref().map(|reason| reason.message.clone());
            self.failed(why.unwrap_or_default());
        }
        id
    }

    fn stage(&mut self, root: &[u8], steps: &[Step]) {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
            return;
        };
        let times = (first.started, self.end_of(last));
        let stage = first.stage.word();
        let id = self.span(stage, root, times, vec![text("wharf.stage", stage)]);
        if steps.iter().any(has_failed) {
            self.failed(String::new());
        }
        for step in steps {
            let mut attributes = vec![
                text("wharf.stage", stage),
                text("wharf.step", &step.name),
                // What a daemon that died did not see the end of.
                text(
                    "wharf.result",
                    step.result.as_deref().unwrap_or("interrupted"),
                ),
            ];
            let code = step
                .exit_code
                .map(|code| whole("process.exit.code", code.into()));
            attributes.extend(code);
            let times = (step.started, self.end_of(step));
            self.span(&step.name, &id, times, attributes);
            if has_failed(step) {
                self.failed(String::new());
            }
        }
    }

    fn end_of(&self, step: &Step) -> u64 {
        step.ended.unwrap_or(self.end).max(step.started)
    }

    /// Adds one; answers its id.
    fn span(
        &mut self,
        name: &str,
        parent: &[u8],
        (start, end): (u64, u64),
        attributes: Vec<KeyValue>,
    ) -> Vec<u8> {
        let number = self.spans.len();
        let trace = Sha256::digest(format!("wharf activity {}", self.activity.id));
        let id = Sha256::digest(format!("wharf activity {} span {number}", self.activity.id));
        let id = id[..8].to_vec();
        self.spans.push(Span {
            trace_id: trace[..16].to_vec(),
            span_id: id.clone(),
            parent_span_id: parent.to_vec(),
            name: name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanoseconds(start),
            // A clock may have been set back.
            end_time_unix_nano: nanoseconds(end.max(start)),
            attributes,
            ..Span::default()
        });
        id
    }

    /// Says of the last one that it failed.
    fn failed(&mut self, message: String) {
        if let Some(span) = self.spans.last_mut() {
            let code = StatusCode::Error.into();
            span.status = Some(Status { message, code });
        }
    }
}

fn has_failed(step: &Step) -> bool {
    step.result.as_deref() == Some("failed")
}

fn nanoseconds(milliseconds: u64) -> u64 {
    milliseconds.saturating_mul(1_000_000)
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn whole(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn flag(key: &str, value: bool) -> KeyValue {
    attribute(key, Value::BoolValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
