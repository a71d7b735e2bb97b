//! What a pair of hooks costs: a tag is pushed, which is stored and deploys nothing.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    in_turn,
    table::{Peer, Table},
    world::World,
};

const ROUNDS: usize = 40;

pub(crate) fn measure(world: &World) -> Table {
    let sh = "#!/bin/sh\ncat >/dev/null\n";
    let python = "#!/usr/bin/env python3\nimport sys\nsys.stdin.read()\n";
    let mut peers = vec![
        Peer {
            name: "no hooks",
            run: pushes(world, "hooks-none", None),
        },
        Peer {
            name: "two empty sh hooks",
            run: pushes(world, "hooks-sh", Some(sh)),
        },
        Peer {
            name: "two empty python hooks",
            run: pushes(world, "hooks-python", Some(python)),
        },
    ];
    let tree = world.work_tree("hooks-wharf", &[("index.html", "one\n")]);
    world.run(&tree, "wharf init");
    peers.push(Peer {
        name: "Wharf's hooks, with the daemon's answers",
        run: Box::new(move |round| push(world, &tree, "wharf", round)),
    });
    in_turn(ROUNDS, &mut peers).titled(
        "Hooks",
        "One small commit, pushed as a tag over the local transport; nothing is deployed.",
        "two empty sh hooks",
    )
}

/// Pushes to a repository whose two hooks are the given script.
fn pushes<'a>(
    world: &'a World,
    name: &str,
    hook: Option<&str>,
) -> Box<dyn FnMut(usize) -> std::time::Duration + 'a> {
    let bare = world.directory(&format!("{name}.git"));
    world.run(&bare, "git init --quiet --bare --initial-branch=main");
    if let Some(text) = hook {
        for hook in ["pre-receive", "post-receive"] {
            let file = bare.join("hooks").join(hook);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let tree = world.work_tree(name, &[("index.html", "one\n")]);
    world.run(&tree, &format!("git remote add bare {}", bare.display()));
    Box::new(move |round| push(world, &tree, "bare", round))
}

fn push(world: &World, tree: &Path, remote: &str, round: usize) -> std::time::Duration {
    fs::write(tree.join("index.html"), format!("round {round}\n")).unwrap();
    world.run(
        tree,
        &format!("git commit --quiet --all --message=round-{round}"),
    );
    world.run(
        tree,
        &format!("git push --quiet {remote} HEAD:refs/tags/v{round}"),
    )
}
