//! What every command prints with `--json` is what `wharf schema` promises, also where it is not done.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use wharf_tests::{Said, Tree, World, run};

use crate::told::receiver::Receiver;

/// A program that reads what `wharf` prints, and keeps in mind what it has seen.
struct Reader<'w> {
    shop: Tree<'w>,
    seen: RefCell<BTreeSet<String>>,
}

impl Reader<'_> {
    /// What a command prints, which ends well.
    #[track_caller]
    fn json(&self, schema: &str, words: &[&str]) -> Value {
        self.exits(0, schema, words)
    }

    #[track_caller]
    fn exits(&self, code: i32, schema: &str, words: &[&str]) -> Value {
        let said = self.shop.wharf(&[words, &["--json"]].concat()).exits(code);
        self.read(schema, &said)
    }

    /// A command that is not done, with what its error says.
    #[track_caller]
    fn error(&self, exit: i32, code: &str, words: &[&str]) -> Value {
        let mut printed = self.exits(exit, "error", words);
        let error = printed["error"].take();
        assert_eq!(
            (&error["exit"], &error["code"]),
            (&exit.into(), &code.into()),
            "{error}"
        );
        error
    }

    #[track_caller]
    fn read(&self, schema: &str, said: &Said) -> Value {
        let printed = serde_json::from_str(&said.out);
        let printed: Value = printed.unwrap_or_else(|error| panic!("{error}\n{said}"));
        self.fits(schema, &printed);
        printed
    }

    #[track_caller]
    fn fits(&self, name: &str, printed: &Value) {
        let schema = self.shop.wharf(&["schema", name]).ok().out;
        let mut schema: Value = serde_json::from_str(&schema).unwrap();
        close(&mut schema);
        let wrong = jsonschema::validate(&schema, printed).err();
        assert!(wrong.is_none(), "{name}: {wrong:?}\n{printed}");
        self.seen.borrow_mut().insert(name.to_owned());
    }

    fn commit(&self, text: &str) -> String {
        self.shop.write("index.html", text);
        self.shop.commit(text);
        self.shop
            .git(&["rev-parse", "HEAD"])
            .ok()
            .out
            .trim()
            .to_owned()
    }
}

/// A key that a schema does not name is a mistake here, though readers should let it pass.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".into(), false.into());
            }
            object.values_mut().for_each(close);
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        _ => {}
    }
}

fn state(outcome: &Value) -> &Value {
    &outcome["activities"][0]["state"]
}

#[test]
fn everything_that_is_printed_has_its_schema() {
    let world = World::new();
    let reader = Reader {
        shop: world.site("shop", &[("index.html", "one")]),
        seen: RefCell::default(),
    };
    let ready = reader.json("init", &["init"]);
    assert_eq!(
        (&ready["project"], &ready["branch"]),
        (&"shop".into(), &"main".into())
    );
    reader.shop.push(&["main"]).ok();
    looks(&world, &reader);
    acts(&reader);
    crons(&reader);
    waits(&world, &reader);
    mounts(&reader);
    goes_wrong(&world, &reader);

    // All that are published were seen.
    let said = reader.shop.wharf(&["schema", "--help"]).ok().out;
    let names = said.lines().filter_map(|line| {
        let (name, of) = line.trim().strip_prefix("- ")?.split_once(':')?;
        (!of.is_empty()).then(|| name.to_owned())
    });
    assert_eq!(*reader.seen.borrow(), names.collect(), "{said}");
}

/// What is in mounts, and what would come into them.
fn mounts(reader: &Reader<'_>) {
    let shop = with_a_mount(reader);
    shop.write("files/one", "1");
    let before = reader.json("mounts", &["mount", "list"]);
    assert_eq!(
        (&before[0]["path"], &before[0]["used"]),
        (&"var".into(), &Value::Null)
    );
    let changes = reader.json("mount-changes", &["mount", "upload", "files", "var", "-n"]);
    assert_eq!(changes[0]["path"], "var/one");
    let outcome = reader.json("outcome", &["mount", "upload", "files", "var"]);
    assert_eq!(state(&outcome), "succeeded");
    let sizes = reader.json("mounts", &["mount", "size", "var"]);
    assert_eq!(sizes[0]["used"]["files"], 1);
    reader.error(5, "no-mount", &["mount", "size", "none"]);
    shop.git(&["switch", "--quiet", "--force", "main"]).ok();
}

fn with_a_mount<'r>(reader: &'r Reader<'_>) -> &'r Tree<'r> {
    let shop = &reader.shop;
    shop.git(&["switch", "--quiet", "-c", "mounted"]).ok();
    shop.write("wharf.toml", "public = \".\"\n[mounts]\nvar = \"data\"\n");
    shop.commit("A mount");
    shop.push(&["mounted"]).ok().has("mounted now serves");
    shop
}

/// What a destination is sent, and what a try of it prints.
fn told(world: &World, reader: &Reader<'_>) {
    let receiver = Receiver::new();
    let drop_in = world.home().join("config/wharfd.d/told.toml");
    fs::create_dir_all(drop_in.parent().unwrap()).unwrap();
    let text = format!(
        "[[notify]]\nname = \"team\"\nwebhook = \"{}\"\n",
        receiver.url()
    );
    fs::write(&drop_in, text).unwrap();
    reader.shop.wharf(&["reload"]).ok();
    std::thread::scope(|scope| {
        let sent = scope.spawn(move || receiver.take().0);
        reader.json("notify-test", &["notify", "test"]);
        reader.fits("notification", &sent.join().unwrap());
    });
    fs::remove_file(drop_in).unwrap();
    reader.shop.wharf(&["reload"]).ok();
}

fn looks(world: &World, reader: &Reader<'_>) {
    reader.json("status", &["status"]);
    reader.json("projects", &["project", "list"]);
    reader.json("environments", &["environments"]);
    assert_eq!(reader.json("environment", &["info"])["id"], "main");
    let all = reader.json("activities", &["activity", "list"]);
    let id = all[0]["id"].as_str().unwrap();
    reader.json("activity", &["activity", "show", id]);
    reader.json("activity", &["activity", "wait", id]);
    reader.json("releases", &["releases"]);
    reader.json("slugs", &["slugs"]);
    reader.json("slug-why", &["slug", "why"]);
    reader.json("snapshots", &["snapshot", "list"]);
    let log = reader.json("log", &["log", id]);
    // One that is followed is one entry a line.
    let followed = reader
        .shop
        .wharf(&["log", "--follow", "--json", id])
        .ok()
        .out;
    let lines = followed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(Value::Array(lines.collect()), log);
    let url = reader.json("url", &["url"]);
    // What is public needs no link.
    let grant = reader.json("grant", &["url", "--grant", "1h"]);
    assert_eq!(
        (&grant["url"], &grant["public"]),
        (&url["url"], &true.into())
    );
    reader
        .shop
        .wharf(&["url", "--grant", "1h"])
        .ok()
        .has("main is public")
        .lacks("wharf-grant");
    reader.json("doctor", &["doctor"]);
    reader.json("cleanup", &["cleanup", "--dry-run"]);
    told(world, reader);
    let repository = world.repository("shop").display().to_string();
    reader.json("hooks", &["hook", "status", &repository]);
    let keys = world.path("keys").display().to_string();
    let file = format!("--authorized-keys={keys}");
    let key = world.path("key").display().to_string();
    run(world
        .command("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", &key]))
    .ok();
    let public = format!("{key}.pub");
    reader
        .shop
        .wharf(&["key", "add", "ann", &public, &file])
        .ok();
    assert_eq!(
        reader.json("keys", &["key", "list", &file])[0]["name"],
        "ann"
    );
    reader.json("check", &["check"]);
    let full = "runtime = \"python\"\n[build]\ncache = [\"~/.npm\"]\nsteps = [\"true\"]\n\
        [deploy]\nhealth = { path = \"/\", within = \"10s\" }\n[web]\nstart = \"true\"\n\
        [workers]\nw = \"true\"\n[mounts]\n\"var\" = \"data\"\n[env]\nA = \"b\"\n\
        B = { required = true, help = \"b\" }\n";
    let directory = world.path("work/full");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("wharf.toml");
    let at = directory.display().to_string();
    fs::write(&file, full).unwrap();
    reader.json("check", &["check", &at]);
    fs::write(&file, "publik = 1\n").unwrap();
    let checked = reader.exits(1, "check", &["check", &at]);
    assert_eq!(checked["problems"][0]["code"], "unknown-key");
}

fn acts(reader: &Reader<'_>) {
    let outcome = reader.json("outcome", &["branch", "feature"]);
    assert_eq!(outcome["activities"][0]["environment"], "feature");
    assert_eq!(state(&outcome), "succeeded");
    let grant = reader.json("grant", &["url", "--grant", "1h", "-e", "feature"]);
    assert_eq!(grant["public"], false);
    assert!(grant["expires"].is_u64(), "{grant}");
    reader.json("outcome", &["variable", "set", "A", "b"]);
    let all = reader.json("variables", &["variable", "list"]);
    assert_eq!(all[0]["name"], "A");
    reader.json("variable", &["variable", "get", "A"]);
    reader.exits(1, "differences", &["config", "diff", "main", "feature"]);
    let first = reader.commit("two");
    reader.shop.push(&["-o", "nowait", "main:feature"]).ok();
    let all = reader.json("activities", &["activities", "-e", "feature"]);
    let id = all[0]["id"].as_str().unwrap();
    reader.json("activity", &["activity", "wait", id]);
    for (words, kind) in [
        (&["merge", "-e", "feature"][..], "merge"),
        (&["redeploy"], "redeploy"),
        (&["rollback"], "rollback"),
        (&["pause", "-e", "feature"], "pause"),
        (&["resume", "-e", "feature"], "resume"),
        (&["deactivate", "-e", "feature"], "deactivate"),
        (&["activate", "-e", "feature"], "activate"),
        (&["info", "-e", "feature", "--title", "Cart"], "info"),
    ] {
        let outcome = reader.json("outcome", words);
        assert_eq!(state(&outcome), "succeeded", "{outcome}");
        assert_eq!(outcome["activities"][0]["kind"], kind);
    }
    reader.json("outcome", &["deploy", "--commit", &first]);
    // It is done already.
    let outcome = reader.json("outcome", &["deploy", "--commit", &first]);
    assert_eq!(outcome["activities"], Value::Array(vec![]));
    reader.error(6, "up-to-date", &["merge", "-e", "feature"]);
    reader.error(6, "up-to-date", &["promote", "-e", "feature"]);
    reader.error(6, "up-to-date", &["sync", "code", "-e", "feature"]);
    let error = reader.error(6, "production-stays", &["delete"]);
    let codes = error["reasons"].as_array().unwrap().iter();
    let codes: Vec<&Value> = codes.map(|reason| &reason["code"]).collect();
    assert_eq!(codes, ["production-stays", "has-children"]);
    let outcome = reader.json("outcome", &["delete", "-e", "feature"]);
    assert_eq!(outcome["activities"][0]["kind"], "delete");
}

/// Crons, before and after one ran.
fn crons(reader: &Reader<'_>) {
    let crons = "[crons]\nsweep = { schedule = \"@hourly\", run = \"exit 3\" }\n";
    reader
        .shop
        .write("wharf.toml", &format!("public = \".\"\n{crons}"));
    reader.shop.commit("Crons");
    reader.shop.push(&["main:side"]).ok();
    let all = reader.json("crons", &["crons", "-e", "side"]);
    assert_eq!(all[0]["last"], Value::Null);
    let outcome = reader.exits(1, "outcome", &["crons", "run", "sweep", "-e", "side"]);
    let activity = &outcome["activities"][0];
    assert_eq!(
        (&activity["kind"], &activity["state"]),
        (&"cron".into(), &"failed".into())
    );
    let all = reader.json("crons", &["crons", "-e", "side"]);
    assert_eq!(all[0]["last"]["activity"], activity["id"]);
    reader.error(5, "unknown-cron", &["crons", "run", "none", "-e", "side"]);
    reader.json("outcome", &["delete", "-e", "side"]);
}

/// A deployment that fails, and one that waits: neither is an error of the command that asks.
fn waits(world: &World, reader: &Reader<'_>) {
    reader.shop.write("wharf.toml", "build = \"exit 9\"\n");
    let broken = reader.commit("broken");
    reader.shop.push(&["main:side"]).ok();
    reader
        .shop
        .git(&["push", "--quiet", "wharf", "--delete", "side"])
        .ok();
    let outcome = reader.exits(3, "outcome", &["deploy", "--commit", &broken]);
    assert_eq!(state(&outcome), "failed");
    assert_eq!(outcome["activities"][0]["reason"]["code"], "build-failed");

    reader.shop.write("wharf.toml", "");
    let good = reader.commit("good");
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    let policy = "[environments.main]\ntype = \"production\"\napprove = true\n";
    fs::write(&file, format!("{text}\n{policy}")).unwrap();
    world.wharf(&["reload"]).ok();
    reader.shop.push(&["-o", "nowait", "main:side"]).ok();
    let outcome = reader.json("outcome", &["deploy", "--commit", &good]);
    assert_eq!(state(&outcome), "waiting");
    let id = outcome["activities"][0]["id"].as_str().unwrap();
    let outcome = reader.json("outcome", &["approve", id]);
    assert_eq!(
        (state(&outcome), &outcome["activities"][0]["id"]),
        (&"succeeded".into(), &id.into())
    );
    reader.error(6, "not-parked", &["activity", "approve", id]);
    reader.error(6, "ended", &["cancel", id]);
}

fn goes_wrong(world: &World, reader: &Reader<'_>) {
    reader.error(5, "unknown-environment", &["url", "-e", "nothing"]);
    reader.error(
        5,
        "unknown-project",
        &["--here", "-p", "nothing", "environments"],
    );
    reader.error(5, "not-found", &["check", "nowhere"]);
    reader.error(2, "usage", &["status", "--frobnicate"]);
    reader.error(2, "usage", &["reload"]);
    // What a push would be told is told here as well.
    reader.shop.write("wharf.toml", "publik = 1\n");
    reader.shop.commit("Wrong");
    reader
        .shop
        .git(&[
            "push",
            "--quiet",
            "--no-verify",
            "wharf",
            "main:refs/kept/wrong",
        ])
        .ok();
    let wrong = reader.shop.git(&["rev-parse", "HEAD"]).ok().out;
    let error = reader.error(6, "config-invalid", &["deploy", "--commit", wrong.trim()]);
    assert_eq!(error["reasons"].as_array().map(Vec::len), Some(1));
    world.kill_daemon();
    for words in [
        &["environments"][..],
        &["redeploy"],
        &["activity", "wait", "4f2a"],
    ] {
        reader.error(4, "unreachable", words);
    }
}
