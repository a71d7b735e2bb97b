//! What a collector decodes, and what becomes of deployments where none is there.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use wharf_tests::World;

use super::send_to;
use crate::app::deployed;
use crate::restarts::wait_for_log;
use crate::told::receiver::{Receiver, TAKEN};

const GOOD: &str = "build = \"true\"\n[deploy]\nrun = \"true\"\n";

/// One that takes what comes.
struct Collector(Receiver);

/// Spans by their names, a parent's before its own.
type Spans = BTreeMap<String, Span>;

impl Collector {
    fn new(world: &World) -> Collector {
        let receiver = Receiver::new();
        fs::write(
            world.path("headers"),
            "# ours\nauthorization: Bearer hidden-key\n",
        )
        .unwrap();
        let collector = Collector(receiver);
        send_to(world, &collector.settings(world))
            .ok()
            .lacks("traces");
        collector
    }

    fn settings(&self, world: &World) -> String {
        format!(
            "endpoint = \"http://{}/otlp/\"\nheaders_file = {:?}\n",
            self.0.address(),
            world.path("headers")
        )
    }

    /// The next trace.
    #[track_caller]
    fn next(&self) -> Spans {
        let came = self.0.next();
        assert_eq!(came.line, "POST /otlp/v1/traces HTTP/1.1");
        assert_eq!(came.head["content-type"], "application/x-protobuf");
        assert_eq!(came.head["authorization"], "Bearer hidden-key");
        let request = ExportTraceServiceRequest::decode(&came.body[..]).unwrap();
        came.answer(TAKEN);
        let [all] = request.resource_spans.as_slice() else {
            panic!("{request:?}");
        };
        let of = attributes(&all.resource.as_ref().unwrap().attributes);
        assert_eq!(of["service.name"], "wharfd");
        assert!(!of["host.name"].is_empty());
        named(&all.scope_spans[0].spans)
    }
}

/// Gives each span the names of those above it; all of them are one trace.
fn named(spans: &[Span]) -> Spans {
    let mut paths = BTreeMap::from([(Vec::new(), String::new())]);
    let mut found = Spans::new();
    for span in spans {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert_eq!(span.trace_id, spans[0].trace_id);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        let above = &paths[&span.parent_span_id];
        let path = format!("{above}/{}", span.name);
        assert_eq!(paths.insert(span.span_id.clone(), path.clone()), None);
        found.insert(path, span.clone());
    }
    found
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => panic!("{other:?}"),
    };
    let pairs = all.iter().map(|one| (one.key.clone(), text(&one.value)));
    pairs.collect()
}

fn is_failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == 2)
}

#[test]
fn an_activity_is_a_trace_of_its_stages_and_steps() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let collector = Collector::new(&world);
    shop.write("wharf.toml", GOOD);
    shop.write("index.html", "two\n");
    shop.commit("two");
    shop.push(&["main"]).ok().has("main now serves r2");
    let trace = collector.next();
    let of = attributes(&trace["/push"].attributes);
    let id = &of["wharf.activity"];
    let record = shop.wharf(&["activity", "show", id, "--json"]).ok().out;
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["commit"]["subject"], "two");
    let text = |key: &str| record[key].as_str().unwrap().to_owned();
    let wanted = [
        ("wharf.project", "shop".to_owned()),
        ("wharf.environment", text("environment")),
        ("wharf.environment.type", "production".to_owned()),
        ("wharf.branch", "main".to_owned()),
        ("wharf.activity.kind", "push".to_owned()),
        ("wharf.release", "2".to_owned()),
        ("wharf.release.live", "2".to_owned()),
        ("wharf.result", "succeeded".to_owned()),
        ("wharf.slug.reused", "false".to_owned()),
        (
            "vcs.ref.head.revision",
            shop.git(&["rev-parse", "main"]).ok().out.trim().to_owned(),
        ),
    ];
    for (key, value) in wanted {
        assert_eq!(of[key], value, "{key}");
    }
    // Each recorded step is there, below its stage, with the record's times.
    let steps = record["steps"].as_array().unwrap();
    assert!(steps.len() > 5, "{record}");
    for step in steps {
        let (stage, name) = (
            step["stage"].as_str().unwrap(),
            step["name"].as_str().unwrap(),
        );
        let span = &trace[&format!("/push/{stage}/{name}")];
        let started = step["started"].as_u64().unwrap();
        assert_eq!(span.start_time_unix_nano, started * 1_000_000, "{name}");
        assert_eq!(attributes(&span.attributes)["wharf.result"], "succeeded");
    }
    assert!(trace.contains_key("/push/queued"));
    assert!(!trace.values().any(is_failed));

    // What fails is found by its red spans; nothing says what a build printed, or who pushed.
    shop.write("wharf.toml", "build = \"echo hidden; exit 7\"\n");
    shop.commit("broken");
    shop.push(&["main"]).has("build failed in step");
    let trace = collector.next();
    let of = attributes(&trace["/push"].attributes);
    assert_eq!(
        (&*of["wharf.result"], &*of["wharf.error"]),
        ("failed", "build-failed")
    );
    let failed: Vec<_> = trace.iter().filter(|(_, span)| is_failed(span)).collect();
    let [(activity, _), (stage, _), (_, step)] = failed.as_slice() else {
        panic!("{failed:?}");
    };
    assert_eq!(
        (activity.as_str(), stage.as_str()),
        ("/push", "/push/build")
    );
    assert_eq!(attributes(&step.attributes)["process.exit.code"], "7");
    assert!(!of.keys().any(|key| key.contains("actor")));

    // Commands that people run have theirs.
    shop.wharf(&["rollback"]).ok();
    assert!(collector.next().contains_key("/rollback"));
}

#[test]
fn nobody_waits_for_a_collector() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let collector = Collector::new(&world);
    let push = |text: &str| {
        shop.write("index.html", text);
        shop.commit(text);
        shop.push(&["main"]).ok();
    };
    // It takes the connection, and never answers: everything goes on at once, and the rest waits in memory.
    let began = Instant::now();
    push("two\n");
    let silent = collector.0.next();
    push("three\n");
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    wait_for_log(&world, "did not answer within 10 s");
    drop(silent);
    shop.wharf(&["doctor"])
        .has("traces are not taken: http://127.0.0.1:")
        .has("activities not told: ")
        .lacks("hidden-key");
    // What ended before the minute was over is not sent later. Another address is tried at once, and the daemon ends without
    // waiting for anybody.
    assert!(collector.0.is_empty());
    let settings = collector.settings(&world);
    drop(collector);
    let other = Collector::new(&world);
    push("four\n");
    assert!(other.next().contains_key("/push"));
    send_to(&world, &settings).ok();
    push("five\n");
    wait_for_log(&world, "Connection refused");
    push("six\n");
    send_to(&world, "endpoint = \"off\"\n").ok().lacks("traces");
    shop.wharf(&["doctor"]).lacks("traces");
}
