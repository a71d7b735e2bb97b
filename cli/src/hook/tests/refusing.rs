//! A hook more, where a failed build refuses its push.

use super::*;

#[test]
fn a_failed_build_refuses_its_push_where_the_host_says_so() {
    let mut world = World::new();
    let before = world.tree();
    world.install();
    let kept = world.tree();
    world.options.on_failure = OnFailure::Reject;
    let missing = status(&world.bare(), OnFailure::Reject).unwrap();
    assert!(missing.problems[0].message.contains("is to refuse"));
    let added = [
        Change::Wrote {
            file: "hooks/proc-receive".to_owned(),
        },
        Change::Set {
            key: "receive.procReceiveRefs",
            value: "refs/heads",
        },
    ];
    assert_eq!(world.install(), added);
    assert_eq!(world.install(), []);
    let complete = status(&world.bare(), OnFailure::Reject).unwrap();
    assert!(complete.is_complete() && complete.problems.is_empty());
    let surplus = status(&world.bare(), OnFailure::Keep).unwrap();
    assert!(surplus.problems[0].message.contains("is to keep"));

    // And back, and away.
    world.options.on_failure = OnFailure::Keep;
    let taken = [
        Change::Reset {
            key: "receive.procReceiveRefs",
        },
        Change::Removed {
            file: "hooks/proc-receive".to_owned(),
        },
    ];
    assert_eq!(world.install(), taken);
    assert_eq!(world.tree(), kept);
    world.options.on_failure = OnFailure::Reject;
    world.install();
    uninstall(&world.bare()).unwrap();
    assert_eq!(world.tree(), before);
}

#[test]
fn another_proc_receive_is_not_touched() {
    let mut world = World::new();
    world.options.on_failure = OnFailure::Reject;
    executable(&world.hook("proc-receive"), "#!/bin/sh\n");
    let before = world.tree();
    let error = install(&world.bare(), &world.options).unwrap_err();
    assert!(matches!(error, InstallError::Taken { .. }), "{error}");
    assert_eq!(world.tree(), before);
    fs::remove_file(world.hook("proc-receive")).unwrap();
    let words = ["config", "--add", "receive.procReceiveRefs", "refs/for"];
    world.git("bare.git", &words);
    let error = install(&world.bare(), &world.options).unwrap_err();
    assert!(error.hint().unwrap().contains("keep"), "{error}");
    // What it is for stays where Wharf needs it not.
    world.options.on_failure = OnFailure::Keep;
    world.install();
    assert!(
        status(&world.bare(), OnFailure::Keep)
            .unwrap()
            .is_complete()
    );
    uninstall(&world.bare()).unwrap();
    assert_eq!(world.get("receive.procReceiveRefs"), "refs/for\n");
}

#[test]
fn no_setting_of_ours_outlives_our_proc_receive() {
    let setting = "receive.procReceiveRefs";
    for is_noted in [true, false] {
        for by_uninstalling in [true, false] {
            let mut world = World::new();
            world.options.on_failure = OnFailure::Reject;
            world.install();
            world.git("bare.git", &["config", "--add", setting, "refs/for"]);
            if !is_noted {
                fs::remove_file(world.bare().join("wharf-hooks.json")).unwrap();
            }
            world.options.on_failure = OnFailure::Keep;
            let report = match by_uninstalling {
                true => uninstall(&world.bare()).unwrap(),
                false => install(&world.bare(), &world.options).unwrap(),
            };
            assert!(!world.hook("proc-receive").exists());
            assert_eq!(world.get(setting), "refs/for\n");
            let said = &report.problems.last().unwrap().message;
            assert!(said.contains("git refuses pushes to that"), "{said}");
        }
    }
}
