//! The same by mail, through a program of the host's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use wharf_tests::World;

use crate::restarts::{wait_for_line, wait_for_log};

/// A sendmail that keeps what it is given, and says how it was called.
fn sendmail(world: &World, ending: &str) -> PathBuf {
    let path = world.path("sendmail");
    let script = format!(
        "#!/bin/sh\ncd {}\ncat > mail\necho \"$#: $*\" > called\n{ending}\necho done >> end.log\n",
        world.path("").display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn configure(world: &World) {
    let text = format!(
        "[router]\nlisten = \"127.0.0.1:0\"\n[mail]\nsendmail = \"{}\"\nfrom = \"wharf@example.com\"\n\
         [[notify]]\nname = \"team\"\nemail = [\"a@example.com\", \"b@example.com\"]\non = [\"failed\"]\n",
        world.path("sendmail").display()
    );
    fs::write(world.home().join("config/wharfd.toml"), text).unwrap();
    world.wharf(&["reload"]).ok();
}

/// Nothing that pushers choose becomes a header, a receiver or the end of a mail.
#[test]
fn a_failure_is_mailed_whatever_its_branch_and_commit_are_called() {
    let world = World::new();
    sendmail(&world, "");
    configure(&world);
    let shop = world.site("shop", &[("index.html", "one\n")]);
    shop.init();
    // As hostile as a branch that is deployed can be called.
    let branch = "fix/Bcc=victim@example.com";
    shop.git(&["switch", "--quiet", "--create", branch]).ok();
    shop.write("wharf.toml", "build = \"false\"\n");
    shop.commit("One\rBcc: victim@example.com\r\rsecond\n\n.\nBcc: victim@example.com");
    shop.push(&["HEAD"]).exits(0).has("error: ");
    wait_for_line(&world, "end.log", "done");
    let called = fs::read_to_string(world.path("called")).unwrap();
    assert_eq!(called, "2: -t -i\n");
    let mail = fs::read_to_string(world.path("mail")).unwrap();
    let (head, body) = mail.split_once("\n\n").unwrap();
    let names: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let ours = [
        "From",
        "Date",
        "To",
        "Subject",
        "Message-ID",
        "Auto-Submitted",
        "Content-Transfer-Encoding",
    ];
    assert_eq!(names, ours, "{mail}");
    assert!(head.contains("From: wharf@example.com\n"), "{mail}");
    assert!(
        head.contains("To: a@example.com, b@example.com\n"),
        "{mail}"
    );
    assert!(head.contains("Subject: [wharf] shop@"), "{mail}");
    assert!(
        body.contains("failed: build failed in step 1 of 1"),
        "{mail}"
    );
    assert!(!mail.contains('\r'), "{mail:?}");
    assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
}

#[test]
fn a_sendmail_that_fails_is_named_and_asked_again() {
    let world = World::new();
    sendmail(&world, "echo 'the queue is full' >&2; exit 75");
    configure(&world);
    let shop = world.site(
        "shop",
        &[
            ("wharf.toml", "build = \"false\"\n"),
            ("index.html", "one\n"),
        ],
    );
    shop.init();
    shop.push(&["main"]).exits(0).has("error: ");
    wait_for_log(&world, "the queue is full; again in 5 s");
    let doctor = shop.wharf(&["doctor"]).has("team takes nothing since ");
    doctor
        .has("1 notification waits for it")
        .has("the queue is full");
    world
        .wharf(&["notify", "test"])
        .exits(1)
        .has("exit status: 75");
    sendmail(&world, "");
    let test = world.wharf(&["notify", "test"]).ok();
    test.has("success: team (email to a@example.com, b@example.com)")
        .has("1 that waited go");
    wait_for_line(&world, "end.log", "done");
    fs::remove_file(world.path("sendmail")).unwrap();
    let gone = world.wharf(&["notify", "test"]).exits(1);
    gone.has("cannot be run").has("set mail.sendmail");
    shop.wharf(&["doctor"]).exits(1).has("no mail can be sent");
}
