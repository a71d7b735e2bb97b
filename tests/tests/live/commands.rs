//! `wharf` and `wharfd` as scripts use them: exit codes, JSON, plain text.

use serde_json::Value;
use wharf_tests::{World, on_terminal, run};

use crate::app::{CONFIG, deployed};

#[test]
fn every_exit_code() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.wharf(&["status"]).exits(0);
    for command in ["frobnicate", "--frobnicate"] {
        let said = shop.wharf(&[command]).exits(2).has("--help");
        assert_eq!(said.out, "", "{said}");
    }
    shop.wharf(&["reload", "--json"]).exits(2);
    shop.wharf(&["rollback", "last"]).exits(2);
    for words in [
        &["--project", "nothing", "--here", "environments"][..],
        &["--environment", "nothing", "url"],
        &["log", "ffff"],
        &["cancel", "ffff"],
        &["rollback", "r7"],
    ] {
        let said = shop.wharf(words).exits(5).has("error: ").has("hint: ");
        assert_eq!(said.out, "", "{said}");
    }
    for words in [&["rollback"][..], &["rollback", "r1"]] {
        shop.wharf(words).exits(6).has("error: ").has("hint: ");
    }
    shop.write("wharf.toml", &format!("{}run = \"exit 9\"\n", CONFIG.1));
    shop.wharf(&["check"]).exits(0);
    shop.commit("Broken");
    shop.push(&["main"]).ok().has("main still serves r1;");
    shop.wharf(&["redeploy"])
        .exits(3)
        .has("main still serves r1;");
    // A log that is followed ends as its activity did; one that is only read is read well.
    shop.wharf(&["log", "--follow"]).exits(3);
    shop.wharf(&["log"]).exits(0);
    shop.write("wharf.toml", "wep = 1\n");
    shop.wharf(&["check"]).exits(1).has("did you mean `web`?");
    world.kill_daemon();
    for words in [&["status"][..], &["environments"], &["redeploy"]] {
        shop.wharf(words).exits(4).has("error: ").has("hint: ");
    }
}

#[test]
fn every_read_gives_json() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:feature"]).ok();
    let json = |words: &[&str]| -> Value {
        let mut all = words.to_vec();
        all.push("--json");
        let said = shop.wharf(&all).ok();
        assert_eq!(said.err, "", "{said}");
        let printed = serde_json::from_str(&said.out);
        printed.unwrap_or_else(|error| panic!("{error}\n{said}"))
    };
    assert_eq!(json(&["status"])["environments"], 2);
    let environments = json(&["environments"]);
    assert_eq!(environments[0]["id"], "main");
    assert_eq!(environments[0]["release"], 1);
    assert_eq!(environments[1]["parent"], "main");
    let activities = json(&["activities"]);
    assert_eq!(activities.as_array().map(Vec::len), Some(2));
    assert_eq!(activities[0]["environment"], "feature");
    assert_eq!(activities[0]["state"], "succeeded");
    assert_eq!(
        json(&["activities", "-n", "1"]).as_array().map(Vec::len),
        Some(1)
    );
    let id = activities[0]["id"].as_str().unwrap();
    assert_eq!(json(&["activity", "show", id])["id"], id);
    json(&["cleanup", "--dry-run"]);
    let releases = json(&["releases"]);
    assert_eq!(releases[0]["number"], 1);
    assert_eq!(releases[0]["live"], true);
    assert_eq!(json(&["project", "list"])[0]["name"], "shop");
    assert!(
        json(&["doctor"])
            .as_array()
            .is_some_and(|found| found.len() > 2)
    );
    assert_eq!(json(&["check"])["problems"], Value::Array(vec![]));
    assert!(json(&["url"]).to_string().contains("main--shop.localhost"));
    let repository = world.repository("shop");
    json(&["hook", "status", repository.to_str().unwrap()]);
    let log = json(&["log"]);
    let events = log.as_array().unwrap();
    assert!(events.len() > 3, "{log}");
    assert_eq!(
        events.last().unwrap()["event"]["ended"]["state"],
        "succeeded"
    );
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let escapes = |bytes: &[u8]| bytes.contains(&0x1b);
    // As in `ESC [ 1 ; 31 m`; what draws and clears the progress line has other letters.
    let coloured = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let mut codes = text.split("\x1b[").skip(1);
        codes.any(|code| {
            code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
                .starts_with('m')
        })
    };
    let wrong = || {
        let mut wharf = shop.command("wharf");
        wharf.args(["rollback", "r7"]);
        wharf
    };
    let said = run(&mut wrong()).exits(5);
    assert!(!escapes(said.err.as_bytes()), "{said}");
    let screen = on_terminal(&mut wrong(), 80);
    assert!(coloured(&screen.bytes), "{}", screen.text);
    let screen = on_terminal(wrong().env("NO_COLOR", "1"), 80);
    assert!(!coloured(&screen.bytes), "{}", screen.text);
    let screen = on_terminal(wrong().env("TERM", "dumb"), 80);
    assert!(!escapes(&screen.bytes), "{}", screen.text);
    assert_eq!(screen.code, 5);
}

#[test]
fn directories_are_checked_before_a_push() {
    let world = World::new();
    let check = |name: &str, files: &[(&str, &str)]| {
        let site = world.site(name, files);
        // From elsewhere, too.
        let path = site.path().to_str().unwrap().to_owned();
        let there = world.wharf(&["check", &path]);
        let here = site.wharf(&["check"]);
        assert_eq!((there.code, &there.out), (here.code, &here.out));
        here
    };
    check("page", &[("index.html", "x")])
        .ok()
        .has("index.html: static site");
    check(
        "node",
        &[("package.json", "{\"scripts\":{\"start\":\"node .\"}}")],
    )
    .ok();
    check("nothing", &[("README", "x")])
        .exits(1)
        .has("there is nothing here to deploy")
        .has("hint: ");
    check(
        "many",
        &[("wharf.toml", "wep = 1\nbiuld = 2\n[deploy]\nhealth = 3\n")],
    )
    .exits(1)
    .has("wharf.toml:1:1")
    .has("wharf.toml:2:1")
    .has("wharf.toml:4:10");
    // Hosts, misspelt keys and all that would run.
    let routes = "public = \"x\"\nchecks = { home = \"true\" }\nprocesses = { api = { strat = \"bin/api\" } }\n\
                  [routes]\n\"https://www.{default}/\" = { redirect = \"https://{defualt}/\" }\n";
    check("slips", &[("wharf.toml", routes)])
        .exits(1)
        .has("wharf.toml:3:23")
        .has("did you mean `start`?")
        .lacks("has no `start`")
        .has("wharf.toml:5:41")
        .has("did you mean {default}?");
    let mended = routes
        .replace("defualt", "default")
        .replace("strat", "start");
    check("mended", &[("wharf.toml", &mended)])
        .ok()
        .has("process api: bin/api")
        .has("check   home: true")
        .has("route   https://www.{default}/ -> https://{default}/ (302)");
    world
        .wharf(&["check", "/no/such/directory"])
        .exits(5)
        .has("error: ");
}

#[test]
fn the_hosts_own_files_are_checked() {
    let world = World::with_host_file("[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nreleases = 3\n");
    deployed(&world, "shop");
    let check = || run(world.command("wharfd").arg("check"));
    check()
        .ok()
        .has("keep.releases = 3  # ")
        .has("wharfd.toml")
        .has("build.limits.output = \"20M\"  # default")
        .has("project shop = ");
    let write = |file: &str, text: &str| {
        let file = world.home().join("config").join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    // A later file wins, and is named.
    write("wharfd.d/10-more.toml", "keep.releases = 4\n");
    check()
        .ok()
        .has("keep.releases = 4  # ")
        .has("10-more.toml");
    world.wharf(&["reload"]).ok();

    write(
        "wharfd.d/20-bad.toml",
        "keep.releases = 0\nkeep.relaeses = 1\n",
    );
    check()
        .exits(78)
        .has("20-bad.toml:1:")
        .has("20-bad.toml:2:")
        .has("did you mean");
    world
        .wharf(&["reload"])
        .exits(1)
        .has("the old configuration stays");
    std::fs::remove_file(world.home().join("config/wharfd.d/20-bad.toml")).unwrap();
    world.wharf(&["reload"]).ok();
}

#[test]
fn a_host_that_cannot_take_a_push_says_so() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let disk = world.home().join("config/wharfd.d/disk.toml");
    std::fs::create_dir_all(disk.parent().unwrap()).unwrap();
    std::fs::write(&disk, "keep.min_free = \"9000000G\"\n").unwrap();
    world.wharf(&["reload"]).ok();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"])
        .exits(1)
        .has("error: ")
        .has("keep.min_free")
        .has("main still serves r1; nothing was changed.");
    shop.wharf(&["doctor"])
        .exits(1)
        .has("(Wharf's state), 9.0 PB must stay free");
    std::fs::remove_file(disk).unwrap();

    let project = world.home().join("config/projects.d/shop.toml");
    let text = std::fs::read_to_string(&project).unwrap();
    std::fs::remove_file(&project).unwrap();
    world.wharf(&["reload"]).ok();
    shop.push(&["main"])
        .exits(1)
        .has("error: ")
        .has("wharf project add");
    shop.wharf(&["status"]).ok();
    shop.wharf(&["releases"]).exits(5);
    std::fs::write(&project, text).unwrap();
    world.wharf(&["reload"]).ok();
    shop.push(&["main"])
        .ok()
        .has("main now serves r2 (was r1).");
    assert_eq!(shop.get("/").ok(), "two\n");
}
