//! From `wharf rollback` to the earlier release being live, beside a push of the same application.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    in_turn,
    live::{SERVER, project},
    table::{Peer, Table},
    world::World,
};

const ROUNDS: usize = 15;
/// What each push changes.
const CHANGED: &str = "version";

/// A server: its earlier release starts again, or its process was kept.
pub(crate) fn of_a_server(world: &World) -> Table {
    let files = [
        ("app.py", SERVER),
        ("Procfile", "web: python3 app.py\n"),
        (CHANGED, "0\n"),
    ];
    let cold = project(world, "rollback-server", &files);
    let keeping = World::where_host("[keep]\nwarm = 1\n");
    let warm = project(&keeping, "rollback-server", &files);
    let mut peers = [
        Peer {
            name: "push, a file changed",
            run: Box::new(|round| push(world, &cold, round)),
        },
        Peer {
            name: "rollback, the process is started anew",
            run: Box::new(|_| roll_back(world, &cold)),
        },
        Peer {
            name: "rollback, the process was kept warm",
            run: Box::new(|round| {
                push(&keeping, &warm, round);
                roll_back(&keeping, &warm)
            }),
        },
    ];
    in_turn(ROUNDS, &mut peers).titled(
        "Rollback of a python server",
        "The whole `wharf rollback`, until it says that the earlier release serves.",
        "push, a file changed",
    )
}

/// A static site: nothing is to be started.
pub(crate) fn of_a_site(world: &World) -> Table {
    let files = [("index.html", "one\n"), (CHANGED, "0\n")];
    let site: PathBuf = project(world, "rollback-site", &files);
    let mut peers = [
        Peer {
            name: "push, a file changed",
            run: Box::new(|round| push(world, &site, round)),
        },
        Peer {
            name: "rollback",
            run: Box::new(|_| roll_back(world, &site)),
        },
    ];
    in_turn(ROUNDS, &mut peers).titled(
        "Rollback of a static site",
        "The same, where nothing is to be started.",
        "push, a file changed",
    )
}

fn push(world: &World, tree: &Path, round: usize) -> Duration {
    fs::write(tree.join(CHANGED), format!("{}\n", round + 1)).unwrap();
    world.run(
        tree,
        &format!("git commit --quiet --all --message=round-{round}"),
    );
    world.run(tree, "git push --quiet wharf main")
}

fn roll_back(world: &World, tree: &Path) -> Duration {
    world.run(tree, "wharf rollback")
}
