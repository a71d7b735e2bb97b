//! What a thousand environments and two hundred projects cost, beside one of each.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    in_turn,
    live::project,
    table::{Peer, Table},
    world::World,
};

const ROUNDS: usize = 15;
const ENVIRONMENTS: usize = 1_000;
const PROJECTS: usize = 200;
/// Branches of one push: what the queue of a project takes at a time.
const AT_ONCE: usize = 100;
const FILES: [(&str, &str); 2] = [("index.html", "one\n"), ("version", "0\n")];

pub(crate) fn measure(_world: &World) -> Table {
    let (one, many) = (World::new(), World::new());
    let small = project(&one, "shop", &FILES);
    let large = project(&many, "shop", &FILES);
    grow(&many, &large);
    let (bare_small, bare_large) = (bare(&one, 1), bare(&many, ENVIRONMENTS));
    // As a clone has them.
    many.run(&large, "git pack-refs --all");
    let mut peers = [
        of("git alone, one branch", &one, &bare_small, push),
        of("git alone, 1,000 branches", &many, &bare_large, push),
        of("a push, one environment", &one, &small, push),
        of("a push beside 1,000", &many, &large, push),
        of("another project, one", &one, &small, add),
        of("another project, beside 200", &many, &large, add),
        of("wharf environments, one", &one, &small, list),
        of("wharf environments, 1,000", &many, &large, list),
        of("the daemon's start, one", &one, &small, restart),
        of(
            "the daemon's start, 1,000 in 200 projects",
            &many,
            &large,
            restart,
        ),
    ];
    let table = in_turn(ROUNDS, &mut peers);
    let note = format!(
        "One project with {ENVIRONMENTS} environments, {} more with none, beside one of each. The daemon \
         that started there has {} MB resident; the other one {} MB. Work trees have their refs together, \
         as a clone has them; where git is alone the repository's are as the pushes left them.",
        PROJECTS - 1,
        resident(&many, &large),
        resident(&one, &small)
    );
    table.titled("A large host", &note, "a push, one environment")
}

fn grow(world: &World, tree: &Path) {
    let names: Vec<String> = (1..ENVIRONMENTS)
        .map(|number| format!("main:feature-{number}"))
        .collect();
    for some in names.chunks(AT_ONCE) {
        world.run(tree, &format!("git push --quiet wharf {}", some.join(" ")));
    }
    let projects = world.directory("wharf/config/projects.d");
    for number in 1..PROJECTS {
        let bare = world.directory(&format!("project-{number}.git"));
        world.run(&bare, "git init --quiet --bare --initial-branch=main");
        let text = format!("repository = \"{}\"\n", bare.display());
        fs::write(projects.join(format!("project-{number}.toml")), text).unwrap();
    }
    world.run(tree, "wharf reload");
}

/// A repository without hooks, and a work tree that has pushed so many branches to it.
fn bare(world: &World, branches: usize) -> PathBuf {
    let tree = world.work_tree("plain", &FILES);
    let bare = world.directory("plain.git");
    world.run(&bare, "git init --quiet --bare --initial-branch=main");
    world.run(&tree, &format!("git remote add wharf {}", bare.display()));
    let further = (1..branches).map(|number| format!("main:feature-{number}"));
    let names: Vec<String> = std::iter::once("main".to_owned()).chain(further).collect();
    for some in names.chunks(AT_ONCE) {
        world.run(&tree, &format!("git push --quiet wharf {}", some.join(" ")));
    }
    world.run(&tree, "git pack-refs --all");
    tree
}

fn of<'a>(
    name: &'static str,
    world: &'a World,
    tree: &Path,
    act: fn(&World, &Path, usize) -> Duration,
) -> Peer<'a> {
    let tree: PathBuf = tree.to_owned();
    Peer {
        name,
        run: Box::new(move |round| act(world, &tree, round)),
    }
}

fn push(world: &World, tree: &Path, round: usize) -> Duration {
    fs::write(tree.join("version"), format!("{}\n", round + 1)).unwrap();
    world.run(
        tree,
        &format!("git commit --quiet --all --message=round-{round}"),
    );
    world.run(tree, "git push --quiet wharf main")
}

/// Until the daemon serves one project more.
fn add(world: &World, tree: &Path, round: usize) -> Duration {
    let name = format!("more-{round}");
    let bare = world.directory(&format!("{name}.git"));
    world.run(&bare, "git init --quiet --bare --initial-branch=main");
    world.run(
        tree,
        &format!("wharf project add {name} {}", bare.display()),
    )
}

fn list(world: &World, tree: &Path, _round: usize) -> Duration {
    world.run(tree, "wharf environments")
}

/// From the program's start until it answers.
fn restart(world: &World, tree: &Path, _round: usize) -> Duration {
    let pid = pid(world, tree);
    world.run(tree, &format!("kill {pid}"));
    let ended = Path::new("/proc").join(pid);
    let until = Instant::now() + Duration::from_secs(30);
    while ended.exists() && Instant::now() < until {
        std::thread::yield_now();
    }
    world.run(tree, "wharf start")
}

fn resident(world: &World, tree: &Path) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid(world, tree))).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1_000
}

fn pid(world: &World, tree: &Path) -> String {
    let mut status = world.command("wharf", tree);
    let said = status.args(["status", "--json"]).output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let rest = said.split("\"pid\": ").nth(1).unwrap();
    rest.chars().take_while(char::is_ascii_digit).collect()
}
