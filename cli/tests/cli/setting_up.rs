use std::fs;

use crate::world::{Said, World};

/// Programs side by side, as they are installed: the real `wharf`, and others from a script.
fn install(world: &World, wharfd: &str) {
    fs::create_dir(world.path("bin")).unwrap();
    let copied = world
        .command("cp")
        .args([
            env!("CARGO_BIN_EXE_wharf").as_ref(),
            world.path("bin").as_os_str(),
        ])
        .status();
    assert!(copied.unwrap().success());
    world.script(&world.path("bin/wharfd"), wharfd);
    for hook in [
        "wharf-pre-receive",
        "wharf-proc-receive",
        "wharf-post-receive",
    ] {
        world.script(&world.path("bin").join(hook), "exit 0");
    }
}

fn wharf(world: &World, words: &[&str]) -> Said {
    let program = world.path("bin/wharf");
    Said::of(
        world
            .command(program.to_str().unwrap())
            .args(words)
            .output()
            .unwrap(),
    )
}

#[test]
fn init_does_all_and_then_nothing_again() {
    let world = World::new();
    install(&world, "echo starting >&2; echo ready");
    let said = wharf(&world, &["init", "shop"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    let repository = world.path("wharf/git/shop.git");
    for line in [
        &format!("made the repository {}", repository.display()),
        "wrote hooks/pre-receive",
        "registered the project shop",
        "added the remote wharf",
        "started the daemon",
        "hint: deploy with: git push wharf main",
        "it will answer at http://main--shop.localhost:7080",
    ] {
        assert!(
            said.err.lines().any(|said| said == line),
            "{line}: {}",
            said.err
        );
    }
    let file = fs::read_to_string(world.path("wharf/config/projects.d/shop.toml")).unwrap();
    assert!(file.contains(repository.to_str().unwrap()), "{file}");
    let log = fs::read_to_string(world.path("wharf/state/wharfd.log")).unwrap();
    assert_eq!(log, "starting\n");

    // The name of the first time stays, also when it is not said again.
    let said = wharf(&world, &["init"]);
    assert_eq!(said.code, 0, "{said:?}");
    for line in [
        &format!("the repository {} was there already", repository.display()),
        "the project shop was registered already",
        "the remote wharf was there already",
    ] {
        assert!(
            said.err.lines().any(|said| said == line),
            "{line}: {}",
            said.err
        );
    }
}

#[test]
fn the_directory_names_the_project() {
    let world = World::new();
    install(&world, "echo ready");
    let said = wharf(&world, &["init"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(world.path("wharf/git/work.git/HEAD").exists());
    let hooks = wharf(
        &world,
        &[
            "hook",
            "status",
            world.path("wharf/git/work.git").to_str().unwrap(),
        ],
    );
    assert_eq!(hooks.code, 0, "{hooks:?}");
}

#[test]
fn a_daemon_that_does_not_come_up_says_why() {
    let world = World::new();
    install(&world, "echo 'error: the port is taken' >&2; exit 1");
    let said = wharf(&world, &["start"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(
        said.err.starts_with("error: the daemon did not start: "),
        "{}",
        said.err
    );
    assert!(said.err.contains("the port is taken\n"), "{}", said.err);
}

#[test]
fn the_daemon_has_a_session_of_its_own() {
    let world = World::new();
    // The sixth field of its own stat is the session; the first its process.
    install(&world, "cut -d' ' -f1,6 /proc/$$/stat >&2; echo ready");
    assert_eq!(wharf(&world, &["start"]).code, 0);
    let log = fs::read_to_string(world.path("wharf/state/wharfd.log")).unwrap();
    let [process, session] = log.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{log}");
    };
    assert_eq!(process, session);
}

#[test]
fn a_project_of_another_repository_is_refused() {
    let world = World::new();
    install(&world, "echo ready");
    let (one, two) = (world.bare("one.git"), world.bare("two.git"));
    let add =
        |path: &std::path::Path| wharf(&world, &["project", "add", "shop", path.to_str().unwrap()]);
    let said = add(&one);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err.contains("warning: the daemon does not run"),
        "{}",
        said.err
    );
    assert_eq!(add(&one).code, 0);
    assert_eq!(add(&two).code, 6);
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let world = World::new();
    fs::write(world.path("work/wharf.toml"), "publik = \"dist\"\n").unwrap();
    let said = world.wharf("check");
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("wharf.toml:1:1"), "{}", said.err);
    let said = world.wharf("check --json");
    let record: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(record["problems"][0]["line"], 1);
    assert_eq!(said.code, 1);
}

#[test]
fn check_says_what_was_detected() {
    let world = World::new();
    fs::write(world.path("work/index.html"), "<h1>hi</h1>").unwrap();
    let said = world.wharf("check");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("index.html"), "{}", said.out);
    assert_eq!(world.wharf("check nowhere").code, 5);
}

#[test]
fn init_needs_a_work_tree_and_a_name() {
    let world = World::new();
    let mut wharf = world.command(env!("CARGO_BIN_EXE_wharf"));
    let output = wharf
        .arg("init")
        .current_dir(world.path("home"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: make one with: git init"));
    assert_eq!(world.wharf("init Bad--Name").code, 2);
}

#[test]
fn completions_and_manual_pages_are_made() {
    let world = World::new();
    assert!(world.wharf("completions bash").out.contains("environments"));
    let said = world.wharf("man .");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(world.path("work/wharf.1").exists());
}
