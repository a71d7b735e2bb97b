//! pre-receive: what the daemon is told, what it can read, and what its answer does.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, time::Duration};

use wharf_wire::{
    FromDaemon, Refusal, ToDaemon,
    hook::{Compare, EntryKind, FilePart, MAX_FILE},
    outcome::Exit,
};

use crate::{
    fake,
    world::{PRE, World, gits, remote, stderr},
};

#[test]
fn an_admitted_push_moves_the_ref_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        world.install("pre-receive", PRE, &world.stub());
        let daemon = fake::daemon(&world.path("sock"), |door| {
            let mut caller = door.greet();
            let push = caller.push();
            caller.files(&[], &[]);
            caller.verdict(true, &["warning: a word from the daemon"]);
            push
        });
        let output = world
            .git("work")
            .args(["push", "-o", "a=b", "-o", "with space", "origin", "main"])
            .env("WHARF_USER", "alice")
            .env("GL_USER", "x".repeat(300))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(remote(&output), ["warning: a word from the daemon"]);
        let tip = world.ok("work", &["rev-parse", "HEAD"]);
        assert_eq!(world.tip("refs/heads/main"), Some(tip.clone()));

        let push = daemon.join().unwrap();
        let repository = fs::canonicalize(world.path("bare.git")).unwrap();
        assert_eq!(push.repository, repository.to_str().unwrap());
        assert_eq!(push.options, ["a=b", "with space"]);
        assert_eq!(push.updates.len(), 1);
        assert_eq!(push.updates[0].name, "refs/heads/main");
        assert_eq!(push.updates[0].new, tip);
        assert!(push.updates[0].creates());
        // The overlong name is left out, not cut; that there is one is said.
        let claims: Vec<_> = push
            .claims
            .iter()
            .map(|c| (&c.source[..], &c.name[..]))
            .collect();
        assert_eq!(claims, [("WHARF_USER", "alice"), ("GL_USER", "")]);
    }
}

#[test]
fn a_refused_push_says_why_and_moves_nothing_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        world.install("pre-receive", PRE, &world.stub());
        let daemon = fake::daemon(&world.path("sock"), |door| {
            let mut caller = door.greet();
            caller.push();
            caller.files(&[], &[]);
            caller.verdict(false, &["error: one", "hint: two", "error: three"]);
        });
        let output = world.push(&["main"]);
        assert!(!output.status.success());
        assert_eq!(remote(&output), ["error: one", "hint: two", "error: three"]);
        assert_eq!(world.tip("refs/heads/main"), None);
        daemon.join().unwrap();
    }
}

#[test]
fn a_refusal_at_any_point_is_told() {
    let refusal = |code: &str| {
        FromDaemon::Refused(Refusal {
            code: code.into(),
            message: "no project names this repository".into(),
            hint: Some("wharf project add".into()),
            exit: Exit::Refused,
        })
    };
    for early in [true, false] {
        let world = World::new();
        world.install("pre-receive", PRE, &world.stub());
        let refusal = refusal("unknown-project");
        let daemon = fake::daemon(&world.path("sock"), move |door| {
            let mut caller = door.greet();
            if !early {
                caller.push();
            }
            caller.send(&refusal);
        });
        let output = world.push(&["main"]);
        assert!(!output.status.success());
        let said = [
            "error: no project names this repository",
            "hint: wharf project add",
        ];
        assert_eq!(remote(&output), said, "early: {early}");
        daemon.join().unwrap();
    }
}

#[test]
fn files_are_read_from_the_quarantine_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        let work = world.path("work");
        let large = 10 * 1024 * 1024;
        let text = "name = \"shop\"\n".repeat(2000);
        fs::create_dir_all(work.join("public/deep")).unwrap();
        for (name, content) in [
            ("wharf.toml", text.as_bytes()),
            ("empty", b""),
            ("-rf", b"dash"),
            ("public/index.html", b"<p>"),
            ("public/deep/other", b"x"),
            ("exactly", &vec![b'e'; MAX_FILE as usize]),
            ("large", &vec![b'l'; large]),
        ] {
            fs::write(work.join(name), content).unwrap();
        }
        std::os::unix::fs::symlink("wharf.toml", work.join("link")).unwrap();
        world.commit("files");
        let tip = world.ok("work", &["rev-parse", "HEAD"]);
        // A pushed replacement must not show the daemon another file than the one that is deployed.
        let blob = world.ok("work", &["rev-parse", "HEAD:wharf.toml"]);
        let other = world.ok("work", &["rev-parse", "HEAD:-rf"]);
        world.ok(
            "work",
            &["update-ref", &format!("refs/replace/{blob}"), &other],
        );

        world.install("pre-receive", PRE, &world.stub());
        let commit = tip.clone();
        let daemon = fake::daemon(&world.path("sock"), move |door| {
            let mut caller = door.greet();
            caller.push();
            let paths = [
                "wharf.toml",
                "absent",
                "link",
                "large",
                "exactly",
                "empty",
                "-rf",
                "public",
                "public/index.html",
                "wharf.toml/below",
                "link/below",
                ":(glob)*",
                "*",
            ];
            let parts = caller.files(&[&commit], &paths);
            caller.verdict(true, &[]);
            parts
        });
        let output = world.push(&["main", "refs/replace/*:refs/replace/*"]);
        assert!(output.status.success(), "{}", stderr(&output));

        let mut found = whole(&daemon.join().unwrap(), &tip);
        found.sort();
        let file = |path: &str, size: usize, bytes: &[u8]| {
            (
                path.to_owned(),
                word(EntryKind::File),
                size as u64,
                bytes.to_vec(),
            )
        };
        let exactly = vec![b'e'; MAX_FILE as usize];
        assert_eq!(
            found,
            [
                file("-rf", 4, b"dash"),
                file("empty", 0, b""),
                file("exactly", MAX_FILE as usize, &exactly),
                file("large", large, b""),
                ("link".into(), word(EntryKind::Symlink), 10, vec![]),
                ("public".into(), word(EntryKind::Directory), 0, vec![]),
                file("public/index.html", 3, b"<p>"),
                file("wharf.toml", text.len(), text.as_bytes()),
            ]
        );
    }
}

/// Parts put together.
fn whole(parts: &[FilePart], commit: &str) -> Vec<(String, String, u64, Vec<u8>)> {
    let mut files: Vec<(String, String, u64, Vec<u8>)> = Vec::new();
    for part in parts {
        assert_eq!(part.commit, commit);
        match files.last_mut() {
            Some(file) if file.0 == part.path => file.3.extend(&part.bytes),
            _ => files.push((
                part.path.clone(),
                word(part.kind),
                part.size,
                part.bytes.clone(),
            )),
        }
    }
    files
}

fn word(kind: EntryKind) -> String {
    format!("{kind:?}")
}

#[test]
fn long_object_ids_are_object_ids() {
    let world = World::of_format(gits().swap_remove(0), "sha256");
    world.install("pre-receive", PRE, &world.stub());
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        let push = caller.push();
        let parts = caller.files(&[&push.updates[0].new], &["file"]);
        caller.verdict(true, &[]);
        (push, parts)
    });
    let output = world.push(&["main"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let (push, parts) = daemon.join().unwrap();
    assert_eq!(push.updates[0].new.len(), 64);
    assert!(push.updates[0].creates());
    assert_eq!(parts[0].bytes, b"one");
}

#[test]
fn a_tag_of_a_commit_is_read_as_its_commit_and_a_blob_is_no_commit() {
    let world = World::new();
    world.ok("work", &["tag", "-a", "-m", "t", "annotated"]);
    world.ok("work", &["tag", "blob", "HEAD:file"]);
    world.install("pre-receive", PRE, &world.stub());
    let ask = |tag: &str| {
        let id = world.ok("work", &["rev-parse", tag]);
        let socket = world.path("sock");
        let _gone = std::fs::remove_file(&socket);
        let daemon = fake::daemon(&socket, move |door| {
            let mut caller = door.greet();
            caller.push();
            let want = wharf_wire::hook::Want {
                commits: vec![id],
                paths: vec!["file".into()],
            };
            caller.send(&FromDaemon::Want(want));
            let first = wharf_wire::frame::read(&mut caller.stream).unwrap();
            if matches!(first, Some(ToDaemon::File(_))) {
                assert_eq!(caller.receive(), ToDaemon::FilesSent);
                caller.verdict(true, &[]);
            }
            first
        });
        (world.push(&[tag]), daemon.join().unwrap())
    };
    let (output, first) = ask("annotated");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(matches!(first, Some(ToDaemon::File(part)) if part.bytes == b"one"));
    let (output, first) = ask("blob");
    assert!(!output.status.success());
    assert!(remote(&output)[0].starts_with("error: git cannot read commit "));
    assert_eq!(first, None);
}

#[test]
fn a_daemon_that_asks_for_other_commits_gets_nothing() {
    let world = World::new();
    let first = world.ok("work", &["rev-parse", "HEAD"]);
    world.push(&["main:refs/heads/secret"]);
    world.commit("two");
    world.install("pre-receive", PRE, &world.stub());
    let daemon = fake::daemon(&world.path("sock"), move |door| {
        let mut caller = door.greet();
        caller.push();
        let want = wharf_wire::hook::Want {
            commits: vec![first],
            paths: vec!["file".into()],
        };
        caller.send(&FromDaemon::Want(want));
        wharf_wire::frame::read::<wharf_wire::ToDaemon>(&mut caller.stream).unwrap()
    });
    let output = world.push(&["main"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("error: the daemon asked for what is no part of this push"));
    assert_eq!(daemon.join().unwrap(), None);
}

#[test]
fn every_ref_of_a_push_is_told_and_weird_names_are_names_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        assert!(world.push(&["main:refs/heads/old"]).status.success());
        world.ok("work", &["tag", "-a", "-m", "t", "v1"]);
        world.install("pre-receive", PRE, &world.stub());
        let daemon = fake::daemon(&world.path("sock"), |door| fake::admit(&door));
        let names = [
            "refs/heads/--exec=x",
            "refs/heads/-rf",
            "refs/heads/a;b$(id)'\"`|&",
            "refs/heads/\u{fc}ber/\u{1f6a2}",
        ];
        let mut command = world.git("work");
        command.args(["push", "origin", "v1", ":refs/heads/old"]);
        command.args(names.map(|name| format!("HEAD:{name}")));
        command.arg(OsStr::from_bytes(b"HEAD:refs/heads/\xff\xfe"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));

        let push = daemon.join().unwrap();
        let find = |name: &str| {
            push.updates
                .iter()
                .find(|u| u.name == name)
                .unwrap_or_else(|| panic!("{push:?}"))
        };
        for name in names {
            assert!(find(name).creates() && !find(name).lossy);
        }
        assert!(find("refs/heads/old").deletes());
        assert!(find("refs/tags/v1").creates());
        assert!(find("refs/heads/\u{fffd}\u{fffd}").lossy);
        assert_eq!(push.updates.len(), names.len() + 3);
    }
}

#[test]
fn many_updates_come_in_several_frames_and_too_many_are_refused() {
    let world = World::new();
    world.install("pre-receive", PRE, &world.stub());
    let daemon = fake::daemon(&world.path("sock"), |door| fake::admit(&door));
    let tip = world.ok("work", &["rev-parse", "HEAD"]);
    let branches = |n: usize| -> Vec<String> {
        (0..n)
            .map(|i| format!("HEAD:refs/heads/b{i:04}-{}", "long".repeat(40)))
            .collect()
    };
    let output = world
        .git("work")
        .args(["push", "-q", "origin"])
        .args(branches(900))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let push = daemon.join().unwrap();
    assert_eq!(push.updates.len(), 900);
    assert!(push.updates.iter().all(|u| u.new == tip));
    assert!(push.updates.windows(2).all(|two| two[0].name < two[1].name));

    let world = World::new();
    world.install("pre-receive", PRE, &world.stub());
    let output = world
        .git("work")
        .args(["push", "-q", "origin"])
        .args(branches(1001))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(
        remote(&output)[..2],
        [
            "error: Wharf takes at most 1000 ref updates in one push",
            "hint: push fewer branches and tags at a time"
        ]
    );
}

#[test]
fn too_many_or_too_long_options_are_refused() {
    let world = World::new();
    world.install("pre-receive", PRE, &world.stub());
    for options in [
        vec!["-oa".to_owned(); 65],
        vec![format!("-o{}", "x".repeat(1025))],
    ] {
        let output = world
            .git("work")
            .arg("push")
            .args(options)
            .args(["origin", "main"])
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(stderr(&output).contains("error: Wharf takes at most 64 push options of 1024"));
    }
}

#[test]
fn a_daemon_that_never_gives_its_verdict_is_absent() {
    let world = World::new();
    let stub = wharf_hooks::stub::Stub {
        verdict: Duration::from_millis(300),
        ..world.stub()
    };
    world.install("pre-receive", PRE, &stub);
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        caller.push();
        caller.files(&[], &[]);
        // The hook hangs up.
        wharf_wire::frame::read::<wharf_wire::ToDaemon>(&mut caller.stream).unwrap()
    });
    let output = world.push(&["main"]);
    assert!(!output.status.success());
    assert_eq!(
        remote(&output)[..2],
        [
            "error: Wharf does not answer on this host; nothing was pushed",
            "  no answer in time"
        ]
    );
    assert_eq!(daemon.join().unwrap(), None);
}

#[test]
fn what_a_quarantined_commit_changes_is_counted_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        world.ok("work", &["push", "-q", "origin", "main"]);
        let old = world.ok("work", &["rev-parse", "HEAD^{tree}"]);
        world.install("pre-receive", PRE, &world.stub());
        fs::create_dir(world.path("work/sub")).unwrap();
        fs::write(world.path("work/sub/a b"), "new").unwrap();
        fs::write(world.path("work/sub/c"), "new").unwrap();
        world.commit("two");
        let new = world.ok("work", &["rev-parse", "HEAD^{tree}"]);
        let commit = world.ok("work", &["rev-parse", "HEAD"]);
        let (known, unknown) = (old, "d".repeat(40));
        let daemon = fake::daemon(&world.path("sock"), move |door| {
            let mut caller = door.greet();
            caller.push();
            caller.files(&[], &[]);
            let paths = ["sub", "missing", "*", ":(glob)**"];
            let counted = caller.compare(&commit, Some(&known), &paths);
            caller.verdict(false, &["dry run"]);
            // What is not there cannot be counted, and what is not of this push is not answered.
            let mut caller = door.greet();
            caller.push();
            caller.files(&[], &[]);
            let uncounted = caller.compare(&commit, Some(&unknown), &["."]);
            caller.verdict(false, &["dry run"]);
            let mut caller = door.greet();
            caller.push();
            caller.files(&[], &[]);
            caller.send(&FromDaemon::Compare(Compare {
                commit: known,
                tree: None,
                paths: Vec::new(),
            }));
            (counted, uncounted)
        });
        for said in [
            "dry run",
            "dry run",
            "error: the daemon asked for what is no part",
        ] {
            let output = world.push(&["main"]);
            assert!(!output.status.success());
            assert!(remote(&output)[0].starts_with(said), "{}", stderr(&output));
        }
        let (counted, uncounted) = daemon.join().unwrap();
        assert_eq!((counted.tree, counted.changed), (new.clone(), Some(3)));
        assert_eq!((uncounted.tree, uncounted.changed), (new, None));
        // No word of it is more than a path.
        let files = ["sub/a b", "sub/c"].map(str::to_owned);
        assert_eq!(counted.files, Some(files.to_vec()));
    }
}
