//! What monitoring is told, and what the dashboard shows of it.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use wharf_daemon::metrics::TOLD;
use wharf_tests::{Visitor, World, run};

use crate::app::deployed;

const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n";

/// Writes where to ask, and lets the daemon read it.
fn listen(world: &World, at: &str) {
    let text = format!("{HOST}[metrics]\nlisten = {at:?}\n");
    fs::write(world.home().join("config/wharfd.toml"), text).unwrap();
    world.wharf(&["reload"]).ok();
}

/// A port that is free.
fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What is told.
fn ask(port: u16) -> String {
    let page = Visitor::new(port).get("localhost", "/metrics").unwrap();
    let kind = page.header("content-type").to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    page.ok()
}

/// One sample.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find(|line| {
        line.strip_prefix(sample)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    let line = line.unwrap_or_else(|| panic!("no {sample} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn what_happened_is_counted_by_type_and_never_by_name() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let port = free();
    listen(&world, &format!("127.0.0.1:{port}"));
    // The same tree again, a build that fails, visitors.
    shop.git(&["checkout", "-q", "-b", "feature"]).ok();
    shop.push(&["feature"]).ok();
    shop.push(&["feature:other"]).ok().has("reused slug");
    shop.write("wharf.toml", "build = \"false\"\n[web]\nstart = \"true\"\n");
    shop.commit("broken");
    shop.push(&["feature"]).has("build failed in step");
    for _ in 0..3 {
        world.get("feature--shop.localhost", "/").ok();
    }
    world.get("nobody.localhost", "/");
    let text = ask(port);
    for (sample, expected) in [
        (
            r#"wharf_activities_total{kind="push",result="succeeded",type="production"}"#,
            1.0,
        ),
        (
            r#"wharf_activities_total{kind="push",result="succeeded",type="development"}"#,
            2.0,
        ),
        (
            r#"wharf_activities_total{kind="push",result="failed",type="development"}"#,
            1.0,
        ),
        (r#"wharf_activity_duration_seconds_count{kind="push"}"#, 4.0),
        (
            r#"wharf_build_duration_seconds_count{result="succeeded"}"#,
            2.0,
        ),
        (
            r#"wharf_build_duration_seconds_count{result="failed"}"#,
            1.0,
        ),
        (r#"wharf_slugs_total{origin="built"}"#, 2.0),
        (r#"wharf_slugs_total{origin="reused"}"#, 1.0),
        (r#"wharf_queue_length{state="waiting"}"#, 0.0),
        (
            r#"wharf_environments{status="active",type="production"}"#,
            1.0,
        ),
        (
            r#"wharf_environments{status="active",type="development"}"#,
            2.0,
        ),
        ("wharf_slugs_kept", 2.0),
        ("wharf_router_up", 1.0),
        (
            r#"wharf_router_requests_total{class="2xx",type="development"}"#,
            3.0,
        ),
        (
            r#"wharf_router_requests_total{class="4xx",type="none"}"#,
            1.0,
        ),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}\n{text}");
    }
    for sample in [
        "wharf_slug_bytes",
        "wharf_disk_free_bytes",
        "wharf_database_bytes",
    ] {
        assert!(value(&text, sample) > 0.0, "{sample}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    for name in ["shop", "feature", "localhost"] {
        assert!(!text.contains(name), "{name} is nobody's label\n{text}");
    }
    dashboard_names_what_is_told(&text);
    the_page_has_what_is_told(&text);

    // Anything else is not there.
    let visitor = Visitor::new(port);
    assert_eq!(visitor.get("localhost", "/").unwrap().status, 404);
    assert_eq!(
        visitor.post("localhost", "/metrics", b"x").unwrap().status,
        405
    );
}

/// Every metric that a panel asks for is one of ours.
fn dashboard_names_what_is_told(text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/grafana.json");
    let dashboard: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            asked.extend(words.filter(|word| word.starts_with("wharf_")));
        }
    }
    assert!(asked.len() >= 10, "{asked:?}");
    let is_told = |name: &&str| {
        text.lines().any(|line| {
            line.strip_prefix(*name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
    };
    let missing: Vec<_> = asked.iter().filter(|name| !is_told(name)).collect();
    assert!(missing.is_empty(), "{missing:?} in\n{text}");
    // And nothing is told that nobody ever sees.
    let told = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for family in told.filter_map(|line| line.split(' ').next()) {
        let is_seen = asked.iter().any(|name| name.starts_with(family));
        assert!(is_seen || family == "wharf", "{family} is in no panel");
    }
}

/// Each sample is in the table that `docs/metrics.md` is made from, with its labels, and nothing else is there.
fn the_page_has_what_is_told(text: &str) {
    let mut told = BTreeSet::new();
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = sample.split_at(sample.find(['{', ' ']).unwrap());
        let labels = rest
            .strip_prefix('{')
            .and_then(|rest| rest.split('}').next());
        let labels = labels.unwrap_or_default().split(',');
        let mut labels: Vec<_> = labels.filter_map(|one| one.split('=').next()).collect();
        labels.retain(|label| !["", "le"].contains(label));
        labels.sort_unstable();
        let parts = ["_bucket", "_count", "_sum"];
        let whole = parts.iter().find_map(|part| name.strip_suffix(part));
        told.insert((whole.unwrap_or(name).to_owned(), labels.join(" ")));
    }
    let page = TOLD.iter();
    let page: BTreeSet<_> = page
        .map(|(name, labels, _)| ((*name).to_owned(), labels.join(" ")))
        .collect();
    assert_eq!(told, page, "daemon/src/metrics/page.rs");
}

#[test]
fn where_to_ask_is_the_operators_choice() {
    let world = World::new();
    let port = free();
    listen(&world, &format!("127.0.0.1:{port}"));
    assert_eq!(value(&ask(port), "wharf_router_up"), 1.0);
    // Elsewhere: a socket of the daemon's group.
    let socket = world.home().join("run/metrics.sock");
    listen(&world, socket.to_str().unwrap());
    let by_socket = || {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--max-time", "20", "--unix-socket"])
            .arg(&socket)
            .arg("http://wharf/metrics");
        run(&mut curl).ok().out
    };
    assert_eq!(value(&by_socket(), "wharf_router_up"), 1.0);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o660);
    assert!(Visitor::new(port).get("localhost", "/metrics").is_err());
    // A daemon that was killed leaves its name behind.
    world.kill_daemon();
    assert!(socket.exists());
    world.start();
    assert_eq!(value(&by_socket(), "wharf_router_up"), 1.0);

    // Somebody else has the address: deployments go on, and it is said.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let text = format!("{HOST}[metrics]\nlisten = {at:?}\n");
    fs::write(world.home().join("config/wharfd.toml"), text).unwrap();
    let words = format!("metrics cannot be told on {at}");
    world.wharf(&["reload"]).ok().has(&words);
    world.kill_daemon();
    world.start();
    deployed(&world, "shop");
    let said = world.wharf(&["doctor"]);
    said.has(&words);
}
