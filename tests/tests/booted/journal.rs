//! What operators read: each thing that happens has a number and fields, and the catalog explains it; and what
//! systemd is told.

use wharf_daemon::journal::Message;

use crate::machine::Machine;

const PAGE: &[(&str, &str)] = &[
    (
        "wharf.toml",
        "build = \"echo it is built\"\npublic = \".\"\n",
    ),
    ("index.html", "one\n"),
];

/// What a query of the journal finds, as one value an entry.
fn entries(machine: &Machine, query: &str) -> Vec<serde_json::Value> {
    let found = machine.runs(&format!("journalctl --quiet --no-pager -o json {query}"));
    found
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn field<'a>(entry: &'a serde_json::Value, name: &str) -> &'a str {
    entry[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {entry}"))
}

#[test]
fn the_journal_is_the_history() {
    let machine = Machine::boot();
    machine.pushes("shop", PAGE).ok().has("main now serves r1");

    // All of it by one query, in the order in which it happened.
    let told: Vec<String> = entries(&machine, "-t wharfd -p notice WHARF_PROJECT=shop")
        .iter()
        .filter(|entry| entry["MESSAGE_ID"].is_string())
        .map(|entry| {
            field(entry, "MESSAGE")
                .split(':')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(told, ["queued", "started", "succeeded"]);
    // Who wanted it stands with each.
    for message in [Message::Queued, Message::Started, Message::Live] {
        let one = entries(&machine, &format!("MESSAGE_ID={}", message.id()));
        assert_eq!(field(&one[0], "WHARF_ACTOR"), "root", "{message:?}");
        assert_eq!(field(&one[0], "WHARF_TRIGGER"), "push", "{message:?}");
    }
    let live = entries(&machine, "WHARF_PROJECT=shop WHARF_RESULT=succeeded");
    let [live] = live.as_slice() else {
        panic!("{live:?}");
    };
    for (name, value) in [
        ("PRIORITY", "5"),
        ("SYSLOG_IDENTIFIER", "wharfd"),
        ("WHARF_ENVIRONMENT", "main"),
        ("WHARF_ENVIRONMENT_TYPE", "production"),
        ("WHARF_BRANCH", "main"),
        ("WHARF_ACTIVITY_KIND", "push"),
        ("WHARF_TRIGGER", "push"),
        ("WHARF_RELEASE", "1"),
        ("WHARF_RELEASE_LIVE", "1"),
    ] {
        assert_eq!(field(live, name), value, "{name}");
    }
    let tip = machine.runs("git -C /root/shop rev-parse HEAD").out;
    assert_eq!(field(live, "WHARF_COMMIT"), tip.trim());
    assert!(field(live, "WHARF_DURATION_USEC").parse::<u64>().unwrap() > 1_000);
    assert!(field(live, "WHARF_URL").contains("main--shop"));
    // A build's lines are under an identifier of their own, and found by the same query.
    let built = entries(
        &machine,
        "-t wharf-build WHARF_PROJECT=shop WHARF_ENVIRONMENT=main",
    );
    let lines: Vec<&str> = built.iter().map(|entry| field(entry, "MESSAGE")).collect();
    assert_eq!(lines, ["it is built"]);

    // What failed is found, with why; and the catalog says what to do.
    machine
        .changes(
            "shop",
            &[(
                "wharf.toml",
                "build = \"echo no; exit 3\"\npublic = \".\"\n",
            )],
        )
        .has("still serves r1");
    let failed = entries(&machine, "WHARF_RESULT=failed -S today");
    let [step, end] = failed.as_slice() else {
        panic!("{failed:?}");
    };
    assert_eq!(field(step, "WHARF_STAGE"), "build");
    assert_eq!(field(step, "WHARF_EXIT_CODE"), "3");
    assert_eq!(field(end, "WHARF_ERROR"), field(step, "WHARF_ERROR"));
    assert_eq!(field(end, "WHARF_RELEASE_LIVE"), "1");
    let activity = field(end, "WHARF_ACTIVITY");
    machine
        .runs(&format!(
            "journalctl --no-pager -x WHARF_ACTIVITY={activity}"
        ))
        .has(&format!("wharf log --raw {activity}"))
        .has("of stage build failed: ")
        .has(&format!("{activity} of shop failed"));
    // The same that `wharf log` tells.
    machine
        .runs(&format!("cd /root/shop; wharf log {activity}"))
        .has("still serves r1");

    machine
        .changes("shop", &[("wharf.toml", "publik = \".\"\n")])
        .exits(1);
    let refused = entries(&machine, "WHARF_RESULT=refused");
    assert_eq!(refused.len(), 1);
    assert_eq!(field(&refused[0], "MESSAGE_ID"), Message::Refused.id());
    assert_eq!(field(&refused[0], "WHARF_TRIGGER"), "push");
    machine.changes("shop", PAGE).ok().has("main now serves r2");
    machine
        .runs("cd /root/shop; wharf rollback")
        .has("main now serves r1");
    let back = entries(
        &machine,
        &format!("MESSAGE_ID={}", Message::RolledBack.id()),
    );
    assert_eq!(field(&back[0], "WHARF_TRIGGER"), "command");
    let drained = entries(&machine, &format!("MESSAGE_ID={}", Message::Drained.id()));
    assert!(drained.len() >= 3, "{drained:?}");
}

const APP: &str = r#"
import http.server, os, sys
class Page(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/flood':
            sys.stdout.write(''.join(f'line {n}\n' for n in range(20000)))
            sys.stdout.flush()
        print('asked for', self.path, 'with', os.environ['TOKEN'], flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(*_): pass
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Page).serve_forever()
"#;

/// What an application prints stands beside what was deployed, by a name of its own, without its secrets; its
/// units are its project's.
#[test]
fn an_application_is_found_by_its_project() {
    let machine = Machine::boot();
    let config = "web = \"python3 app.py\"\n[env]\nTOKEN = { generate = \"secret\" }\n";
    machine
        .pushes("my-shop", &[("wharf.toml", config), ("app.py", APP)])
        .ok()
        .has("main now serves r1");
    machine.gets("my-shop", "/hello");
    machine.waits_for("journalctl --quiet -t my-shop@main | grep /hello");
    let printed = entries(
        &machine,
        "-t my-shop@main WHARF_PROJECT=my-shop WHARF_ENVIRONMENT=main",
    );
    let hello = printed.iter().map(|entry| field(entry, "MESSAGE"));
    let hello: Vec<&str> = hello.filter(|line| line.contains("/hello")).collect();
    assert_eq!(hello, ["asked for /hello with ****"]);

    // What is said by a unit, and from systemd 253 on of it, is found, too.
    let job = machine.jobs();
    machine
        .runs(&format!(
            "systemctl show --property Slice,LogExtraFields {}",
            job.trim()
        ))
        .has("wharf-my\\x2dshop.slice")
        .has("WHARF_PROJECT=my-shop")
        .has("WHARF_ENVIRONMENT=main");

    // No flood of one pushes out what the journal has of others.
    machine.gets("my-shop", "/flood");
    machine.waits_for("cd /root/my-shop; wharf log --app -e main | tail -n 1 | grep /flood");
    let lines = entries(&machine, "-t my-shop@main").len();
    assert!((1_000..=10_001).contains(&lines), "{lines}");
}

/// A million lines: journald keeps few of them, and all that matters.
#[test]
fn a_flood_of_output_leaves_the_journal_readable() {
    let machine = Machine::boot();
    machine
        .pushes(
            "shop",
            &[
                (
                    "wharf.toml",
                    "public = \".\"\n[build]\nsteps = [\"seq 1000000\"]\n",
                ),
                ("index.html", "one\n"),
            ],
        )
        .ok()
        .has("main now serves r1");
    let built = entries(&machine, "-t wharf-build");
    assert!(built.len() < 1_000, "{}", built.len());
    let lines: Vec<&str> = built.iter().map(|entry| field(entry, "MESSAGE")).collect();
    assert_eq!(lines.first(), Some(&"1"));
    assert_eq!(lines.last(), Some(&"1000000"));
    assert!(
        lines.iter().any(|line| line.contains("more lines")),
        "{lines:?}"
    );
    assert_eq!(entries(&machine, "WHARF_RESULT=succeeded").len(), 1);
    assert!(
        entries(&machine, "-t systemd-journald")
            .iter()
            .all(|entry| !field(entry, "MESSAGE").contains("Suppressed"))
    );
}

/// systemd keeps the socket: a push that comes while no daemon is there waits for the next one. It hears from
/// the loop, and what there is to do.
#[test]
fn systemd_looks_after_the_daemon() {
    let machine = Machine::boot();
    machine.pushes("shop", PAGE).ok().has("main now serves r1");
    machine
        .runs("systemctl show --property StatusText wharfd")
        .has("activities: 0 running, 0 waiting");
    machine.runs("systemctl stop wharfd; ! systemctl is-active --quiet wharfd");
    machine
        .changes("shop", &[("index.html", "two\n")])
        .ok()
        .has("main now serves r2");
    machine.runs("systemctl is-active wharfd");

    // One whose loop hangs is started anew, and nothing that serves ends.
    machine.runs(
        "set -e; mkdir -p /run/systemd/system/wharfd.service.d
         printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/wharfd.service.d/watchdog.conf
         systemctl daemon-reload; systemctl restart wharfd
         systemctl show --property MainPID --value wharfd >/root/before
         kill -STOP $(cat /root/before)",
    );
    machine.gets("shop", "/");
    machine.waits_for(
        "pid=$(systemctl show --property MainPID --value wharfd)
         test $pid != $(cat /root/before) && test $pid != 0 && systemctl is-active --quiet wharfd",
    );
    machine
        .runs("journalctl --no-pager -u wharfd")
        .has("Watchdog timeout");
    machine
        .changes("shop", &[("index.html", "three\n")])
        .ok()
        .has("main now serves r3");

    // Both ways of a reload tell what came of it.
    machine.runs("echo 'publik = 1' >/etc/wharf/wharfd.toml");
    machine.tries("systemctl reload wharfd").exits(1);
    machine.runs("systemctl kill --signal HUP --kill-whom main wharfd");
    machine.waits_for("journalctl --quiet WHARF_ERROR=configuration | grep -A3 publik");
    machine.runs("rm /etc/wharf/wharfd.toml; systemctl reload wharfd");
    machine
        .changes("shop", &[("index.html", "four\n")])
        .ok()
        .has("main now serves r4");
}
