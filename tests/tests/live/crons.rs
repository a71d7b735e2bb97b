//! Crons: when they are due, in the release and on its data, one after the other; out of a deployment's
//! way; and nothing is left of them.

use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode};
use wharf_tests::{Tree, Watched, World, is_left, pause};
use wharf_wire::{
    ask::{Ask, Scope},
    cron::{Cron, CronRun},
    outcome::State,
    view::Item,
};

use crate::restarts::{mount, wait_for_log};

const BASE: &str = "public = \"out\"\nbuild = \"mkdir out; cp page out/index.html\"\n\
                    [mounts]\ndata = \"private\"\n";

/// A shop with these crons, and more.
fn deployed<'w>(world: &'w World, more: &str) -> Tree<'w> {
    let config = format!("{BASE}{more}");
    let shop = world.site("shop", &[("wharf.toml", &config), ("page", "one\n")]);
    shop.init();
    shop.push(&["main"]).ok().has("main now serves r1.");
    shop
}

/// A cron of production, as `wharf crons` tells of it.
fn cron(world: &World, name: &str) -> Cron {
    cron_of(world, "main", name)
}

/// The same of an environment.
fn cron_of(world: &World, environment: &str, name: &str) -> Cron {
    let scope = Scope {
        project: Some("shop".into()),
        environment: Some(environment.into()),
        ..Scope::default()
    };
    let items = world.ask(Ask::Crons(scope)).unwrap();
    let mut crons = items.into_iter().filter_map(|item| match item {
        Item::Cron(cron) => Some(cron),
        _ => None,
    });
    crons.find(|cron| cron.name == name).unwrap()
}

/// Waits until it is so; what the daemon does, it does a little later.
#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < wharf_tests::LIMIT, "it never is so");
        pause();
    }
}

fn ended(world: &World, name: &str) -> CronRun {
    until(|| cron(world, name).last)
}

/// Begins one by hand; it goes on without whoever watched.
fn begun(shop: &Tree<'_>, name: &str, says: &str) -> Watched {
    let mut run = Watched::wharf(shop, &["crons", "run", name]);
    run.until(says);
    run
}

/// A file of a mount that a command reads a line from.
fn gate(world: &World) -> PathBuf {
    let gate = mount(world).join("gate");
    rustix::fs::mknodat(CWD, &gate, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    gate
}

/// What sleeps in two ways and does not care for TERM.
fn stubborn(mark: &str) -> String {
    format!("trap '' TERM; echo at work; (setsid sleep {mark} &); sleep {mark}; sleep {mark}")
}

#[test]
fn they_begin_when_they_are_due_in_what_serves() {
    let world = World::new();
    let shop = deployed(
        &world,
        "[env]\nMODE = \"plain text\"\nTOKEN = { generate = \"secret\" }\n\
         [crons]\n\
         tick = { schedule = \"*/10 * * * * *\", jitter = \"off\", run = \"\"\"\n\
         echo $MODE r$WHARF_RELEASE >> data/ticks\n\
         echo secret: $TOKEN\n\
         touch page || echo the code stays\n\"\"\" }\n\
         long = { schedule = \"*/10 * * * * *\", jitter = \"off\", limit = \"1h\", \
         run = \"echo begun >> data/long; exec sleep 31536301\" }\n\
         quiet = { schedule = \"@yearly\", run = \"true\" }\n\
         stage = { schedule = \"*/10 * * * * *\", run = \"true\", only = [\"staging\"] }\n",
    );
    let first = ended(&world, "tick");
    assert_eq!((first.state, first.release), (State::Succeeded, Some(1)));
    let ticks = std::fs::read_to_string(mount(&world).join("ticks")).unwrap();
    assert!(ticks.starts_with("plain text r1\n"), "{ticks}");
    shop.wharf(&["log", &first.activity])
        .ok()
        .has("cron tick in r1")
        .has("secret: ****")
        .has("the code stays")
        .has("main still serves r1.");
    // Whose last run goes on is skipped, and said so.
    wait_for_log(&world, "cron long is due and not run: its last run goes on");
    let long = cron(&world, "long");
    assert_eq!((long.running.len(), &long.last), (1, &None));
    let log = std::fs::read_to_string(mount(&world).join("long")).unwrap();
    assert_eq!(log, "begun\n");
    // Others are not there, or not due.
    let stage = cron(&world, "stage");
    assert_eq!(stage.why.as_deref(), Some("only in staging"));
    assert_eq!((stage.next, stage.last), (None, None));
    let quiet = cron(&world, "quiet");
    assert!(quiet.next.is_some() && quiet.last.is_none());
    shop.wharf(&["crons"])
        .ok()
        .has("*/10 * * * * *")
        .has("only in staging")
        .has(&long.running[0].activity);
    // They tell nothing of what is deployed; what goes on is among what happens, and can be stopped.
    shop.wharf(&["log"]).ok().has("now serves r1.");
    let id = &long.running[0].activity;
    let all = shop.wharf(&["activities"]).ok();
    all.has(id).lacks(&first.activity);
    shop.wharf(&["cancel", id]).ok().has("cancelled by");
    assert!(!is_left("31536301"));
    let last = ended(&world, "long");
    assert_eq!((last.state, &last.activity), (State::Cancelled, id));
}

#[test]
fn one_that_takes_too_long_or_fails_says_so() {
    let world = World::new();
    let shop = deployed(
        &world,
        "[crons]\n\
         slow = { schedule = \"@yearly\", run = \"exec sleep 31536302\", limit = \"1s\" }\n\
         bad = { schedule = \"@yearly\", run = \"echo why; exit 3\" }\n",
    );
    shop.wharf(&["crons", "run", "slow"])
        .exits(1)
        .has("the cron took longer than 1s")
        .has("raise its `limit` in wharf.toml");
    assert!(!is_left("31536302"));
    assert_eq!(ended(&world, "slow").reason.unwrap().code, "over-limit");
    shop.wharf(&["crons", "run", "bad"])
        .exits(1)
        .has("cron bad failed")
        .has("why");
    let last = ended(&world, "bad");
    let code = last.reason.unwrap().code;
    assert_eq!((last.state, code.as_str()), (State::Failed, "cron-failed"));
    shop.wharf(&["crons"]).ok().has("failed");
    shop.wharf(&["crons", "run", "none"])
        .exits(5)
        .has("has no cron `none`");
    // Of many runs the last ones are remembered, with their logs.
    let first = last.activity;
    for _ in 0..20 {
        shop.wharf(&["crons", "run", "slow"]).exits(1);
    }
    let ids: Vec<_> = (0..3)
        .map(|_| {
            shop.wharf(&["crons", "run", "bad"]).exits(1);
            ended(&world, "bad").activity
        })
        .collect();
    for id in ids.iter().chain([&first]) {
        shop.wharf(&["log", id]).ok().has("cron bad failed");
    }
    let logs = world.home().join("state/logs").read_dir().unwrap();
    let events = logs.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".jsonl")
    });
    // The push, 20 of the slow one, 4 of the bad one.
    assert_eq!(events.count(), 25);
}

#[test]
fn a_deployment_waits_for_them_then_stops_them() {
    let world = World::new();
    let crons = format!(
        "[workers]\nold = {{ start = \"exec sleep 31536304\", grace = \"1s\" }}\n\
         [crons]\n\
         long = {{ schedule = \"@yearly\", grace = \"1s\", run = \"{}\" }}\n\
         quick = {{ schedule = \"@yearly\", run = \"echo quick\" }}\n",
        stubborn("31536303")
    );
    let shop = deployed(&world, &crons);
    until(|| is_left("31536304").then_some(()));
    let gate = gate(&world);
    let commands =
        "[deploy]\nworkers = \"stop\"\nrun = \"echo waits; read line < data/gate; $line\"\n";
    for (release, does, says) in [
        (2, "false\n", "main still serves r1"),
        (3, "true\n", "main now serves r3"),
    ] {
        let run = begun(&shop, "long", "at work");
        let id = cron(&world, "long").running[0].activity.clone();
        shop.write("page", &format!("r{release}\n"));
        shop.write("wharf.toml", &format!("{BASE}{crons}{commands}"));
        shop.commit("Migrate");
        let mut push = Watched::push(&shop, &["main"]);
        push.until(&format!("stopped long ({id})"));
        push.until("| waits");
        // Nothing of it is left while the commands run, nothing begins, and what serves serves.
        assert!(!is_left("31536303") && !is_left("31536304"));
        run.said().exits(1).has("main is being deployed");
        shop.wharf(&["crons", "run", "quick"])
            .exits(6)
            .has("nothing may begin there now");
        assert_eq!(shop.get("/").ok(), "one\n");
        std::fs::write(&gate, does).unwrap();
        let said = push.end();
        assert!(said.contains(says), "{said}");
        assert!(said.contains("stopped old while commands run"), "{said}");
        // However it ended, both are back.
        shop.wharf(&["crons", "run", "quick"]).ok().has("quick");
        until(|| is_left("31536304").then_some(()));
    }
    // Without commands nobody waits.
    let run = begun(&shop, "long", "at work");
    shop.write("wharf.toml", &format!("{BASE}{crons}"));
    shop.commit("No commands");
    shop.push(&["main"]).ok().lacks("long").lacks("old");
    assert!(is_left("31536303"));
    run.vanish();
    let id = cron(&world, "long").running[0].activity.clone();
    shop.wharf(&["cancel", &id]).ok();
    assert!(!is_left("31536303"));
}

#[test]
fn a_cancelled_deployment_lets_them_begin_again() {
    let world = World::new();
    let crons = "[workers]\nold = { start = \"exec sleep 31536307\" }\n\
                 [crons]\nquick = { schedule = \"@yearly\", run = \"echo quick\" }\n";
    let shop = deployed(&world, crons);
    let commands = "[deploy]\nworkers = \"stop\"\nrun = \"echo waits; exec sleep 31536308\"\n";
    shop.write("wharf.toml", &format!("{BASE}{crons}{commands}"));
    shop.commit("Migrate");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| waits");
    assert!(!is_left("31536307"));
    shop.wharf(&["cancel", &push.id()]).ok();
    push.end();
    shop.wharf(&["crons", "run", "quick"]).ok();
    until(|| is_left("31536307").then_some(()));

    // A daemon that dies meanwhile leaves nothing held, either.
    shop.write("page", "two\n");
    shop.commit("Migrate again");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| waits");
    world.kill_daemon();
    world.start();
    push.end();
    shop.wharf(&["crons", "run", "quick"]).ok();
    until(|| is_left("31536307").then_some(()));
    assert!(!is_left("31536308"));
}

#[test]
fn a_dead_daemon_leaves_none_and_the_record_says_so() {
    let world = World::new();
    let long = stubborn("31536305");
    let shop = deployed(
        &world,
        &format!("[crons]\nlong = {{ schedule = \"@yearly\", run = \"{long}\" }}\n"),
    );
    let run = begun(&shop, "long", "at work");
    let id = cron(&world, "long").running[0].activity.clone();
    until(|| is_left("31536305").then_some(()));
    world.kill_daemon();
    run.vanish();
    world.start();
    assert!(!is_left("31536305"));
    let last = ended(&world, "long");
    assert_eq!((&last.activity, last.state), (&id, State::Cancelled));
    assert_eq!(last.reason.unwrap().code, "run-interrupted");
    assert!(cron(&world, "long").running.is_empty());
    shop.wharf(&["log", &id]).ok().has("main still serves r1.");
    let jobs = world.home().join("state/jobs");
    assert_eq!(jobs.read_dir().unwrap().count(), 0);
    shop.wharf(&["status"]).ok().has("0 running, 0 waiting");
}

#[test]
fn none_runs_where_nothing_is_to_run() {
    let world = World::new();
    let long = stubborn("31536306");
    let config =
        format!("[crons]\nlong = {{ schedule = \"@hourly\", grace = \"1s\", run = \"{long}\" }}\n");
    let shop = deployed(&world, &config);
    shop.push(&["main:side"]).ok();
    let next = || cron_of(&world, "side", "long");
    let begun = || {
        let mut run = Watched::wharf(&shop, &["crons", "run", "long", "-e", "side"]);
        run.until("at work");
        run
    };
    for (stop, go_on, why) in [
        (&["pause"][..], &["resume"][..], "the environment is paused"),
        (
            &["maintenance", "on"],
            &["maintenance", "off"],
            "maintenance is on",
        ),
    ] {
        assert!(next().next.is_some());
        let run = begun();
        let side = |words: &[&str]| shop.wharf(&[words, &["-e", "side"]].concat()).ok();
        side(stop).has("stopped long");
        assert!(!is_left("31536306"));
        run.said().exits(1).has("it runs again when it is due");
        assert_eq!((next().next, next().why.as_deref()), (None, Some(why)));
        side(go_on);
    }
    shop.wharf(&["pause", "-e", "side"]).ok();
    shop.wharf(&["crons", "run", "long", "-e", "side"])
        .exits(6)
        .has("side is paused")
        .has("wharf resume -e side");
    shop.wharf(&["resume", "-e", "side"]).ok();
    // What goes takes them along at once.
    let run = begun();
    shop.wharf(&["deactivate", "-e", "side"]).ok();
    assert!(!is_left("31536306"));
    run.said().exits(1).has("side is deactivated");
}
