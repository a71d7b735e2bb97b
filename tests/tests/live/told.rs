//! Who is elsewhere is told what happened: signed, at least once, and without keeping anybody waiting.

mod mailed;
pub(crate) mod receiver;

use std::fs;

use receiver::{Came, Receiver, TAKEN};
use serde_json::Value;
use standardwebhooks::Webhook;
use wharf_tests::{Tree, World};

use crate::app::{CONFIG, SERVER};
use crate::restarts::wait_for_log;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A world whose host tells one receiver, by the name of `team`.
fn world(receiver: &Receiver, more: &str) -> World {
    let text = format!(
        "[router]\nlisten = \"127.0.0.1:0\"\n[[notify]]\nname = \"team\"\nwebhook = \"{}\"\n\
         secret = \"{SECRET}\"\n{more}",
        receiver.url()
    );
    World::with_host_file(&text)
}

const EVERYTHING: &str =
    "on = [\"live\", \"failed\", \"recovered\", \"rolled-back\", \"waiting\"]\n";

fn site<'w>(world: &'w World, name: &str) -> Tree<'w> {
    let shop = world.site(name, &[("index.html", "one\n")]);
    shop.init();
    shop
}

/// Pushes a build that fails.
fn break_it(shop: &Tree<'_>) {
    shop.write("wharf.toml", "build = \"false\"\n");
    shop.commit("Broken\u{7}, and <b>bold</b>");
    shop.push(&["main"]).exits(0).has("error: ");
}

/// Holds it against the implementation of those who wrote the specification.
#[track_caller]
fn assert_signed(came: &Came) {
    let mut head = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        head.insert(name, came.head[name].parse().unwrap());
    }
    let key = Webhook::new(SECRET).unwrap();
    key.verify(&came.body, &head).unwrap();
    key.verify(b"{}", &head).unwrap_err();
}

#[test]
fn each_end_is_told_signed_and_as_the_record_has_it() {
    let receiver = Receiver::new();
    let world = world(&receiver, EVERYTHING);
    let shop = site(&world, "shop");
    let told = |occasion: &str, text: &str| {
        let came = receiver.next();
        assert_eq!(came.line, "POST /hidden-path HTTP/1.1");
        assert_eq!(came.head["content-type"], "application/json");
        assert_signed(&came);
        let body = came.json();
        assert_eq!(
            (&body["type"], &body["text"]),
            (&occasion.into(), &text.into())
        );
        let schema = shop.wharf(&["schema", "notification"]).ok().out;
        let schema: Value = serde_json::from_str(&schema).unwrap();
        jsonschema::validate(&schema, &body).unwrap();
        let data = &body["data"];
        assert_eq!(data["environment_type"], "production");
        let id = data["activity"]["id"].as_str().unwrap();
        let record = shop.wharf(&["activity", "show", id, "--json"]).ok().out;
        let record: Value = serde_json::from_str(&record).unwrap();
        assert_eq!(data["activity"], record);
        came.answer(TAKEN);
        data["url"].clone()
    };
    shop.push(&["main"]).ok();
    let url = told("live", "shop@main: r1 is live; main now serves r1.");
    assert_eq!(url, shop.url());
    break_it(&shop);
    let failed = "shop@main: failed: build failed in step 1 of 1 (false), exit code 1; \
                  main still serves r1; nothing was changed.";
    assert_eq!(told("failed", failed), Value::Null);
    shop.write("wharf.toml", "build = \"true\"\n");
    shop.commit("Mended");
    shop.push(&["main"]).ok();
    told(
        "recovered",
        "shop@main: recovered: r2 is live; main now serves r2 (was r1).",
    );
    shop.wharf(&["rollback"]).ok();
    told(
        "rolled-back",
        "shop@main: rolled back to r1; main now serves r1 (was r2).",
    );
    // What is nobody's concern is not told.
    shop.wharf(&["variable", "set", "A=b"]).ok();
    shop.wharf(&["redeploy"]).ok();
    told(
        "live",
        "shop@main: r3 is live; main now serves r3 (was r1).",
    );
    shop.wharf(&["doctor"])
        .has("1 destination is told of what happens");
    assert!(receiver.is_empty());
}

/// What the page of notifications says makes a mark of it, where there is a jq.
#[test]
fn a_deployment_becomes_a_mark_in_a_monitoring_system() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/notifications.md");
    let page = fs::read_to_string(page).unwrap();
    let recipe = page.lines().find(|line| line.starts_with("jq ")).unwrap();
    let receiver = Receiver::new();
    let world = world(&receiver, EVERYTHING);
    let shop = site(&world, "shop");
    shop.push(&["main"]).ok();
    let (body, _) = receiver.take();
    fs::write(world.path("body"), body.to_string()).unwrap();
    let line = format!("{recipe} < {}", world.path("body").display());
    let mark: Value = serde_json::from_str(&shop.sh(&line).ok().out).unwrap();
    assert_eq!(mark["tags"], serde_json::json!(["deploy", "shop", "main"]));
    assert_eq!(mark["text"], "shop@main: r1 is live; main now serves r1.");
    let ended = body["data"]["activity"]["ended"].as_u64().unwrap();
    assert_eq!(mark["time"].as_u64().unwrap() / 60_000, ended / 60_000);
}

#[test]
fn a_project_has_its_own_and_hears_who_waits() {
    let (host, project) = (Receiver::new(), Receiver::new());
    let world = world(&host, "types = [\"staging\"]\non = [\"live\"]\n");
    let shop = site(&world, "shop");
    let key = world.path("key");
    fs::write(&key, format!("{SECRET}\n")).unwrap();
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    let more = format!(
        "\n[environments.main]\ntype = \"production\"\napprove = true\n[[notify]]\nname = \"ops\"\n\
         webhook = \"{}\"\nsecret_file = \"{}\"\non = [\"waiting\", \"live\"]\nbranches = [\"main\"]\n",
        project.url(),
        key.display()
    );
    fs::write(&file, text + &more).unwrap();
    shop.wharf(&["reload"]).ok();
    shop.push(&["-o", "nowait", "main"]).ok();
    let came = project.next();
    assert_signed(&came);
    let body = came.json();
    assert_eq!(body["type"], "waiting");
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("shop@main: built; "), "{text}");
    came.answer(TAKEN);
    let id = body["data"]["activity"]["id"].as_str().unwrap();
    shop.wharf(&["approve", id]).ok();
    assert_eq!(project.take().0["type"], "live");
    // Another branch is not theirs.
    shop.git(&["switch", "--quiet", "--create", "idea"]).ok();
    shop.push(&["idea"]).ok();
    shop.wharf(&["notify", "test", "ops"]);
    assert!(host.is_empty());
}

/// The id stays the same over attempts, a kill and a restart; nothing that happened meanwhile is lost.
#[test]
fn who_is_away_is_told_later_also_by_the_next_daemon() {
    let receiver = Receiver::new();
    let address = receiver.address();
    let world = world(&receiver, EVERYTHING);
    let shop = site(&world, "shop");
    shop.push(&["main"]).ok();
    let came = receiver.next();
    let (first, id) = (came.body.clone(), came.id().to_owned());
    came.answer("HTTP/1.1 503 Busy\r\nconnection: close\r\n\r\nthe \u{1b}[31mqueue is full\n");
    wait_for_log(&world, "team is not told: ");
    drop(receiver);
    break_it(&shop);
    let doctor = shop.wharf(&["doctor"]);
    let doctor = doctor
        .has("team takes nothing since ")
        .has("2 notifications wait for it");
    doctor.has("wharf notify test team");
    world.kill_daemon();
    world.start();
    let receiver = Receiver::at(address);
    let came = receiver.next();
    assert_eq!((came.id(), &came.body), (id.as_str(), &first));
    assert_signed(&came);
    came.answer(TAKEN);
    let (second, other) = receiver.take();
    assert_eq!(second["type"], "failed");
    assert_ne!(other, id);
    shop.wharf(&["notify", "test"]);
    for said in [
        world.logs(),
        shop.wharf(&["doctor"]).out,
        shop.wharf(&["doctor", "--json"]).out,
    ] {
        for secret in [
            "hidden-path",
            "MfKQ9r8",
            "queue is full\u{1b}",
            "\u{1b}[31m",
        ] {
            assert!(!said.contains(secret), "{secret}:\n{said}");
        }
    }
    let check = world.command("wharfd").arg("check").output().unwrap();
    let check = String::from_utf8(check.stdout).unwrap();
    assert!(
        check.contains("team (webhook at http://127.0.0.1:"),
        "{check}"
    );
    assert!(
        !check.contains("hidden-path") && !check.contains("whsec_"),
        "{check}"
    );
}

#[test]
fn who_answers_slowly_keeps_no_deployment_waiting() {
    let receiver = Receiver::new();
    let world = world(&receiver, EVERYTHING);
    let shop = site(&world, "shop");
    shop.push(&["main"]).ok();
    let held = receiver.next();
    for text in ["two\n", "three\n"] {
        shop.write("index.html", text);
        shop.commit(text);
        shop.push(&["main"]).ok();
        assert_eq!(shop.get("/").ok(), text);
    }
    // One at a time: the first is still in their hands.
    assert!(receiver.is_empty());
    held.answer(TAKEN);
    for release in ["r2", "r3"] {
        let (body, _) = receiver.take();
        let text = body["text"].as_str().unwrap();
        assert!(text.contains(&format!("{release} is live")), "{text}");
    }
}

#[test]
fn a_test_says_what_the_other_side_said_and_what_to_do() {
    let (receiver, elsewhere) = (Receiver::new(), Receiver::new());
    let world = world(&receiver, EVERYTHING);
    let answered = |answer: String| {
        let mut test = world.command("wharf");
        let asked = std::thread::spawn(move || wharf_tests::run(test.args(["notify", "test"])));
        let came = receiver.next();
        assert_signed(&came);
        let body = came.json();
        assert_eq!(
            (&body["type"], &body["data"]),
            (&"test".into(), &Value::Null)
        );
        came.answer(&answer);
        asked.join().unwrap()
    };
    answered(TAKEN.to_owned())
        .ok()
        .has("success: team (webhook at http://127.0.0.1:")
        .has("answered 204 No Content in ")
        .lacks("hidden-path");
    let moved = format!(
        "HTTP/1.1 301 Moved\r\nlocation: {}\r\nconnection: close\r\n\r\n",
        elsewhere.url()
    );
    answered(moved)
        .exits(1)
        .has("answered 301 Moved Permanently")
        .has("redirects are not followed")
        .lacks("hidden-path");
    assert!(elsewhere.is_empty());
    answered("HTTP/1.1 401 No\r\nconnection: close\r\n\r\nwho are you?".into())
        .exits(1)
        .has("401 Unauthorized: who are you?")
        .has("does it know the secret");
    // However much it says, no more than a part is read.
    let flood = format!("HTTP/1.1 500 No\r\n\r\n{}", "x".repeat(8 << 20));
    let said = answered(flood).exits(1).has("500 Internal Server Error");
    assert!(said.out.len() < 1000, "{said}");
    drop(receiver);
    let refused = world.wharf(&["notify", "test", "team"]).exits(1);
    refused
        .has("Connection refused")
        .has("does it run, and does this host reach it?");
    world
        .wharf(&["notify", "test", "nobody"])
        .exits(5)
        .has("there is no such destination");
}

/// A certificate that nobody here vouches for is not believed; one that the host trusts is.
#[test]
fn webhooks_go_over_tls_to_whom_the_host_trusts() {
    let world = World::new();
    let directory = world.path("tls");
    fs::create_dir(&directory).unwrap();
    let made = world
        .command("openssl")
        .current_dir(&directory)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let server = r#"
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;
    let mut python = world
        .command("python3")
        .current_dir(&directory)
        .args(["-c", server])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut port = String::new();
    let out = python.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut port).unwrap();
    let text = format!(
        "[router]\nlisten = \"127.0.0.1:0\"\n[[notify]]\nname = \"team\"\n\
         webhook = \"https://localhost:{}/x\"\n",
        port.trim()
    );
    fs::write(world.home().join("config/wharfd.toml"), text).unwrap();
    world.wharf(&["reload"]).ok();
    let stranger = world.wharf(&["notify", "test"]);
    world.kill_daemon();
    let trusted = directory.join("cert.pem");
    world.start_with(&[("SSL_CERT_FILE", trusted.to_str().unwrap())]);
    let friend = world.wharf(&["notify", "test"]);
    python.kill().unwrap();
    python.wait().unwrap();
    stranger.exits(1).has("invalid peer certificate");
    friend.ok().has("answered 204 No Content");
}

/// A destination that nobody names any more is told nothing, and what waited for it goes.
#[test]
fn who_is_taken_out_of_the_file_is_forgotten() {
    let receiver = Receiver::new();
    let world = world(&receiver, EVERYTHING);
    drop(receiver);
    let shop = world.site("shop", &[CONFIG, SERVER, ("version", "one\n")]);
    shop.init();
    shop.push(&["main"]).ok();
    wait_for_log(&world, "team is not told: ");
    fs::write(
        world.home().join("config/wharfd.toml"),
        "[router]\nlisten = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    shop.wharf(&["reload"]).ok();
    wait_for_log(
        &world,
        "team is not configured any more: 1 notification dropped",
    );
    shop.wharf(&["doctor"]).lacks("team");
}
