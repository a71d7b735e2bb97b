//! Commands that people run by hand: their streams are theirs alone, their end is recorded, and
//! nothing of them is left.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdout, Stdio},
    thread,
};

use rustix::process::Signal;
use wharf_tests::{Tree, Typist, World, pause, run};
use wharf_wire::{
    outcome::{Kind, State},
    view::Activity,
};

use crate::cancel::is_left;

const CONFIG: (&str, &str) = (
    "wharf.toml",
    "public = \"out\"\nbuild = \"mkdir out; cp page out/index.html\"\n\
     [mounts]\ndata = \"private\"\n\
     [env]\nMODE = \"plain text\"\nTOKEN = { generate = \"secret\" }\n",
);

fn deployed(world: &World) -> Tree<'_> {
    let shop = world.site("shop", &[CONFIG, ("page", "one\n")]);
    shop.init();
    shop.push(&["main"]).ok().has("main now serves r1.");
    shop
}

fn newest(world: &World) -> Activity {
    world.activities(Some("shop"), 1).unwrap().remove(0)
}

/// The newest activity, once it has ended.
fn ended(world: &World) -> Activity {
    loop {
        let newest = newest(world);
        if newest.state.is_end() {
            return newest;
        }
        pause();
    }
}

/// A command of which the first line has been read.
fn begun(shop: &Tree<'_>, words: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut command = shop.command("wharf");
    command.arg("run").args(words);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    (child, out)
}

/// What sleeps in two ways that a closed terminal does not end.
fn stubborn(mark: &str) -> String {
    format!("trap '' TERM HUP INT; (setsid sleep {mark} &); echo begun; sleep {mark}; sleep {mark}")
}

#[test]
fn every_byte_goes_through_and_nothing_else() {
    let world = World::new();
    let shop = deployed(&world);
    // Two MiB of every byte there is.
    let sent: Vec<u8> = (0_u32..2 << 20).map(|at| (at * 31 / 7) as u8).collect();
    let mut cat = shop.command("wharf");
    cat.args(["run", "-e", "main", "sh", "-c", "cat; echo to errors >&2"]);
    let mut cat = cat
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, bytes) = (cat.stdin.take().unwrap(), sent.clone());
    // Its end is passed on, or `cat` would wait for good.
    let writer = thread::spawn(move || input.write_all(&bytes).unwrap());
    let output = cat.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == sent, "{} bytes", output.stdout.len());
    assert_eq!(output.stderr, b"to errors\n");

    // Words stay as they are, and so do exit codes.
    let said = shop.wharf(&[
        "run", "printf", "<%s>", "a b", "$HOME", "", "*", "--json", "-e",
    ]);
    assert_eq!(said.ok().out, "<a b><$HOME><><*><--json><-e>");
    shop.wharf(&["run", "sh", "-c", "exit 255"]).exits(255);
    shop.wharf(&["run", "sh", "-c", "kill -TERM $$"]).exits(143);
    shop.wharf(&["run", "no-such-program"])
        .exits(127)
        .has("not found");
    shop.wharf(&["run", "--", "-x"])
        .exits(6)
        .has("wharf run -- php -v");
    shop.wharf(&["run", "--json", "ls"]).exits(2);
    // A reader that leaves ends what writes to it.
    shop.sh("wharf run yes | head -n 1").ok().has("y");
    assert_eq!(ended(&world).reason.unwrap().code, "exit-code");
}

#[test]
fn it_is_the_release_with_its_variables_and_mounts() {
    let world = World::new();
    let shop = deployed(&world);
    let said = shop.wharf(&["run", "env"]).ok().out;
    assert!(said.contains("MODE=plain text\n"), "{said}");
    assert!(said.contains("WHARF_RELEASE=1\n"), "{said}");
    let token = said.lines().find_map(|line| line.strip_prefix("TOKEN="));
    let token = token.expect("secrets are there").to_owned();
    assert!(token.len() > 20, "{said}");
    assert!(!said.contains("WHARF_HOME"), "{said}");
    // Data may be written and stays; the code may not.
    shop.wharf(&["run", "sh", "-c", "echo kept > data/file"])
        .ok();
    shop.wharf(&["run", "cat", "data/file"]).ok().has("kept");
    shop.wharf(&["run", "touch", "page"])
        .exits(1)
        .has("Read-only");
    // Another environment's files are not there, and neither is the host.
    shop.push(&["main:side"]).ok();
    shop.wharf(&["run", "-e", "side", "ls", "data"])
        .ok()
        .lacks("file");
    let state = world.home();
    let state = state.to_str().unwrap();
    shop.wharf(&["run", "-e", "side", "ls", state]).exits(2);
    // A secret that somebody types is not recorded.
    shop.wharf(&["run", "echo", &token]).ok();
    let last = ended(&world);
    assert_eq!(last.commit.subject, "echo '****'");
    assert_eq!(
        (last.kind, last.state, last.release),
        (Kind::Run, State::Succeeded, Some(1))
    );
    let log = shop.wharf(&["log", &last.id]).ok();
    let log = log.has("in r1: echo '****'").has("it ran to its end");
    log.has("main still serves r1.").lacks(&token);
    // It tells nothing of what is deployed.
    let environments = shop.wharf(&["environments"]).ok().out;
    assert!(!environments.contains("run"), "{environments}");
    shop.wharf(&["log"]).ok().has("now serves");
    // A paused environment has all of it, too; where nothing serves there is nothing.
    shop.wharf(&["pause", "-e", "side"]).ok();
    shop.wharf(&["run", "-e", "side", "pwd"]).ok().has("/app");
    shop.wharf(&["deactivate", "-e", "side"]).ok();
    shop.wharf(&["run", "-e", "side", "ls"])
        .exits(5)
        .has("nothing serves side");
    shop.wharf(&["run", "-e", "nowhere", "ls"]).exits(5);
    shop.wharf(&["status"]).ok().has("0 running, 0 waiting");
}

#[test]
fn somebody_works_in_a_shell() {
    let world = World::new();
    let shop = deployed(&world);
    let mut shell = shop.command("sh");
    shell.args([
        "-c",
        "stty -g > ../before; wharf shell; code=$?; stty -g > ../after; exit $code",
    ]);
    let mut ada = Typist::begin(&shell, 31, 97);
    ada.reads("main r1 /app $ ");
    ada.types("stty size; echo $TERM-$MODE\r");
    ada.reads("31 97\r\nxterm-plain text");
    // The window's new size comes by a signal. Not while the shell makes its prompt: it reads the size
    // then and sets what it read, over what came in between.
    ada.types("echo lo''oks; until test \"$(stty size)\" = '40 120'; do :; done; echo re''sized\r");
    ada.reads("looks");
    ada.resizes(40, 120);
    ada.reads("resized");
    ada.reads("$ ");
    ada.types("echo go; sleep 31536201\r");
    ada.reads("go\r\n");
    ada.waits_for_sleep("31536201");
    ada.types("\x1a");
    ada.reads("Stopped");
    ada.reads("$ ");
    ada.types("fg\r");
    ada.waits_for_sleep("31536201");
    ada.types("\x03");
    ada.reads("$ ");
    ada.types("echo c=$?\r");
    ada.reads("c=130");
    assert!(!is_left("31536201"));
    ada.types("exit 7\r");
    assert_eq!(ada.ends(), 7);
    let modes = ["before", "after"].map(|file| world.path("work").join(file));
    let modes = modes.map(|file| std::fs::read_to_string(file).unwrap());
    assert_eq!(modes[0], modes[1]);
    let last = ended(&world);
    assert_eq!(last.commit.subject, "a shell");
    assert_eq!(last.reason.unwrap().message, "exit code 7");

    // A program has Ctrl-C to itself; what ends `wharf` gives the terminal back.
    let mut trap = shop.command("wharf");
    trap.args([
        "run",
        "sh",
        "-c",
        "trap 'echo caught; exit 5' INT; echo ready; sleep 1000 & wait",
    ]);
    let mut ada = Typist::begin(&trap, 24, 80);
    ada.reads("ready");
    ada.types("\x03");
    ada.reads("caught");
    assert_eq!(ada.ends(), 5);
    let mut sleep = shop.command("wharf");
    sleep.args(["run", "sh", "-c", "echo ready; exec sleep 31536202"]);
    let mut ada = Typist::begin(&sleep, 24, 80);
    ada.reads("ready");
    ada.signals(Signal::TERM);
    assert_eq!(ada.ends(), 143);
    assert_eq!(ended(&world).reason.unwrap().code, "caller-gone");
    assert!(!is_left("31536202"));

    // Without a terminal a shell reads what it is to do.
    let said = shop
        .sh("echo 'echo $((6 * 7)); exit 3' | wharf shell")
        .exits(3);
    assert_eq!(said.out, "42\n");
}

#[test]
fn nothing_is_left_of_what_nobody_waits_for() {
    let world = World::new();
    let shop = deployed(&world);
    let mark = "31536203";
    let (mut child, _out) = begun(&shop, &["sh", "-c", &stubborn(mark)]);
    until(|| is_left(mark));
    assert_eq!(newest(&world).state, State::Running);
    child.kill().unwrap();
    child.wait().unwrap();
    let last = ended(&world);
    assert_eq!(last.state, State::Cancelled);
    assert_eq!(last.reason.unwrap().code, "caller-gone");
    assert!(!is_left(mark));

    // Somebody else ends it.
    let (child, _out) = begun(&shop, &["sh", "-c", &stubborn(mark)]);
    shop.wharf(&["cancel", &newest(&world).id])
        .ok()
        .has("cancelled by");
    let said = child.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(6));
    let err = String::from_utf8(said.stderr).unwrap();
    assert!(err.contains("it was ended: cancelled by"), "{err}");
    assert!(!is_left(mark));

    // The daemon dies: so does the command, and the next one says so.
    let (child, _out) = begun(&shop, &["sh", "-c", &stubborn(mark)]);
    let id = newest(&world).id;
    world.kill_daemon();
    let said = child.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(4));
    until(|| !is_left(mark));
    world.start();
    let last = ended(&world);
    assert_eq!((&last.id, last.state), (&id, State::Cancelled));
    assert_eq!(last.reason.unwrap().code, "run-interrupted");
    shop.wharf(&["log", &id])
        .ok()
        .has("main still serves r1.")
        .lacks("nothing was changed");
    let jobs = world.home().join("state/jobs");
    assert_eq!(jobs.read_dir().unwrap().count(), 0);
    shop.wharf(&["status"]).ok().has("0 running, 0 waiting");
    assert_eq!(shop.get("/").ok(), "one\n");
}

#[test]
fn a_death_around_it_leaves_nothing() {
    let world = World::new();
    let shop = deployed(&world);
    let mark = "31536205";
    let sleep = format!("sleep {mark}");
    for (point, ends) in [
        ("record what begins at once: before", false),
        ("record what begins at once: after", true),
        ("record end: before", true),
    ] {
        let before = newest(&world).id;
        let command = match point.starts_with("record end") {
            true => "true",
            false => sleep.as_str(),
        };
        world.freeze_at(point);
        let mut run = shop.command("wharf");
        run.args(["run", "sh", "-c", command]);
        let run = run.stdout(Stdio::null()).stderr(Stdio::null());
        let mut run = run.spawn().unwrap();
        world.wait_until_frozen();
        world.kill_daemon();
        assert_eq!(run.wait().unwrap().code(), Some(4), "{point}");
        world.start();
        let last = ended(&world);
        assert_eq!(last.id != before, ends, "{point}");
        if ends {
            assert_eq!(last.reason.unwrap().code, "run-interrupted", "{point}");
        }
        assert!(!is_left(mark), "{point}");
        let jobs = world.home().join("state/jobs");
        assert_eq!(jobs.read_dir().unwrap().count(), 0, "{point}");
        shop.wharf(&["run", "true"]).ok();
    }
}

#[test]
fn what_runs_ends_before_its_environment_and_outlives_its_release() {
    let world = World::with_host_file(
        "[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nreleases = 1\nslugs = { count = 0 }\n",
    );
    let shop = deployed(&world);
    let mark = "31536204";
    let go_on = "echo begun; read line; cat page data/new";
    let (mut child, out) = begun(&shop, &["sh", "-c", go_on]);
    for page in ["two\n", "three\n", "four\n"] {
        shop.write("page", page);
        shop.commit(page);
        shop.push(&["main"]).ok();
    }
    shop.wharf(&["run", "sh", "-c", "cat page > data/new"]).ok();
    // It stays in its release, which nothing removes meanwhile; data is the same for all.
    world.wharf(&["cleanup"]).ok();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let lines: Vec<_> = out.lines().map(Result::unwrap).collect();
    assert_eq!(lines, ["one", "four"]);
    assert!(child.wait().unwrap().success());
    let last = world.activities(Some("shop"), 100).unwrap();
    let last = last
        .iter()
        .find(|one| one.commit.subject.starts_with("sh -c 'echo begun"));
    let last = last.unwrap();
    assert_eq!((last.release, last.live_after), (Some(1), Some(4)));
    shop.wharf(&["log", &last.id])
        .ok()
        .has("main still serves r4.");

    shop.push(&["main:side"]).ok();
    for goes in [
        &["wharf", "deactivate", "-e", "side"][..],
        &["git", "push", "wharf", ":side"],
    ] {
        let (child, _out) = begun(&shop, &["-e", "side", "sh", "-c", &stubborn(mark)]);
        until(|| is_left(mark));
        run(shop.command(goes[0]).args(&goes[1..])).ok();
        assert!(!is_left(mark));
        let said = child.wait_with_output().unwrap();
        assert_eq!(said.status.code(), Some(6));
        let err = String::from_utf8(said.stderr).unwrap();
        assert!(err.contains("what runs there ends first"), "{err}");
        if goes[0] == "wharf" {
            shop.wharf(&["activate", "-e", "side"]).ok();
        }
    }
}

#[test]
fn only_so_many_run_at_a_time() {
    let world = World::new();
    let shop = deployed(&world);
    let wait = ["sh", "-c", "echo begun; cat"];
    let mut all: Vec<_> = (0..8).map(|_| begun(&shop, &wait)).collect();
    shop.wharf(&["run", "true"])
        .exits(6)
        .has("8 commands run there already")
        .has("wharf cancel ID");
    let (mut first, _out) = all.pop().unwrap();
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    shop.wharf(&["run", "true"]).ok();
}

/// Waits for what the kernel does a little later.
#[track_caller]
fn until(mut so: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !so() {
        assert!(began.elapsed() < wharf_tests::LIMIT, "it never is so");
        pause();
    }
}
