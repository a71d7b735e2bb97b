use wharf_wire::{
    FromDaemon, Refusal,
    ask::{Ask, LogForm, Scope, SlugUse},
    event::{Entry, Event},
    outcome::Exit,
    view::{Environment, Finding, Grant, Item, Reason, Severity},
};

use crate::world::World;

fn end(exit: Exit) -> FromDaemon {
    FromDaemon::End { exit }
}

fn environment(id: &str, branch: &str, url: Option<&str>) -> FromDaemon {
    FromDaemon::Item(Box::new(Item::Environment(Environment {
        project: "shop".into(),
        id: id.into(),
        branch: branch.into(),
        ahead: None,
        behind: None,
        tip: None,
        why: None,
        kind: "development".into(),
        parent: None,
        title: String::new(),
        status: "active".into(),
        maintenance: None,
        release: url.map(|_| 1),
        commit: None,
        at_tip: true,
        health: "static".into(),
        pending: 0,
        url: url.map(Into::into),
        activity: None,
    })))
}

#[test]
fn nobody_answers() {
    let said = World::new().wharf("status");
    assert_eq!((said.code, said.out.as_str()), (4, ""));
    assert!(
        said.err
            .starts_with("error: the daemon does not answer at /"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("hint: start it with: wharf start\n"),
        "{}",
        said.err
    );
}

#[test]
fn the_scope_of_the_work_tree_is_sent() {
    let world = World::new();
    let bare = world.bare("shop.git");
    world.git(&["remote", "add", "origin", bare.to_str().unwrap()]);
    let url = "http://main--shop.localhost:7080";
    let daemon = world.daemon(vec![environment("main", "main", Some(url)), end(Exit::Ok)]);
    let said = world.wharf("url");
    assert_eq!(
        (said.code, said.out, said.err.as_str()),
        (0, format!("{url}\n"), "")
    );
    let (hello, ask) = daemon.join().unwrap();
    assert_eq!(hello.client, "wharf");
    assert_eq!(
        ask,
        Ask::Environments(Scope {
            project: None,
            repository: Some(bare.to_str().unwrap().to_owned()),
            environment: Some("refs/heads/main".into()),
        })
    );
}

#[test]
fn the_person_behind_a_key_is_named() {
    let world = World::new();
    let daemon = world.daemon(vec![end(Exit::Ok)]);
    let mut wharf = world.command(env!("CARGO_BIN_EXE_wharf"));
    assert!(
        wharf
            .arg("reload")
            .env("WHARF_USER", "alice")
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(daemon.join().unwrap().0.client, "wharf as alice");
}

#[test]
fn an_environment_without_an_address_is_not_found() {
    let world = World::new();
    let daemon = world.daemon(vec![environment("main", "main", None), end(Exit::Ok)]);
    let said = world.wharf("url -p shop -e main");
    assert_eq!((said.code, said.out.as_str()), (5, ""));
    daemon.join().unwrap();
}

#[test]
fn json_is_an_array_of_the_records() {
    let world = World::new();
    let daemon = world.daemon(vec![environment("main", "main", None), end(Exit::Ok)]);
    let said = world.wharf("environments -p shop --json");
    let records: Vec<Environment> = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (records.len(), records[0].id.as_str(), said.err.as_str()),
        (1, "main", "")
    );
    daemon.join().unwrap();
}

#[test]
fn a_link_is_data_and_what_it_opens_is_talk() {
    let grant = || {
        let grant = Item::Grant(Grant {
            project: "shop".into(),
            environment: "feature".into(),
            url: "http://feature.test/?wharf-grant=abc".into(),
            public: false,
            expires: Some(1_763_735_460_000),
        });
        vec![FromDaemon::Item(Box::new(grant)), end(Exit::Ok)]
    };
    let words = "-p shop -e feature url --grant 90m";
    let world = World::new();
    let daemon = world.daemon(grant());
    let said = world.wharf(words);
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (
            0,
            "http://feature.test/?wharf-grant=abc\n",
            "whoever has this link may look at feature until 2025-11-21 14:31 UTC\n"
        )
    );
    let scope = Scope {
        project: Some("shop".into()),
        repository: None,
        environment: Some("feature".into()),
    };
    let seconds = 5400;
    assert_eq!(daemon.join().unwrap().1, Ask::Grant { scope, seconds });

    let world = World::new();
    let daemon = world.daemon(grant());
    let said = world.wharf(&format!("{words} --json"));
    assert!(
        said.out.contains("\"expires\": 1763735460000"),
        "{}",
        said.out
    );
    assert_eq!(said.err, "");
    drop(daemon.join().unwrap());
    assert_eq!(world.wharf("url --grant 59s").code, 2);
}

#[test]
fn a_refusal_is_an_error_with_its_hint_and_exit() {
    let world = World::new();
    let daemon = world.daemon(vec![FromDaemon::Refused(Refusal {
        code: "no-activity".into(),
        message: "no activity `4f2a`\u{1b}[2J".into(),
        hint: Some("see them with: wharf activities".into()),
        exit: Exit::NotFound,
    })]);
    let said = world.wharf("cancel 4f2a");
    assert_eq!((said.code, said.out.as_str()), (5, ""));
    assert_eq!(
        said.err,
        "error: no activity `4f2a`?[2J\nhint: see them with: wharf activities\n"
    );
    assert_eq!(
        daemon.join().unwrap().1,
        Ask::Cancel {
            activity: "4f2a".into()
        }
    );
}

#[test]
fn the_log_is_data_and_an_act_is_talk() {
    let lines = || {
        vec![
            FromDaemon::Line("  build".into()),
            FromDaemon::Line("success: x".into()),
        ]
    };
    let world = World::new();
    let daemon = world.daemon([lines(), vec![end(Exit::Ok)]].concat());
    let said = world.wharf("log 4f2a -f");
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (0, "  build\nsuccess: x\n", "")
    );
    assert_eq!(
        daemon.join().unwrap().1,
        Ask::Log {
            activity: Some("4f2a".into()),
            scope: Scope::default(),
            follow: true,
            form: LogForm::Text
        }
    );

    let world = World::new();
    let queued = vec![FromDaemon::Queued {
        activities: vec!["4f2b".into()],
    }];
    let daemon = world.daemon([queued, lines(), vec![end(Exit::DeployFailed)]].concat());
    let said = world.wharf("redeploy --rebuild -p shop -e main");
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (3, "", "  build\nsuccess: x\n")
    );
    let Ask::Redeploy {
        slug: SlugUse::Rebuild,
        ..
    } = daemon.join().unwrap().1
    else {
        panic!("another question");
    };
}

#[test]
fn raw_bytes_stay_as_they_are_and_events_are_json() {
    let world = World::new();
    let raw = FromDaemon::Raw(b"a\x1b[31mb\r\n".to_vec());
    let daemon = world.daemon(vec![raw, end(Exit::Ok)]);
    assert_eq!(world.wharf("log 4f2a --raw").out, "a\x1b[31mb\r\n");
    daemon.join().unwrap();

    let event = Entry {
        at: 5,
        event: Event::Note { text: "x".into() },
    };
    for (line, follows) in [("log 4f2a --json", false), ("log 4f2a --json -f", true)] {
        let world = World::new();
        let item = FromDaemon::Item(Box::new(Item::Event(event.clone())));
        let daemon = world.daemon(vec![item, end(Exit::Ok)]);
        let out = world.wharf(line).out;
        let read: Vec<Entry> = match follows {
            true => out
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            false => serde_json::from_str(&out).unwrap(),
        };
        assert_eq!(read, std::slice::from_ref(&event));
        daemon.join().unwrap();
    }
}

#[test]
fn a_daemon_that_dies_is_said() {
    let world = World::new();
    let daemon = world.daemon(vec![FromDaemon::Line("build".into())]);
    let said = world.wharf("rollback r3 -p shop -e main");
    assert_eq!(said.code, 4);
    assert!(
        said.err
            .contains("error: the daemon went away before it was done"),
        "{}",
        said.err
    );
    daemon.join().unwrap();
}

#[test]
fn the_doctor_hears_the_daemon_and_fails_on_errors() {
    let world = World::new();
    let finding = Finding {
        severity: Severity::Error,
        code: "disk-full".into(),
        message: "the disk is full".into(),
        hint: None,
    };
    let item = FromDaemon::Item(Box::new(Item::Finding(finding)));
    let daemon = world.daemon(vec![item, end(Exit::Ok)]);
    let said = world.wharf("doctor --json");
    daemon.join().unwrap();
    assert_eq!(said.code, 1);
    let found: Vec<Finding> = serde_json::from_str(&said.out).unwrap();
    for code in ["git", "daemon", "disk-full"] {
        assert!(
            found.iter().any(|one| one.code == code),
            "{code}: {found:?}"
        );
    }

    let said = World::new().wharf("doctor");
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("  error  the daemon does not answer at "),
        "{}",
        said.out
    );
}

#[test]
fn nothing_is_asked_without_a_project() {
    let said = World::new().wharf("rollback");
    assert_eq!(said.code, 2);
    assert!(said.err.contains("hint: go to a work tree"), "{}", said.err);
}

#[test]
fn what_is_public_needs_no_link() {
    let world = World::new();
    let grant = Item::Grant(Grant {
        project: "shop".into(),
        environment: "main".into(),
        url: "http://main.test/".into(),
        public: true,
        expires: None,
    });
    let daemon = world.daemon(vec![FromDaemon::Item(Box::new(grant)), end(Exit::Ok)]);
    let said = world.wharf("-p shop -e main url --grant 1h");
    assert_eq!((said.code, said.out.as_str()), (0, "http://main.test/\n"));
    assert!(said.err.starts_with("main is public"), "{}", said.err);
    drop(daemon.join().unwrap());
}

#[test]
fn an_error_is_json_for_programs_and_text_for_people() {
    let world = World::new();
    let refusal = Refusal {
        code: "denied".into(),
        message: "dan may not merge into main".into(),
        hint: Some("ask".into()),
        exit: Exit::Refused,
    };
    let daemon = world.daemon(vec![FromDaemon::Refused(refusal)]);
    let said = world.wharf("-p shop -e main merge --json");
    let printed: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let wanted = serde_json::json!({"error": {
        "code": "denied",
        "message": "dan may not merge into main",
        "hints": ["ask"],
        "exit": 6,
        "reasons": [],
    }});
    assert_eq!((said.code, printed), (6, wanted));
    assert_eq!(said.err, "error: dan may not merge into main\nhint: ask\n");
    drop(daemon.join().unwrap());

    // Several reasons were said in lines: people read them once.
    let world = World::new();
    let reason = |code: &str| {
        let reason = Reason {
            code: code.into(),
            message: format!("{code} it is"),
            hint: None,
        };
        FromDaemon::Item(Box::new(Item::Reason(reason)))
    };
    let daemon = world.daemon(vec![
        FromDaemon::Line("error: said".into()),
        reason("one"),
        reason("two"),
        end(Exit::Refused),
    ]);
    let said = world.wharf("-p shop -e main delete --json");
    let printed: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(printed["error"]["code"], "one");
    assert_eq!(printed["error"]["reasons"][1]["code"], "two");
    assert_eq!((said.code, said.err.as_str()), (6, "error: said\n"));
    drop(daemon.join().unwrap());
    let said = world.wharf("status --jsn --json");
    assert_eq!((said.code, said.err.contains("Usage")), (2, true));
    assert!(said.out.contains("\"usage\""), "{}", said.out);
}

#[test]
fn what_is_recorded_can_be_waited_for_when_the_daemon_goes_away() {
    let world = World::new();
    let queued = FromDaemon::Queued {
        activities: vec!["4f2a".into()],
    };
    let daemon = world.daemon(vec![queued]);
    let said = world.wharf("-p shop -e main redeploy --json");
    assert_eq!(said.code, 4);
    assert!(
        said.out.contains("wharf activity wait 4f2a"),
        "{}",
        said.out
    );
    drop(daemon.join().unwrap());
}
