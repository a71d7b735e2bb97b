use wharf_wire::{FromDaemon, ask::Ask, outcome::Exit};

use crate::world::{Said, World};

fn shell(world: &World, command: &str) -> Said {
    let mut shell = world.command(env!("CARGO_BIN_EXE_wharf-shell"));
    shell
        .args(["--user", "alice", "--home"])
        .arg(world.path("wharf"))
        .env("SSH_ORIGINAL_COMMAND", command)
        .env("WHARF_HOME", "/nowhere")
        .env("WHARF_USER", "mallory")
        .env("GL_USER", "mallory")
        .env("GIT_EXEC_PATH", "/nowhere");
    Said::of(shell.output().unwrap())
}

#[test]
fn git_is_served_below_the_home_directory() {
    let world = World::new();
    world.bare("home/shop.git");
    for command in ["git-upload-pack 'shop.git'", "git upload-pack '~/shop.git'"] {
        let said = shell(&world, command);
        assert!(said.out.contains("capabilities^{}"), "{command}: {said:?}");
    }
    assert_ne!(shell(&world, "git-upload-pack 'no.git'").code, 0);
}

#[test]
fn a_real_clone_and_push_go_through_it_and_the_hook_learns_the_name() {
    let world = World::new();
    let bare = world.bare("home/shop.git");
    let hook = bare.join("hooks/pre-receive");
    world.script(
        &hook,
        "echo \"user=$WHARF_USER gl=$GL_USER home=$WHARF_HOME\"",
    );

    let ssh = format!(
        "sh -c 'shift; export SSH_ORIGINAL_COMMAND=\"$*\" GL_USER=mallory; exec {} --user alice --home {}' ssh",
        env!("CARGO_BIN_EXE_wharf-shell"),
        world.path("wharf").display(),
    );
    world.git(&["config", "core.sshCommand", &ssh]);
    // The far side is told by the command line alone.
    world.git(&["config", "ssh.variant", "simple"]);
    world.git(&["remote", "add", "wharf", "git@host.example:shop.git"]);
    world.git(&[
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    ]);
    let pushed = world
        .command("git")
        .args(["push", "wharf", "main"])
        .output()
        .unwrap();
    let said = Said::of(pushed);
    assert_eq!(said.code, 0, "{said:?}");
    let expected = format!("user=alice gl= home={}", world.path("wharf").display());
    assert!(said.err.contains(&expected), "{}", said.err);

    // The same key carries wharf's own questions.
    let daemon = world.daemon(vec![
        FromDaemon::Line("success: done".into()),
        FromDaemon::End {
            exit: Exit::DeployFailed,
        },
    ]);
    let said = world.wharf("redeploy");
    assert_eq!(said.code, 3, "{said:?}");
    let (hello, ask) = daemon.join().unwrap();
    assert_eq!(hello.client, "wharf as alice");
    let Ask::Redeploy { scope, .. } = ask else {
        panic!("another question");
    };
    assert_eq!(scope.repository.as_deref(), bare.to_str());
    assert_eq!(scope.environment.as_deref(), Some("refs/heads/main"));
}

#[test]
fn all_else_is_refused_kindly() {
    let world = World::new();
    let said = shell(&world, "");
    assert_eq!(said.code, 0);
    assert_eq!(
        said.err,
        "Hello alice! Wharf knows your key, but gives no shell.\n"
    );
    for command in [
        "sh -c id",
        "git-upload-pack --help",
        "wharf doctor",
        "wharf key list",
    ] {
        let said = shell(&world, command);
        assert_eq!(
            (said.code, said.out.as_str()),
            (6, ""),
            "{command}: {said:?}"
        );
        assert!(said.err.starts_with("error: "), "{}", said.err);
    }
}

#[test]
fn it_serves_as_a_git_shell_command() {
    let world = World::new();
    let command = world.path("wharf-command/wharf");
    std::fs::create_dir(command.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_wharf-shell"), &command).unwrap();
    let said = Said::of(
        world
            .command(command.to_str().unwrap())
            .args(["key", "list"])
            .output()
            .unwrap(),
    );
    assert_eq!(said.code, 6, "{said:?}");
}

#[test]
fn a_program_is_told_in_json_what_is_not_served() {
    let world = World::new();
    for (command, code, name) in [
        ("wharf doctor --json", 6, "refused"),
        ("wharf reload --json", 2, "usage"),
        ("wharf --here --json -p shop environments", 4, "unreachable"),
    ] {
        let said = shell(&world, command);
        let printed: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(
            (said.code, &printed["error"]["code"]),
            (code, &name.into()),
            "{said:?}"
        );
        assert!(said.err.starts_with("error: "), "{said:?}");
    }
}
