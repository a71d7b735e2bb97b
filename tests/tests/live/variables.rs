//! Variables: who wins, what waits, what a build sees, what is never shown, what is committed.

use std::{fs, path::Path};

use serde_json::Value;
use wharf_tests::{Said, Tree, World, run};

use crate::restarts::{keepers, kill, router, wait_for_line, wait_for_log};

/// Answers with the variable that the path names, or with what the build saw at `/built`.
const SERVER: (&str, &str) = (
    "app.py",
    r#"import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path[1:]
        text = open("built").read() if name == "built" else os.environ.get(name, "-")
        print("asked for", name, text, flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#,
);
const CONFIG: &str = r#"
web = "exec python3 app.py"
build = "printf '%s' \"$MODE/$TOKEN\" > built; echo token $TOKEN"
[deploy]
run = "echo deploying with $TOKEN"
[env]
MODE = "file"
"#;
const SECRET: &str = "s3cret-of-the-shop";

pub(crate) fn shop(world: &World) -> Tree<'_> {
    let shop = world.site("shop", &[("wharf.toml", CONFIG), SERVER]);
    shop.init();
    shop.push(&["main"]).ok().has("main now serves r1.");
    shop
}

/// Sets a variable whose value comes through standard input.
#[track_caller]
pub(crate) fn pipe(shop: &Tree<'_>, words: &[&str], value: &str) -> Said {
    let file = shop.path().with_extension("value");
    fs::write(&file, value).unwrap();
    let line = format!("wharf variable set {} <{}", words.join(" "), file.display());
    shop.sh(&line)
}

#[track_caller]
pub(crate) fn json(shop: &Tree<'_>, words: &[&str]) -> Value {
    let said = run(shop.command("wharf").args(words).arg("--json"));
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}\n{said}"))
}

fn pending(shop: &Tree<'_>) -> u64 {
    json(shop, &["info"])["pending"].as_u64().unwrap()
}

/// Whether any file below a directory has a text.
fn holds(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(holds(&path, text));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_change_for_runs_needs_no_build_and_one_for_builds_does() {
    let world = World::new();
    let shop = shop(&world);
    assert_eq!(shop.get("/MODE").ok(), "file");

    // For runs alone: a new release of the same slug.
    shop.wharf(&["variable", "set", "MODE", "env", "--visible", "run"])
        .ok()
        .has("MODE is set for main; visible: run")
        .has("wharf redeploy -e main")
        .has("main still serves r1.");
    assert_eq!(shop.get("/MODE").ok(), "file");
    assert_eq!(pending(&shop), 1);
    shop.wharf(&["environments"])
        .ok()
        .has("1 variable waits for a redeploy");
    shop.wharf(&["variable:list"])
        .ok()
        .has("1 variable waits for a redeploy: wharf redeploy -e main");
    let said = shop.wharf(&["redeploy"]).ok().has("reused slug");
    said.has("variables MODE added");
    assert_eq!(shop.get("/MODE").ok(), "env");
    assert_eq!(shop.get("/built").ok(), "file/");
    assert_eq!(pending(&shop), 0);

    // For builds too: built anew, and the output says why.
    shop.wharf(&["variable:set", "MODE", "both", "--visible", "both"])
        .ok();
    let said = shop.wharf(&["redeploy"]).ok().has("MODE changed");
    // Said of the slug, and not once more.
    said.lacks("variables MODE");
    assert_eq!(shop.get("/built").ok(), "both/");

    // The environment wins over its type, and that over the project.
    let set = |words: &[&str]| {
        let all = [&["variable", "set", "LEVEL"], words].concat();
        shop.wharf(&all).ok();
    };
    set(&["p", "--level", "project", "--visible", "run"]);
    set(&["t", "--type", "production", "--visible", "run"]);
    set(&["d", "--type", "development", "--visible", "run"]);
    shop.wharf(&["redeploy"]).ok().has("reused slug");
    assert_eq!(shop.get("/LEVEL").ok(), "t");
    set(&["e", "--visible", "run"]);
    shop.wharf(&["redeploy"]).ok();
    assert_eq!(shop.get("/LEVEL").ok(), "e");
    shop.wharf(&["variable", "get", "LEVEL"]).ok().has("e\n");
    shop.wharf(&["variable", "get", "LEVEL", "--level", "project"])
        .ok()
        .has("p\n");

    // One that is taken away waits, too; a release goes back with what it had.
    shop.wharf(&["variable", "delete", "LEVEL"]).ok();
    assert_eq!(pending(&shop), 1);
    shop.wharf(&["redeploy"]).ok();
    assert_eq!(shop.get("/LEVEL").ok(), "t");
    shop.wharf(&["rollback"]).ok();
    assert_eq!(shop.get("/LEVEL").ok(), "e");
    // As does one whose processes start again.
    world.kill_daemon();
    kill(router(&world));
    keepers(&world).into_iter().for_each(kill);
    world.start();
    wait_for_log(&world, "r5 serves again after a restart");
    assert_eq!(shop.get("/LEVEL").ok(), "e");
    shop.wharf(&["activities"]).ok().has("variable");
}

#[test]
fn a_secret_is_seen_by_processes_only() {
    let world = World::new();
    let shop = shop(&world);
    pipe(
        &shop,
        &["--secret", "--visible", "both", "TOKEN", "-"],
        SECRET,
    )
    .ok();
    shop.wharf(&["redeploy"])
        .ok()
        .has("TOKEN changed")
        .has("token ****")
        .has("deploying with ****")
        .lacks(SECRET);
    assert_eq!(shop.get("/TOKEN").ok(), SECRET);
    let output = "wharf/state/outputs/main.r2.web.*.log";
    wait_for_line(&world, output, "asked for TOKEN");
    shop.wharf(&["log", "--app"])
        .ok()
        .has("TOKEN ****")
        .lacks(SECRET);
    shop.wharf(&["log", "--raw"])
        .ok()
        .has("token ****")
        .lacks(SECRET);
    shop.wharf(&["variable", "list"])
        .ok()
        .has("(secret)")
        .lacks(SECRET);
    shop.wharf(&["variable", "list", "--json"])
        .ok()
        .lacks(SECRET);
    shop.wharf(&["variable", "get", "TOKEN"])
        .exits(6)
        .has("TOKEN is a secret, which is never shown");
    shop.wharf(&["config", "dump"])
        .ok()
        .has("secrets stay where they are: TOKEN")
        .lacks(SECRET);

    // The same value makes the same slug; another one another.
    pipe(&shop, &["TOKEN", "-"], &format!("{SECRET}\n")).ok();
    shop.wharf(&["redeploy"]).ok().has("reused slug");
    pipe(&shop, &["TOKEN", "-"], "another-one").ok();
    shop.wharf(&["redeploy"])
        .ok()
        .has("TOKEN changed")
        .has("token ****");
    // It stays a secret.
    shop.wharf(&["variable", "get", "TOKEN"]).exits(6);

    // The build itself wrote it where it did; nothing of ours has it, nor any process's arguments.
    let state = world.home().join("state");
    for place in ["logs", "jobs", "routes", "releases"] {
        assert_eq!(holds(&state.join(place), "another-one"), [""; 0], "{place}");
    }
    let built = holds(&state.join("slugs"), "another-one");
    assert!(
        built.iter().all(|file| file.ends_with("/built")),
        "{built:?}"
    );
    assert!(!world.logs().contains("another-one"));
    for process in world.processes() {
        let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains("another-one"));
    }
    let record = fs::metadata(state.join("wharf.db")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&record.permissions()) & 0o077,
        0
    );
}

#[test]
fn a_push_waits_for_what_is_required() {
    let world = World::new();
    let config = format!("{CONFIG}X = {{ required = true, help = \"a token\" }}\n");
    let shop = world.site("shop", &[("wharf.toml", &config), SERVER]);
    shop.init();
    let said = shop
        .push(&["main"])
        .exits(1)
        .has("variable X is required and not set in main (a token)");
    let text = said.transcript();
    let hint = text
        .lines()
        .find_map(|line| line.strip_prefix("hint: set it: "));
    assert_eq!(hint, Some("wharf variable set -e main X -"), "{text}");
    // It runs as it is printed, before there is an environment.
    shop.sh(&format!("echo there | {}", hint.unwrap()))
        .ok()
        .has("main is no environment yet");
    shop.push(&["main"]).ok().has("main now serves r1.");
    assert_eq!(shop.get("/X").ok(), "there");

    // Without it nothing is deployed, and what serves goes on.
    shop.wharf(&["variable", "delete", "X"]).ok();
    shop.wharf(&["redeploy"])
        .exits(3)
        .has("variable X is required")
        .has("main still serves r1; nothing was changed.");
    assert_eq!(shop.get("/X").ok(), "there");
    shop.push(&["main:feature"])
        .exits(1)
        .has("not set in feature");
    shop.wharf(&["branch", "feature"])
        .exits(6)
        .has("not set in feature");
}

#[test]
fn a_branch_inherits_what_may_be_inherited_when_it_is_made() {
    let world = World::new();
    let shop = shop(&world);
    let set = |words: &[&str]| {
        let all = [&["variable", "set", "-e", "main"], words].concat();
        shop.wharf(&all).ok()
    };
    set(&["PLAIN", "plain"]);
    set(&["CHILDREN", "handed-down", "--inheritable"]);
    pipe(&shop, &["-e", "main", "--secret", "OWN", "-"], SECRET).ok();
    pipe(
        &shop,
        &["-e", "main", "--secret", "--inheritable", "KEY", "-"],
        "a-key-for-all",
    )
    .ok();
    shop.wharf(&["branch", "feature"])
        .ok()
        .has("feature now serves r1.");
    let page = |path: &str| world.get("feature--shop.localhost", path).ok();
    assert_eq!(page("/CHILDREN"), "handed-down");
    assert_eq!(page("/KEY"), "a-key-for-all");
    assert_eq!((page("/PLAIN"), page("/OWN")), ("-".into(), "-".into()));
    // What is set later stays where it is set.
    set(&["CHILDREN", "changed"]);
    shop.wharf(&["redeploy", "-e", "feature"]).ok();
    assert_eq!(page("/CHILDREN"), "handed-down");

    let differing = json(&shop, &["config", "diff", "main", "feature"]);
    let row = |name: &str| {
        let mut rows = differing.as_array().unwrap().iter();
        rows.find(|row| row["name"] == name).unwrap()["same"].clone()
    };
    assert_eq!(
        (row("KEY"), row("OWN"), row("MODE")),
        (true.into(), false.into(), true.into())
    );
    shop.wharf(&["config", "diff", "main", "feature"])
        .exits(1)
        .has("changed")
        .has("(not set)")
        .lacks(SECRET)
        .lacks("a-key-for-all");
    shop.wharf(&["config:diff", "main", "main"])
        .ok()
        .has("the same variables");

    // With the environment what was set for it goes.
    shop.wharf(&["delete", "-e", "feature"]).ok();
    shop.wharf(&["variable", "list", "-e", "feature"])
        .ok()
        .lacks("handed-down");
}

#[test]
fn promoted_code_brings_no_value_along() {
    let world = World::new();
    let shop = shop(&world);
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    let declared = "[environments.main]\ntype = \"production\"\n\
                    [environments.next]\ntype = \"staging\"\nparent = \"main\"\n";
    fs::write(&file, format!("{text}{declared}")).unwrap();
    world.wharf(&["reload"]).ok();
    shop.wharf(&["branch", "next"]).ok();
    let built = |host: &str| world.get(host, "/built").ok();
    let work = |file: &str| {
        shop.git(&["fetch", "--quiet", "wharf"]).ok();
        let begin = ["switch", "--quiet", "-C", "next", "wharf/next"];
        shop.git(&begin).ok();
        shop.write(file, "x");
        shop.commit(file);
        shop.push(&["next"]).ok();
    };
    work("first");
    shop.wharf(&["promote"]).ok().has("not built again");

    let secret = ["-e", "next", "--secret", "--visible", "both", "TOKEN", "-"];
    pipe(&shop, &secret, SECRET).ok();
    work("second");
    assert_eq!(built("next--shop.localhost"), format!("file/{SECRET}"));
    shop.wharf(&["promote"])
        .ok()
        .has("built again: TOKEN of next is not as here");
    assert_eq!(built("main--shop.localhost"), "file/");
}

#[test]
fn what_is_committed_wins_and_is_read_only() {
    let world = World::new();
    let shop = shop(&world);
    shop.wharf(&["variable", "set", "MODE", "dumped"]).ok();
    shop.wharf(&[
        "variable",
        "set",
        "FLAG",
        "on",
        "--visible",
        "run",
        "--level",
        "project",
    ])
    .ok();
    shop.wharf(&["redeploy"]).ok();
    let printed = shop.wharf(&["config", "dump"]).ok().out;
    shop.wharf(&["config:dump", "--write"])
        .ok()
        .has("written: ");
    let file = shop.path().join("wharf.config.toml");
    assert_eq!(fs::read_to_string(&file).unwrap(), printed);
    assert!(
        printed.starts_with("# What was set in the environment main of shop"),
        "{printed}"
    );
    assert!(
        printed.ends_with(
            "\n[variables]\nFLAG = { value = \"on\", visible = \"run\" }\nMODE = \"dumped\"\n"
        ),
        "{printed}"
    );
    shop.commit("Configuration");
    shop.push(&["main"])
        .ok()
        .has("wharf.config.toml: 2 variables");
    assert_eq!(
        (shop.get("/MODE").ok(), shop.get("/FLAG").ok()),
        ("dumped".into(), "on".into())
    );
    assert_eq!(shop.get("/built").ok(), "dumped/");

    // Every reason at once; nothing is recorded.
    let commit = shop.git(&["rev-parse", "--short=8", "HEAD"]).ok().out;
    let commit = commit.trim();
    let before = json(&shop, &["activities"]);
    shop.wharf(&["variable", "set", "MODE", "{", "--as-json"])
        .exits(6)
        .has(&format!(
            "MODE is committed in {commit} (wharf.config.toml), and read-only in main"
        ))
        .has("commit and push")
        .has("is no JSON");
    assert_eq!(json(&shop, &["activities"]), before);
    shop.wharf(&["variable", "list"])
        .ok()
        .has(&format!("committed in {commit}"));
    // Elsewhere, and of the type, it may be set; here what is committed goes on to win.
    let words = ["variable", "set", "MODE", "new", "--level", "project"];
    shop.wharf(&words).ok().has(&format!(
        "warning: MODE is committed (wharf.config.toml) and read-only, so this changes nothing, in: \
         main in {commit}"
    ));
    let words = ["variable", "set", "MODE", "new", "--type", "staging"];
    shop.wharf(&words).ok().lacks("is committed");
    let words = ["variable", "set", "OTHER", "new", "--type", "production"];
    shop.wharf(&words).ok().lacks("is committed");
    shop.wharf(&["variable", "delete", "OTHER", "--type", "production"])
        .ok();
    assert_eq!(pending(&shop), 0);
    assert_eq!(shop.wharf(&["config", "dump"]).ok().out, printed);
    shop.write("wharf.config.toml", "[variables]\nMODE = 1\nPORT = \"1\"\n");
    shop.commit("Wrong");
    shop.push(&["main"])
        .exits(1)
        .has("wharf.config.toml:2:8")
        .has("wharf.config.toml:3:1");
    shop.git(&["rm", "--quiet", "wharf.config.toml"]).ok();
    shop.commit("Free again");
    shop.push(&["main"]).ok();
    assert_eq!(shop.get("/MODE").ok(), "dumped");
    shop.wharf(&["variable", "set", "MODE", "free"]).ok();
}

#[test]
fn what_cannot_be_set_is_refused() {
    let world = World::new();
    let shop = shop(&world);
    let refused = |words: &[&str], code: i32, text: &str| {
        let all = [&["variable"], words].concat();
        shop.wharf(&all).exits(code).has(text);
    };
    refused(&["set", "PORT", "1"], 6, "PORT is reserved: Wharf sets it");
    refused(&["set", "9", "1"], 6, "must not begin with a digit");
    refused(&["set", "A", "a\x1b"], 6, "control character");
    refused(&["set", "A", "1", "--type", "test"], 2, "--type");
    refused(&["get", "A"], 5, "A is not set there");
    refused(&["delete", "A"], 5, "A is not set for main");
    refused(&["list", "--environment=-x"], 5, "no environment");
    pipe(&shop, &["A", "-"], &"x".repeat(20_000))
        .exits(6)
        .has("at most 16384 are kept");
    shop.wharf(&["variable", "set", "--secret", "A", "short"])
        .ok()
        .has("others on this machine may see arguments")
        .has("fewer than 8 bytes");
    shop.sh("printf '\\377' | wharf variable set B -")
        .exits(2)
        .has("the value is not UTF-8");
    for answer in ["variables", "differences"] {
        shop.wharf(&["schema", answer]).ok().has("$schema");
    }
}
