//! Commands from a laptop: over a real sshd, through the forced command of a key.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    thread,
};

use wharf_tests::{Laptop, Sshd, Tree, Typist, World, run};
use wharf_wire::outcome::State;

use crate::laptop::{PAGE, on_one_git_with};

const MOUNTED: (&str, &str) = ("wharf.toml", "[mounts]\ndata = \"private\"\n");

/// `ssh git@host`, as somebody types it.
fn ssh(shop: &Tree<'_>, laptop: &Laptop, options: &[&str]) -> Command {
    let mut words = laptop.ssh.split(' ');
    let mut ssh = shop.command(words.next().unwrap());
    ssh.args(words).args(options);
    let host = laptop.host.strip_prefix("ssh://").unwrap();
    let (host, port) = host.rsplit_once(':').unwrap();
    ssh.args(["-p", port, host]);
    ssh
}

fn newest(world: &World) -> wharf_wire::view::Activity {
    world.activities(Some("shop"), 1).unwrap().remove(0)
}

/// Waits until the newest activity has ended.
fn ended(world: &World) -> wharf_wire::view::Activity {
    while !newest(world).state.is_end() {
        wharf_tests::pause();
    }
    newest(world)
}

#[test]
fn a_command_from_a_laptop() {
    on_one_git_with(&[PAGE, MOUNTED], |world, sshd, shop| {
        shop.push(&["main"]).ok();
        let sent: Vec<u8> = (0_u32..1 << 20).map(|at| (at * 31 / 7) as u8).collect();
        let mut cat = shop.command("wharf");
        cat.args(["run", "sh", "-c", "cat; echo to errors >&2; exit 9"]);
        let cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cat = cat.stderr(Stdio::piped()).spawn().unwrap();
        let (mut input, bytes) = (cat.stdin.take().unwrap(), sent.clone());
        let writer = thread::spawn(move || input.write_all(&bytes).unwrap());
        let output = cat.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.stdout == sent, "{} bytes", output.stdout.len());
        assert_eq!(output.stderr, b"to errors\n");
        assert_eq!(output.status.code(), Some(9));
        let words = ["run", "-e", "main", "printf", "<%s>", "a  b", "'", "$HOME"];
        assert_eq!(shop.wharf(&words).ok().out, "<a  b><'><$HOME>");
        // ssh's own word for what it could not do may be a command's, too.
        shop.wharf(&["run", "sh", "-c", "exit 255"]).exits(255);
        let last = ended(world);
        assert_eq!((last.actor.name.as_str(), last.kind.word()), ("ada", "run"));

        // The same by hand, without a `wharf` here.
        let repository = world.repository("shop");
        let repository = format!("--repository={}", repository.display());
        let mut by_hand = ssh(shop, &sshd.laptop("ada"), &[]);
        by_hand.args(["wharf", &repository, "run", "-e", "main", "pwd"]);
        run(&mut by_hand).ok().has("/app");

        // Whoever is cut off waits for nothing any more.
        let mut sleep = shop.command("wharf");
        sleep.args(["run", "sh", "-c", "echo begun; exec sleep 31536210"]);
        let sleep = sleep.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut sleep = sleep.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(sleep.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "begun\n");
        sshd.cut();
        assert_eq!(sleep.wait().unwrap().code(), Some(255));
        let last = ended(world);
        assert_eq!(last.state, State::Cancelled);
        assert_eq!(last.reason.unwrap().code, "caller-gone");
    });
}

#[test]
fn a_shell_from_a_laptop() {
    on_one_git_with(&[PAGE, MOUNTED], |world, sshd, shop| {
        shop.push(&["main"]).ok();
        let repository = world.repository("shop");
        let repository = format!("--repository={}", repository.display());
        let mut typed = ssh(shop, &sshd.laptop("ada"), &["-t"]);
        typed.args(["wharf", &repository, "shell", "-e", "main"]);
        let mut wharf = shop.command("wharf");
        wharf.arg("shell");
        for command in [&wharf, &typed] {
            let mut ada = Typist::begin(command, 33, 99);
            ada.reads("main r1 /app $ ");
            ada.types("stty size\r");
            ada.reads("33 99");
            ada.resizes(44, 111);
            ada.types("until test \"$(stty size)\" = '44 111'; do :; done; echo re''sized\r");
            ada.reads("resized");
            ada.reads("$ ");
            ada.types("echo g''o; sleep 31536211\r");
            ada.waits_for_sleep("31536211");
            ada.types("\x03");
            ada.reads("^C");
            ada.reads("$ ");
            ada.types("echo c=$?\r");
            ada.reads("c=130");
            ada.types("exit 5\r");
            assert_eq!(ada.ends(), 5);
        }
        // A window that is closed ends what is in it.
        let mut ada = Typist::begin(&wharf, 24, 80);
        ada.reads("$ ");
        ada.types("trap '' HUP TERM; echo de''af; sleep 31536212\r");
        ada.reads("deaf");
        sshd.cut();
        ada.ends();
        assert_eq!(ended(world).state, State::Cancelled);
        // Without a terminal it reads what it is to do.
        let said = shop.sh("echo 'echo $((6 * 7)); exit 3' | wharf shell");
        assert_eq!(said.exits(3).out, "42\n");
    });
}

/// Lines of earlier versions allow no terminal.
#[test]
fn an_older_key_has_no_terminal_and_says_so() {
    on_one_git_with(&[PAGE], |world, _, shop| {
        shop.push(&["main"]).ok();
        let file = world.path("sshd/authorized_keys");
        let keys = fs::read_to_string(&file).unwrap();
        assert!(keys.contains(",restrict,pty "), "{keys}");
        fs::write(&file, keys.replace(",restrict,pty ", ",restrict ")).unwrap();
        let mut wharf = shop.command("wharf");
        wharf.arg("shell");
        let mut ada = Typist::begin(&wharf, 24, 80);
        ada.reads("where ssh was given no terminal");
        ada.reads("restrict,pty");
        assert_eq!(ada.ends(), 255);
        // Nothing else is lost, and the operator still knows the line.
        shop.wharf(&["run", "echo", "piped"]).ok().has("piped");
        let mut list = world.command("wharf");
        list.args(["key", "list", "--authorized-keys"]).arg(&file);
        run(&mut list).ok().has("ada");
    });
}

#[test]
fn whoever_only_looks_runs_nothing() {
    let world = World::new();
    let sshd = Sshd::start(&world);
    let mut shop = world.site("shop", &[PAGE]);
    shop.init();
    shop.push(&["main", "main:cart"]).ok();
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    let roles = "\n[roles]\nvera = \"viewer\"\n\
                 dan = { development = \"contributor\", production = \"viewer\" }\n";
    fs::write(&file, format!("{text}{roles}")).unwrap();
    world.wharf(&["reload"]).ok();
    let before = world.activities(Some("shop"), 100).unwrap().len();
    for person in ["vera", "dan"] {
        let laptop = sshd.admit(person);
        sshd.give(&laptop, &mut shop, "shop");
        for words in [&["run", "true"][..], &["shell"]] {
            let said = shop.wharf(&[&["-e", "main"], words].concat()).exits(6);
            said.has(&format!("{person} may not run commands in main"))
                .has("you are a viewer for production environments")
                .has("contributors may");
        }
    }
    // Nothing of it is recorded, and nothing was begun.
    assert_eq!(world.activities(Some("shop"), 100).unwrap().len(), before);
    shop.wharf(&["-e", "cart", "run", "true"]).ok();
    let journal = world.logs();
    let refused = |line: &&str| line.contains("vera") && line.contains("denied");
    assert!(journal.lines().any(|line| refused(&line)), "{journal}");
}
