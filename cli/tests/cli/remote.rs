use std::path::PathBuf;

use crate::world::{Said, World};

/// An ssh that notes its arguments, prints what came, and exits with 3.
fn fake_ssh(world: &World) -> PathBuf {
    let path = world.path("fake ssh");
    world.script(
        &path,
        "for word; do printf '%s\\n' \"$word\"; done\necho talk >&2\nexit 3",
    );
    path
}

#[test]
fn a_laptop_asks_through_ssh_as_git_would() {
    let world = World::new();
    let ssh = fake_ssh(&world);
    world.git(&[
        "remote",
        "add",
        "wharf",
        "ssh://git@host.example:2222/srv/it's/shop.git",
    ]);
    let expected = "-p\n2222\ngit@host.example\n\
                    wharf '--repository=/srv/it'\\''s/shop.git' '--environment=refs/heads/main' --json releases\n";

    world.git(&[
        "config",
        "core.sshCommand",
        &format!("'{}' -i key", ssh.display()),
    ]);
    let said = world.wharf("releases --json");
    assert_eq!(said.out, format!("-i\nkey\n{expected}"));
    assert_eq!((said.code, said.err.as_str()), (3, "talk\n"));

    let mut wharf = world.command(env!("CARGO_BIN_EXE_wharf"));
    wharf
        .args(["releases", "--json"])
        .env("GIT_SSH_COMMAND", format!("'{}'", ssh.display()));
    assert_eq!(Said::of(wharf.output().unwrap()).out, expected);

    world.git(&["config", "--unset", "core.sshCommand"]);
    let mut wharf = world.command(env!("CARGO_BIN_EXE_wharf"));
    wharf.args(["releases", "--json"]).env("GIT_SSH", &ssh);
    assert_eq!(Said::of(wharf.output().unwrap()).out, expected);
}

#[test]
fn a_host_that_ssh_cannot_reach_is_unreachable() {
    let world = World::new();
    world.git(&["remote", "add", "wharf", "git@host.example:shop.git"]);
    world.git(&["config", "core.sshCommand", "exit 255;"]);
    let said = world.wharf("status");
    assert_eq!(said.code, 4);
    assert!(
        said.err
            .contains("error: ssh could not ask git@host.example\n"),
        "{}",
        said.err
    );

    let said = world.wharf("reload");
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("--here"), "{}", said.err);
}
