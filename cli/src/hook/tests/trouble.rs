//! What is refused, and what is named with its fix.

use super::*;

#[test]
fn a_hooks_path_is_a_problem_with_its_fix() {
    let world = World::new();
    world.git("bare.git", &["config", "core.hooksPath", "/elsewhere"]);
    let problems = install(&world.bare(), &world.options).unwrap().problems;
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0]
            .message
            .starts_with("core.hooksPath is /elsewhere"),
        "{problems:?}"
    );
    assert!(
        problems[0].hint.ends_with("config --unset core.hooksPath"),
        "{problems:?}"
    );
    assert_eq!(
        status(&world.bare(), OnFailure::Keep).unwrap().problems,
        problems
    );
    let fix = Command::new("sh")
        .args(["-c", &problems[0].hint])
        .status()
        .unwrap();
    assert!(fix.success());
    assert_eq!(status(&world.bare(), OnFailure::Keep).unwrap().problems, []);
}

#[test]
fn what_is_no_bare_repository_is_refused() {
    let world = World::new();
    world.git("", &["init", "-q", "work"]);
    fs::create_dir(world.dir.path().join("empty")).unwrap();
    let try_on = |name: &str| {
        let error = install(&world.dir.path().join(name), &world.options).unwrap_err();
        assert!(error.hint().is_some());
        error
    };
    assert!(matches!(try_on("work"), InstallError::NotBare(_)));
    assert!(matches!(try_on("work/.git"), InstallError::NotBare(_)));
    assert!(matches!(try_on("empty"), InstallError::NotARepository(_)));
    assert!(matches!(try_on("absent"), InstallError::NotARepository(_)));
    let hooks = world.bare().join("hooks");
    fs::rename(&hooks, world.dir.path().join("shared-hooks")).unwrap();
    symlink("../shared-hooks", &hooks).unwrap();
    assert!(matches!(try_on("bare.git"), InstallError::HooksLink(_)));
}

#[test]
fn paths_that_cannot_work_are_refused_before_anything_changes() {
    let mut world = World::new();
    let before = world.tree();
    let binaries = world.options.binaries.clone();
    let mut refused = |options: &dyn Fn(&mut Options)| {
        world.options.binaries = binaries.clone();
        world.options.stub = Stub::new("/run/wharf.sock");
        options(&mut world.options);
        let error = install(&world.bare(), &world.options).unwrap_err();
        assert_eq!(world.tree(), before);
        error
    };
    let long = binaries.join("x".repeat(240));
    fs::create_dir(&long).unwrap();
    for name in [
        "wharf-pre-receive",
        "wharf-proc-receive",
        "wharf-post-receive",
    ] {
        executable(&long.join(name), "");
    }
    let error = refused(&|options| options.binaries.push("x".repeat(240)));
    assert!(matches!(error, InstallError::Render(_)), "{error}");
    let error = refused(&|options| options.binaries.push("absent"));
    assert!(matches!(error, InstallError::Binary { .. }), "{error}");
    let error = refused(&|options| options.stub = Stub::new(format!("/{}", "s".repeat(120))));
    assert!(matches!(error, InstallError::Socket { .. }), "{error}");
    let error = refused(&|options| options.stub.spool = Some("relative".into()));
    assert!(matches!(error, InstallError::Render(_)), "{error}");
}

#[test]
fn what_others_changed_since_is_left_and_named() {
    let world = World::new();
    executable(&world.hook("pre-receive"), "#!/bin/sh\n# first\n");
    world.install();
    executable(&world.hook("pre-receive"), "#!/bin/sh\n# second\n");
    world.git("bare.git", &["config", "receive.autogc", "true"]);
    assert_eq!(
        status(&world.bare(), OnFailure::Keep).unwrap().hooks[0].state,
        HookState::Foreign
    );
    assert!(
        !status(&world.bare(), OnFailure::Keep)
            .unwrap()
            .problems
            .is_empty()
    );

    let error = install(&world.bare(), &world.options).unwrap_err();
    assert!(matches!(error, InstallError::Conflict { .. }), "{error}");

    let report = uninstall(&world.bare()).unwrap();
    assert_eq!(report.problems.len(), 2, "{report:?}");
    assert_eq!(
        fs::read_to_string(world.hook("pre-receive")).unwrap(),
        "#!/bin/sh\n# second\n"
    );
    let kept = fs::read_to_string(world.hook("pre-receive.before-wharf")).unwrap();
    assert_eq!(kept, "#!/bin/sh\n# first\n");
    assert_eq!(world.get("receive.autogc"), "true\n");
    assert!(!world.hook("post-receive").exists());
}

#[test]
fn a_hook_that_looks_at_its_name_is_pointed_out() {
    let world = World::new();
    executable(
        &world.hook("pre-receive"),
        "#!/bin/sh\n. \"$(basename \"$0\").d/x\"\n",
    );
    let problems = install(&world.bare(), &world.options).unwrap().problems;
    assert_eq!(
        problems[0].message,
        "the earlier hooks/pre-receive looks at its own name"
    );
}

#[test]
fn a_damaged_note_and_a_damaged_stub_are_named() {
    let world = World::new();
    world.install();
    let text = fs::read_to_string(world.hook("pre-receive")).unwrap();
    executable(&world.hook("pre-receive"), &text.replace("socket", "sock"));
    let status = status(&world.bare(), OnFailure::Keep).unwrap();
    assert!(matches!(&status.hooks[0].state, HookState::Damaged(why) if why.contains("line 3")));
    fs::write(world.bare().join(record::NAME), "{}").unwrap();
    let error = install(&world.bare(), &world.options).unwrap_err();
    assert!(matches!(error, InstallError::Record { .. }), "{error}");
}
