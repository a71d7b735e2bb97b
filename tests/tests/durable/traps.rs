//! `wharf doctor`, with a daemon and without one: each trap of a host is set for real, named with its
//! place and what mends it, and gone after that.

mod repositories;

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::process::geteuid;
use wharf_tests::{Said, World, apart, run};

/// A user whom nobody needs to know by name.
const SOMEBODY: &str = "12345";

fn bare(world: &World, name: &str) -> std::path::PathBuf {
    let repository = world.repository(name);
    let mut init = world.command("git");
    run(init
        .args(["init", "--quiet", "--bare", "--initial-branch=main"])
        .arg(&repository))
    .ok();
    world
        .wharf(&["project", "add", name, repository.to_str().unwrap()])
        .ok();
    repository
}

fn sh(world: &World, line: &str) -> Said {
    run(world.command("sh").args(["-c", line])).ok()
}

/// The hints that follow a line with these words.
fn hints(said: &Said, words: &str) -> Vec<String> {
    let mut lines = said.out.lines().skip_while(|line| !line.contains(words));
    lines.next().unwrap_or_else(|| panic!("{words}?\n{said}"));
    lines
        .map_while(|line| Some(line.split_once("hint  ")?.1.to_owned()))
        .collect()
}

/// Has the doctor name something, and does what it says.
fn mends(world: &World, words: &str) {
    let said = world.wharf(&["doctor"]).has(words);
    sh(world, &hints(&said, words)[0]);
    world.wharf(&["doctor"]).lacks(words);
}

#[test]
fn a_daemon_that_is_away_is_told_apart_from_one_that_cannot_be_reached() {
    let world = World::new();
    let socket = world.home().join("run/wharfd.sock");
    let shown = socket.display().to_string();
    let stays = socket.with_extension("aside");

    fs::rename(&socket, &stays).unwrap();
    let said = world.wharf(&["doctor"]).exits(1);
    let said = said.has(&shown).has("and its socket is gone");
    assert!(
        hints(&said, "socket is gone")[0].starts_with("kill "),
        "{said}"
    );
    fs::rename(&stays, &socket).unwrap();
    world.wharf(&["doctor"]).ok().has("the daemon answers");

    world.kill_daemon();
    let said = world.wharf(&["doctor"]).exits(1).has("the socket is stale");
    assert_eq!(hints(&said, "the socket is stale"), ["wharf start"]);
    // Without one the rest is looked at all the same.
    for words in [
        "the database is sound",
        "bubblewrap works",
        "owners and modes of ",
        " more files are free on ",
        "the router serves on ",
    ] {
        assert!(said.out.contains(words), "{words}?\n{said}");
    }
    fs::remove_file(&socket).unwrap();
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("none runs, there is no socket");
    let file = world.home().join("config/wharfd.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, "domian = \"x.test\"\n").unwrap();
    let said = world
        .wharf(&["doctor"])
        .exits(1)
        .has("wharfd.toml:1:1: unknown key `domian`");
    assert_eq!(
        hints(&said, "no daemon starts with these files"),
        ["wharfd check"]
    );
    fs::write(&file, good).unwrap();
    world.start();
    world.wharf(&["doctor"]).ok();
}

#[test]
fn whoever_may_not_ask_is_told_so() {
    if !geteuid().is_root() {
        return;
    }
    let world = World::new();
    // Their way to the programs and the place, but not into the place's sockets.
    fs::set_permissions(world.path(""), Permissions::from_mode(0o755)).unwrap();
    let mut doctor = world.command("setpriv");
    doctor.args([
        "--reuid",
        SOMEBODY,
        "--regid",
        SOMEBODY,
        "--clear-groups",
        "wharf",
        "doctor",
    ]);
    let reaches = wharf_tests::bin().metadata().is_ok() && world.path("").starts_with("/tmp");
    assert!(reaches);
    let said = run(&mut doctor);
    // Programs that were built in a directory of root's alone cannot be run by others.
    if said.code != 126 && said.code != 127 {
        said.exits(1)
            .has("you may not ask the daemon at ")
            .lacks("the database");
    }
}

#[test]
fn a_port_that_somebody_else_has_is_named_with_who_it_is() {
    let world = World::new();
    run(world.command("wharfd").arg("stop")).ok();
    world.kill_daemon();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let file = world.home().join("config/wharfd.toml");
    fs::write(&file, format!("[router]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
    let pid = std::process::id();
    let words = format!("the router cannot have 127.0.0.1:{port} (router.listen): ");
    let said = world
        .wharf(&["doctor"])
        .exits(1)
        .has(&words)
        .has(&format!("(pid {pid}, user "));
    assert_eq!(
        hints(&said, &words)[0],
        format!("ss -ltnp 'sport = :{port}'")
    );
    drop(listener);
    world.wharf(&["doctor"]).lacks(&words);
    world.start();
    world
        .wharf(&["doctor"])
        .ok()
        .has(&format!("the router serves on 127.0.0.1:{port}"));

    // A new address counts once the router begins anew.
    fs::write(&file, "[router]\nlisten = \"127.0.0.2:0\"\n").unwrap();
    world.wharf(&["reload"]);
    let words = format!("the router serves on 127.0.0.1:{port}");
    let said = world
        .wharf(&["doctor"])
        .ok()
        .has(&words)
        .has("and router.listen is 127.0.0.2:0");
    assert!(hints(&said, &words)[0].starts_with("kill "), "{said}");
}

#[test]
fn without_a_sandbox_it_says_what_forbids_it() {
    let world = World::new();
    world.kill_daemon();
    let tools = format!(
        "{}:{}",
        wharf_tests::bin().display(),
        world.path("tools").display()
    );
    let mut doctor = world.command("wharf");
    let said = run(doctor.arg("doctor").env("PATH", tools)).exits(1);
    let said = said.has("nothing can be built or started: bubblewrap is not installed");
    assert_eq!(
        hints(&said, "bubblewrap is not installed"),
        ["apt install bubblewrap"]
    );

    // In a user namespace of its own, in which there may be no further one.
    let mut inside = world.command("unshare");
    let line = "echo 0 > /proc/sys/user/max_user_namespaces && wharf doctor";
    let said = run(inside.args(["--user", "--map-root-user", "sh", "-c", line])).exits(1);
    let said = said.has("nothing can be built or started: bubblewrap does not work here: ");
    let fix = &hints(&said, "bubblewrap does not work here")[0];
    assert!(
        fix.starts_with("echo 'user.max_user_namespaces = "),
        "{fix}"
    );
    world.start();
}

fn mount(world: &World, at: &Path, options: &str) {
    fs::create_dir_all(at).unwrap();
    let mut mount = world.command("mount");
    run(mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at)).ok();
}

#[test]
fn file_systems_on_which_it_cannot_work_are_named() {
    if !apart("traps::file_systems_on_which_it_cannot_work_are_named") {
        return;
    }
    let world = World::new();
    run(world.command("wharfd").arg("stop")).ok();
    world.kill_daemon();
    let (state, git) = (world.home().join("state"), world.home().join("git"));
    mount(&world, &state, "size=50m,mode=750");
    mount(&world, &git, "noexec,mode=755");
    world.start();
    mount(&world, &state.join("builds"), "noexec,mode=750");
    bare(&world, "shop");
    bare(&world, "blog");
    let shown = |path: &Path| path.display().to_string();
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("(Wharf's state) is in memory: all of it is gone after a reboot");
    let passed = format!(
        "{} is mounted noexec: git passes the hooks of blog and 1 other by",
        shown(&git)
    );
    mends(&world, &passed);
    mends(
        &world,
        &format!(
            "{} is mounted noexec: nothing that is built",
            shown(&state.join("builds"))
        ),
    );
    let mut read_only = world.command("mount");
    run(read_only.args(["-o", "remount,ro"]).arg(&git)).ok();
    mends(
        &world,
        &format!("{} is mounted read-only: nobody can push", shown(&git)),
    );

    // Room, without a daemon.
    world.kill_daemon();
    fs::write(state.join("fill"), vec![0_u8; 20 << 20]).unwrap();
    let file = world.home().join("config/wharfd.toml");
    let before = fs::read_to_string(&file).unwrap();
    for (min_free, words) in [
        ("{ size = \"1G\", files = 1 }", "1.0 GB must stay free"),
        (
            "{ size = \"1M\", files = 900000000 }",
            "more files (inodes) can be made on ",
        ),
    ] {
        fs::write(&file, format!("{before}[keep]\nmin_free = {min_free}\n")).unwrap();
        world.wharf(&["doctor"]).exits(1).has(words);
    }
}

#[test]
fn a_clock_that_nobody_sets_or_that_went_back_is_named() {
    if !apart("traps::a_clock_that_nobody_sets_or_that_went_back_is_named") {
        return;
    }
    let world = World::new();
    // A host with systemd, as far as anybody looks.
    mount(&world, Path::new("/run"), "mode=755");
    fs::create_dir_all("/run/systemd/system").unwrap();
    let program = world.path("tools/timedatectl");
    let says = |text: &str| {
        fs::write(&program, format!("#!/bin/sh\nprintf '{text}'\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    };
    says("CanNTP=yes\\nNTP=no\\nNTPSynchronized=no\\n");
    let said = world.wharf(&["doctor"]).ok().has("nobody sets the clock");
    assert_eq!(
        hints(&said, "nobody sets the clock"),
        ["timedatectl set-ntp true"]
    );
    says("CanNTP=yes\\nNTP=yes\\nNTPSynchronized=yes\\n");
    world.wharf(&["doctor"]).ok().has("the clock is kept right");
    world.kill_daemon();
    let database = fs::File::options()
        .write(true)
        .open(world.home().join("state/wharf.db"))
        .unwrap();
    database
        .set_modified(SystemTime::now() + Duration::from_secs(86_400))
        .unwrap();
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("wharf.db was written at ");
    database.set_modified(SystemTime::now()).unwrap();
    world.wharf(&["doctor"]).lacks("was written at ");
}

#[test]
fn who_runs_hooks_must_reach_the_daemon() {
    if !geteuid().is_root() {
        return;
    }
    let world = World::new();
    let repository = bare(&world, "shop");
    sh(&world, &format!("chown -R daemon {}", repository.display()));
    let words = "the user daemon, who has the repository of shop, may not reach ";
    let said = world
        .wharf(&["doctor"])
        .exits(1)
        .has(words)
        .has(": pushes by it are refused");
    // Nobody is told to join root's group.
    assert!(
        hints(&said, words)[0].starts_with("run the daemon as a user of its own"),
        "{said}"
    );
    let run_of = world.home().join("run");
    let shown = run_of.display();
    sh(
        &world,
        &format!("chgrp nogroup {shown} {shown}/wharfd.sock"),
    );
    let said = world.wharf(&["doctor"]).exits(1);
    let opens = format!("chmod g+x {shown}");
    let joins = format!("usermod --append --groups nogroup daemon && {opens}");
    assert_eq!(hints(&said, words)[0], joins);
    sh(&world, &format!("chgrp daemon {shown} {shown}/wharfd.sock"));
    let said = world.wharf(&["doctor"]).exits(1);
    assert_eq!(hints(&said, words), [opens]);
    mends(&world, words);
    let file = world.home().join("config/wharfd.toml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        format!("{before}[identity]\naccounts = [\"nobody-at-all\"]\n"),
    )
    .unwrap();
    world.wharf(&["reload"]).ok();
    world
        .wharf(&["doctor"])
        .has("identity.accounts names nobody-at-all, and this host has no such user");
}
