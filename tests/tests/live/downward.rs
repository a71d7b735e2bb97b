//! Data that comes down: a parent's, copied, scrubbed before anybody can reach it, or not at all.

use std::fs;
use std::path::PathBuf;

use wharf_tests::{Tree, World};
use wharf_wire::ask::{Ask, Scope, Synced};
use wharf_wire::outcome::{Kind, State};

use crate::deaths::killed_at;
use crate::snapshots::{SERVER, last};
use crate::web::WEB;

const CONFIG: &str = "web = \"exec python3 app.py\"\n\n[deploy]\nhealth = { path = \"/\", within = \"10s\" }\n\n\
    [mounts]\nuploads = \"data\"\n\"var/own\" = \"private\"\n\n[seed]\nrun = \"echo sample >uploads/sample\"\n";
/// Writes where it may, tells what it sees, and fails where the data says so.
const SCRUB: &str = r#"set -e
if [ -e uploads/fail ]; then echo "cannot scrub this"; exit 3; fi
sed s/secret/scrubbed/ uploads/text >var/own/text
cp var/own/text uploads/text
printf '%s %s %s\n' "$WHARF_ENVIRONMENT" "$WHARF_ENVIRONMENT_TYPE" "${TOKEN-none}" >uploads/seen
[ "$(grep -c : /proc/net/dev)" = 1 ]
"#;
const RULE: &str = "[data]\nsanitize = \"sh scrub.sh\"\n";

/// A shop whose production has a secret word in its data, and a child with its own.
fn shop(world: &World) -> Tree<'_> {
    let files = [
        ("wharf.toml", CONFIG),
        ("app.py", SERVER),
        WEB,
        ("scrub.sh", SCRUB),
    ];
    let shop = world.site("shop", &files);
    shop.init().ok();
    shop.wharf(&["variable", "set", "TOKEN=production", "--secret"])
        .ok();
    shop.push(&["main"]).ok().has("main now serves r1.");
    put(&shop, "main", "secret");
    shop.push(&["main:feature"])
        .ok()
        .has("it begins without data: data of main may not go into feature")
        .has("the operator names what scrubs it in the project's file: [data] sanitize")
        .has("feature now serves r1.");
    put(&shop, "feature", "own");
    shop
}

fn put(shop: &Tree<'_>, environment: &str, word: &str) {
    let line = format!("echo {word} >uploads/text");
    shop.wharf(&["run", "-e", environment, "--", "sh", "-c", &line])
        .ok();
}

/// Writes what follows the project's first line into its file, and has the daemon read it.
pub(crate) fn rule(world: &World, tables: &str) {
    let file = world.home().join("config/projects.d/shop.toml");
    let old = fs::read_to_string(&file).unwrap();
    let old = old.lines().next().unwrap();
    fs::write(&file, format!("{old}\n{tables}")).unwrap();
    world.wharf(&["reload"]).ok();
}

fn shows(world: &World, environment: &str) -> String {
    world
        .get(&format!("{environment}--shop.localhost"), "/")
        .ok()
}

fn data(world: &World, environment: &str) -> PathBuf {
    world.home().join("state/mounts/shop").join(environment)
}

/// Nothing is left of what was arriving.
fn nothing_arrives(world: &World, environment: &str) {
    let names = fs::read_dir(data(world, environment)).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, Vec::<String>::new());
}

const SYNC: [&str; 4] = ["sync", "data", "-e", "feature"];

#[test]
fn a_parents_data_comes_scrubbed_and_what_was_there_is_kept() {
    let world = World::new();
    let shop = shop(&world);
    // A file of its own, a link, and what is nobody's to read.
    let more = "mkdir -p uploads/a/b; echo deep >uploads/a/b/c; ln -s /etc/passwd uploads/link; \
                chmod 600 uploads/a/b/c";
    shop.wharf(&["run", "--", "sh", "-c", more]).ok();
    rule(&world, RULE);
    // A branch that changes what scrubs changes nothing: the parent's code does it.
    shop.write("scrub.sh", "true\n");
    shop.commit("Scrub nothing");
    shop.push(&["main:feature"]).ok();
    shop.wharf(&SYNC)
        .ok()
        .has("files of main")
        .has("sanitize   sh scrub.sh")
        .has("main's data is in its place")
        .has("what was there is kept on the host as ")
        .has("feature serves r3 with it.");
    assert_eq!(shows(&world, "feature"), "scrubbed\n");
    assert_eq!(shows(&world, "main"), "secret\n");
    let look = "cat uploads/seen uploads/a/b/c; readlink uploads/link; stat -c %a uploads/a/b/c; ls var/own";
    let said = shop
        .wharf(&["run", "-e", "feature", "--", "sh", "-c", look])
        .ok();
    assert_eq!(
        said.out,
        "feature development none\ndeep\n/etc/passwd\n600\n"
    );
    nothing_arrives(&world, "feature");
    let kept = world.home().join("state/kept").join(last(&world).id);
    let synced = world.activities(Some("shop"), 10).unwrap();
    let synced = synced
        .iter()
        .find(|one| one.kind == Kind::SyncData)
        .unwrap();
    assert_eq!(synced.state, State::Succeeded);
    let kept = kept.with_file_name(&synced.id);
    let names: Vec<_> = fs::read_dir(&kept)
        .unwrap()
        .map(|one| one.unwrap().path())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(fs::read_to_string(names[0].join("text")).unwrap(), "own\n");

    // A snapshot of the parent's is scrubbed, too.
    shop.wharf(&["snapshot", "create"]).ok();
    let list = shop.wharf(&["snapshot", "list", "--json"]).ok().out;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    put(&shop, "feature", "own");
    shop.wharf(&[
        "snapshot",
        "restore",
        list[0]["id"].as_str().unwrap(),
        "-e",
        "feature",
    ])
    .ok()
    .has("sanitize   sh scrub.sh");
    assert_eq!(shows(&world, "feature"), "scrubbed\n");
}

#[test]
fn what_cannot_be_scrubbed_does_not_arrive() {
    let world = World::new();
    let shop = shop(&world);
    shop.wharf(&SYNC)
        .exits(6)
        .has("data of main may not go into feature")
        .has("[data] sanitize =");
    rule(&world, RULE);
    shop.wharf(&["run", "--", "touch", "uploads/fail"]).ok();
    shop.wharf(&SYNC)
        .exits(3)
        .has("| cannot scrub this")
        .has("the data of main is not scrubbed (sh scrub.sh)")
        .has("nothing of it arrived")
        .has("feature still serves r1; nothing was changed.");
    assert_eq!(last(&world).reason.unwrap().code, "sanitize-failed");
    assert_eq!(shows(&world, "feature"), "own\n");
    nothing_arrives(&world, "feature");
    // Nor at a beginning.
    shop.push(&["main:other"])
        .has("the data of main is not scrubbed")
        .has("clone_parent_on_create=false")
        .has("other serves nothing yet");
    assert_eq!(last(&world).state, State::Failed);
    nothing_arrives(&world, "other");
    assert!(!data(&world, "other").join("uploads/text").exists());
    // One that is told to begin without does.
    shop.wharf(&["delete", "-e", "other"]).ok();
    shop.push(&[
        "-o",
        "environment.clone_parent_on_create=false",
        "main:other",
    ])
    .ok()
    .has("seed ");
    assert_eq!(shows(&world, "other"), "nothing\n");
    // Nobody says any more how.
    rule(&world, "");
    shop.wharf(&SYNC).exits(6);
    // Nobody has to be hidden.
    rule(&world, "[data]\nsanitize = false\n");
    shop.wharf(&SYNC).ok().lacks("sanitize   ");
    assert_eq!(shows(&world, "feature"), "secret\n");
}

#[test]
fn data_never_goes_up() {
    let world = World::new();
    let shop = shop(&world);
    rule(
        &world,
        "[environments.production]\nbranch = \"main\"\ntype = \"production\"\n\
         [environments.staging]\nbranch = \"staging\"\ntype = \"staging\"\n[data]\nsanitize = false\n",
    );
    shop.push(&[
        "-o",
        "environment.clone_parent_on_create=false",
        "main:staging",
    ])
    .ok();
    put(&shop, "staging", "staging");
    shop.wharf(&["sync", "data", "-e", "main"])
        .exits(6)
        .has("main is production, and data never goes up");
    // A staging below a development is guarded better than what is above it.
    shop.wharf(&["info", "--parent", "feature", "-e", "staging"])
        .ok();
    shop.wharf(&["sync", "data", "-e", "staging"])
        .exits(6)
        .has("data of a development never goes into a staging");
    // Nor is it by the socket, where no client of ours says what is asked.
    for environment in ["main", "staging"] {
        let ask = Ask::Sync {
            scope: Scope {
                project: Some("shop".into()),
                environment: Some(environment.into()),
                ..Scope::default()
            },
            what: Synced::Data,
        };
        let refused = world.ask(ask).unwrap_err();
        assert!(refused.contains("never goes"), "{refused}");
    }
    let all = world.activities(Some("shop"), 100).unwrap();
    assert!(all.iter().all(|one| one.kind != Kind::SyncData));
    assert_eq!(shows(&world, "main"), "secret\n");
    assert_eq!(shows(&world, "staging"), "staging\n");
    // Nor with a push option: a new environment of a better type begins with nothing.
    rule(
        &world,
        "[environments.production]\nbranch = \"main\"\ntype = \"production\"\n\
         [environments.next]\nbranch = \"next\"\ntype = \"staging\"\n[data]\nsanitize = false\n",
    );
    let asked = [
        "-o",
        "parent=feature",
        "-o",
        "environment.clone_parent_on_create=true",
    ];
    shop.push(&[&asked[..], &["main:next"]].concat())
        .has(
            "data of feature may not go into next: data of a development never goes into a staging",
        )
        .has("next serves nothing yet");
}

#[test]
fn a_new_environment_begins_with_its_parents_data_once() {
    let world = World::new();
    let shop = shop(&world);
    rule(&world, RULE);
    shop.wharf(&["branch", "one", "main"])
        .ok()
        .has("sanitize   sh scrub.sh")
        .has("it begins with main's data")
        .lacks("seed ")
        .has("one now serves r1.");
    assert_eq!(shows(&world, "one"), "scrubbed\n");
    nothing_arrives(&world, "one");
    assert!(
        !world
            .home()
            .join("state/kept")
            .join(last(&world).id)
            .exists()
    );
    put(&shop, "one", "own");
    shop.write("other", "2\n");
    shop.commit("Two");
    shop.push(&["HEAD:one"]).ok().lacks("sanitize");
    assert_eq!(shows(&world, "one"), "own\n");
    shop.wharf(&["branch", "two", "main", "--no-data"])
        .ok()
        .lacks("sanitize")
        .has("seed ");
    assert_eq!(shows(&world, "two"), "nothing\n");
    // By the project's rule, unless somebody wishes for it.
    rule(
        &world,
        &format!("[environments.\"*\"]\ndata = \"none\"\n{RULE}"),
    );
    shop.push(&["main:three"]).ok().lacks("sanitize");
    assert_eq!(shows(&world, "three"), "nothing\n");
    shop.push(&["-o", "environment.clone_parent_on_create=true", "main:four"])
        .ok();
    assert_eq!(shows(&world, "four"), "scrubbed\n");
    // One that goes and comes again begins again.
    rule(&world, RULE);
    shop.wharf(&["deactivate", "-e", "one"]).ok();
    shop.wharf(&["activate", "-e", "one"])
        .ok()
        .has("it begins with main's data");
    assert_eq!(shows(&world, "one"), "scrubbed\n");
    // Its child begins with what it has, and that is scrubbed once more.
    put(&shop, "one", "of-one");
    shop.wharf(&["branch", "below", "one"])
        .ok()
        .has("it begins with one's data");
    assert_eq!(shows(&world, "below"), "of-one\n");
}

/// Every point that a command passes where data moves, once each.
fn points(world: &World, shop: &Tree<'_>, words: &[&str]) -> Vec<String> {
    world.forget_trace();
    shop.wharf(words).ok();
    let mut seen = Vec::new();
    for point in world.trace() {
        let parts = [
            "step deploy fetch",
            "step deploy swap",
            "step deploy clone",
            "swap: ",
            "sync: ",
            "clone: ",
        ];
        let own = parts.iter().any(|part| point.starts_with(part)) || point.contains("first data");
        if own && !seen.contains(&point) {
            seen.push(point);
        }
    }
    seen
}

#[test]
fn a_sync_survives_every_death() {
    let world = World::new();
    let shop = shop(&world);
    rule(&world, RULE);
    let passed = points(&world, &shop, &SYNC);
    for wanted in [
        "step deploy fetch: started",
        "sync: scrubbing",
        "swap: quiet",
        "swap: kept uploads",
    ] {
        assert!(
            passed.iter().any(|one| one.starts_with(wanted)),
            "{passed:?}"
        );
    }
    for point in passed {
        put(&shop, "feature", "own");
        let ended = killed_at(&world, &shop, &SYNC, &point);
        assert_eq!(ended.state, State::Succeeded, "{point}");
        assert_eq!(shows(&world, "feature"), "scrubbed\n", "{point}");
        nothing_arrives(&world, "feature");
    }
}

#[test]
fn a_beginning_survives_every_death() {
    let world = World::new();
    let shop = shop(&world);
    rule(&world, RULE);
    let passed = points(&world, &shop, &["branch", "first", "main"]);
    for wanted in [
        "clone: came",
        "clone: whole",
        "clone: placed",
        "step deploy clone: done",
    ] {
        assert!(passed.iter().any(|one| one == wanted), "{passed:?}");
    }
    for (number, point) in passed.iter().enumerate() {
        let name = format!("at{number}");
        let ended = killed_at(&world, &shop, &["branch", &name, "main"], point);
        assert_eq!(ended.state, State::Succeeded, "{point}");
        assert_eq!(shows(&world, &name), "scrubbed\n", "{point}");
        nothing_arrives(&world, &name);
        shop.wharf(&["delete", "-e", &name]).ok();
    }
}

#[test]
fn a_full_disk_leaves_the_old_data() {
    if !wharf_tests::apart("downward::a_full_disk_leaves_the_old_data") {
        return;
    }
    let world =
        World::with_host_file("[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nmin_free = \"1K\"\n");
    let shop = shop(&world);
    rule(&world, RULE);
    let fill = "head -c 30000000 /dev/urandom >uploads/large";
    shop.wharf(&["run", "--", "sh", "-c", fill]).ok();
    // Where it is to arrive there is less room than it needs.
    let mounts = data(&world, "feature");
    let mut mount = world.command("mount");
    let words = ["-t", "tmpfs", "-o", "size=8m", "tmpfs"];
    wharf_tests::run(mount.args(words).arg(&mounts)).ok();
    shop.wharf(&SYNC).exits(3).has("the host's disk is full");
    assert_eq!(last(&world).reason.unwrap().code, "disk-full");
    nothing_arrives(&world, "feature");
    wharf_tests::run(world.command("umount").arg("--lazy").arg(&mounts)).ok();
    assert_eq!(shows(&world, "feature"), "own\n");
    shop.wharf(&SYNC).ok();
    assert_eq!(shows(&world, "feature"), "scrubbed\n");
}
