//! Slugs that travel: exported, carried to another host, used there instead of a build. What somebody
//! made who means ill is tried in `hostile`.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;
use wharf_tests::{Tree, World};

use crate::carried::{BUILD, CONFIG, built, export, import, left, site, slugs};

#[test]
fn an_archive_is_the_same_wherever_its_slug_was_built() {
    let world = World::new();
    let site = built(&world);
    let archive = export(&site, "one.tar");
    assert_eq!(export(&site, "two.tar"), archive);
    site.sh("wharf slug export >three.tar").ok().has("digest");
    assert_eq!(fs::read(site.path().join("three.tar")).unwrap(), archive);
    // By every name that it has.
    let known = slugs(&site)[0].clone();
    for name in [
        "r1",
        &known["key"].as_str().unwrap()[..6],
        known["digest"].as_str().unwrap(),
    ] {
        site.wharf(&["slug", "export", name, "-o", "two.tar"]).ok();
        assert_eq!(
            fs::read(site.path().join("two.tar")).unwrap(),
            archive,
            "{name}"
        );
    }
    // On another host, at another time, somewhere else, from a longer way there.
    let other = World::new();
    let elsewhere = built(&other);
    elsewhere.write("index.html", "two\n");
    elsewhere.commit("Two");
    elsewhere.push(&["main"]).ok();
    elsewhere
        .wharf(&["slug", "export", "r1", "-o", "one.tar"])
        .ok();
    assert_eq!(fs::read(elsewhere.path().join("one.tar")).unwrap(), archive);
    assert_ne!(export(&elsewhere, "two.tar"), archive);

    // Whoever has tar can look into it.
    site.sh("mkdir out && tar xf one.tar -C out").ok();
    site.sh("tar tvf one.tar --numeric-owner | grep -v ' 0/0 .* 1970-01-01 '")
        .exits(1);
    let look = "cmp out/app/out/index.html index.html && readlink out/app/out/deep/link && \
        stat -c %a out/app/out/run && head -n 1 out/manifest.jsonl";
    site.sh(look)
        .ok()
        .has("../index.html")
        .has("750")
        .has("\"project\":\"shop\"");

    for (words, code, why) in [
        (
            &["slug", "export", "r9"][..],
            5,
            "main has no release r9 that could serve",
        ),
        (
            &["slug", "export", "abcdef0"],
            5,
            "main has no slug abcdef0",
        ),
        (&["slug", "export", "00"], 5, "six digits name one"),
        (
            &["slug", "export", "-e", "none"],
            5,
            "shop has no environment `none`",
        ),
        (&["slug", "export", "-o", "no/such/x"], 1, "cannot write in"),
    ] {
        let before = fs::read_dir(site.path()).unwrap().count();
        site.sh(&format!("wharf {} >refused.tar", words.join(" ")))
            .exits(code)
            .has(why);
        fs::remove_file(site.path().join("refused.tar")).unwrap();
        assert_eq!(fs::read_dir(site.path()).unwrap().count(), before);
    }
}

#[test]
fn what_is_not_as_it_was_frozen_or_has_no_name_in_utf_8_does_not_go_out() {
    let world = World::new();
    let site = built(&world);
    let slug = slugs(&site)[0]["key"].as_str().unwrap().to_owned();
    let page = world
        .home()
        .join("state/slugs")
        .join(slug)
        .join("out/index.html");
    fs::write(page, "ten\n").unwrap();
    site.wharf(&["slug", "export", "-o", "no.tar"])
        .exits(6)
        .has("is not what was frozen")
        .has("wharf redeploy --rebuild");
    site.wharf(&["redeploy", "--rebuild"]).ok();
    export(&site, "yes.tar");
    site.write(
        "build.sh",
        &format!("{BUILD}touch out/\"$(printf 'a\\377')\"\n"),
    );
    site.commit("Bytes");
    site.push(&["main"]).ok();
    site.wharf(&["slug", "export", "-o", "no.tar"])
        .exits(6)
        .has("is no name in UTF-8");
    assert!(!site.path().join("no.tar").exists());
}

#[test]
fn what_was_imported_is_used_instead_of_a_build() {
    let world = World::new();
    let archive = export(&built(&world), "slug.tar");

    let other = World::new();
    let there = site(&other, "elsewhere");
    let said = import(&there, &archive).ok();
    said.has("exported from shop")
        .has("protected branches that come to the same use it")
        .has("main serves nothing.");
    assert_eq!(slugs(&there)[0]["imported"], true);
    there.wharf(&["slugs"]).ok().has("(imported)");
    let [activity] = &other.activities(Some("shop"), 9).unwrap()[..] else {
        panic!("one activity");
    };
    let activity = serde_json::to_value(activity).unwrap();
    assert_eq!(activity["kind"], "import");
    assert_eq!(activity["slug"], slugs(&there)[0]["key"]);
    assert_eq!(
        activity["commit"]["new"].as_str().unwrap(),
        there.git(&["rev-parse", "HEAD"]).ok().out.trim_end()
    );
    import(&there, &archive).ok().has("is here already");
    assert_eq!(slugs(&there).as_array().unwrap().len(), 1);
    // It is as good as one that was built, and housekeeping leaves it.
    other.wharf(&["cleanup"]).ok();
    other.kill_daemon();
    other.start();
    there
        .push(&["main"])
        .ok()
        .has("reused slug")
        .lacks("| building")
        .has("main now serves r1.");
    assert_eq!(there.get("/").ok(), "one\n");
    assert_eq!(there.get("/deep/link").ok(), "one\n");
    there.wharf(&["slug", "why"]).ok().has("was there already");
    // What goes out again is what came in.
    assert_eq!(export(&there, "again.tar"), archive);

    // Branches of the other trust domain, and other projects, build their own.
    there.git(&["switch", "--quiet", "-c", "side"]).ok();
    there.push(&["side"]).ok().has("| building");
    let third = other.site(
        "third",
        &[
            ("wharf.toml", CONFIG),
            ("build.sh", BUILD),
            ("index.html", "one\n"),
        ],
    );
    third.init();
    third.push(&["main"]).ok().has("| building");
    // And whoever asks for a build gets one.
    there.git(&["switch", "--quiet", "main"]).ok();
    there
        .wharf(&["redeploy", "--rebuild"])
        .ok()
        .has("| building");
}

#[test]
fn a_slug_that_is_here_is_not_replaced() {
    let world = World::new();
    let archive = export(&built(&world), "slug.tar");
    let other = World::new();
    let there = built(&other);
    let before = slugs(&there);
    import(&there, &archive).ok().has("is here already");
    assert_eq!(slugs(&there), before);

    // A build that does not make the same twice.
    let random =
        "public = \"out\"\nbuild = \"mkdir out; cp /proc/sys/kernel/random/uuid out/id\"\n";
    there.write("wharf.toml", random);
    there.commit("Random");
    there.push(&["main"]).ok();
    let third = World::new();
    let again = site(&third, "again");
    again.write("wharf.toml", random);
    again.commit("Random");
    again.push(&["main"]).ok();
    let archive = export(&again, "slug.tar");
    let before = left(&other);
    import(&there, &archive)
        .exits(6)
        .has("holds something else");
    assert_eq!(left(&other), before);
}

/// Begins to give an archive, and leaves the rest to the caller.
fn begin(there: &Tree<'_>, first: &[u8]) -> Child {
    let mut import = there.command("wharf");
    import.args(["slug", "import"]).stdin(Stdio::piped());
    import.stdout(Stdio::null()).stderr(Stdio::null());
    let mut import = import.spawn().unwrap();
    import.stdin.as_mut().unwrap().write_all(first).unwrap();
    import
}

#[test]
fn whoever_dies_in_the_middle_leaves_nothing() {
    let world = World::new();
    let good = export(&built(&world), "slug.tar");
    let other = World::new();
    let there = site(&other, "elsewhere");
    let before = left(&other);

    // The daemon, with half of it there; with all of it, and nothing recorded.
    for (point, first) in [
        ("archive in: begun", &good[..good.len() - 2000]),
        ("archive in: whole", &good[..]),
        ("record activities: before", &good[..]),
    ] {
        println!("{point}");
        other.freeze_at(point);
        let mut import = begin(&there, first);
        drop(import.stdin.take());
        other.wait_until_frozen();
        assert_ne!(left(&other), before, "{point}");
        other.kill_daemon();
        assert_eq!(import.wait().unwrap().code(), Some(4), "{point}");
        other.start();
        assert_eq!(left(&other), before, "{point}");
        assert_eq!(slugs(&there), Value::Array(vec![]), "{point}");
    }
    // Whoever sends it, in the middle: the next one finds all as it was.
    other.forget_trace();
    let mut import = begin(&there, &good[..good.len() - 2000]);
    other.wait_for_point("archive in: begun");
    import.kill().unwrap();
    import.wait().unwrap();
    import_again(&there, &good);
    assert_eq!(left(&other).len(), before.len() + 1);
    there.push(&["main"]).ok().has("reused slug");

    // Who reads an export.
    other.freeze_at("archive out: begun");
    let mut export = there.command("wharf");
    export.args(["slug", "export", "-o", "half.tar"]);
    let mut export = export.stderr(Stdio::null()).spawn().unwrap();
    other.wait_until_frozen();
    other.kill_daemon();
    assert_eq!(export.wait().unwrap().code(), Some(4));
    assert!(
        names(there.path())
            .iter()
            .all(|name| !name.contains("half") && !name.contains(".wharf-"))
    );
    other.start();
    assert_eq!(left(&other).len(), before.len() + 1);
    there.sh("wharf slug export | head -c 100 >half").ok();
    there.wharf(&["slug", "export", "-o", "whole.tar"]).ok();
}

#[test]
fn who_falls_silent_is_not_waited_for() {
    let world = World::new();
    let good = export(&built(&world), "slug.tar");
    let other = World::new();
    let there = site(&other, "elsewhere");
    let before = left(&other);
    // The daemon is told to stop, and does.
    let mut import = begin(&there, &good[..good.len() - 2000]);
    other.wait_for_point("archive in: begun");
    other.end_daemon();
    assert_eq!(import.wait().unwrap().code(), Some(4));
    other.start();
    assert_eq!(left(&other), before);
    // An import may take as long as a build.
    let file = other.home().join("config/wharfd.toml");
    let host = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{host}[build.limits]\ntime = \"1s\"\n")).unwrap();
    there.wharf(&["reload"]).ok();
    let error = there.path().join("error");
    let mut import = there.command("wharf");
    import.args(["slug", "import"]).stdin(Stdio::piped());
    let mut import = import
        .stderr(fs::File::create(&error).unwrap())
        .spawn()
        .unwrap();
    // A wait would end its input.
    let mut silent = import.stdin.take().unwrap();
    silent.write_all(&good[..1000]).unwrap();
    assert_eq!(import.wait().unwrap().code(), Some(6));
    let said = fs::read_to_string(error).unwrap();
    assert!(said.contains("it took longer than 1s"), "{said}");
    assert_eq!(left(&other), before);
}

#[track_caller]
fn import_again(there: &Tree<'_>, archive: &[u8]) {
    import(there, archive).ok().has("exported from shop");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.collect()
}
