//! A commit of 5,000 files into a fresh directory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::{
    in_turn,
    table::{Peer, Table},
    world::World,
};

const ROUNDS: usize = 9;
const DIRECTORIES: usize = 100;
const FILES: usize = 50;

pub(crate) fn measure(world: &World) -> Table {
    let files = &contents();
    let (bare, commit) = &repository(world, files);
    let fresh = |name: &str, round: usize| {
        let parent = world.directory("checkout");
        let into = parent.join(format!("{name}-{round}"));
        assert!(!into.exists(), "each round has a directory of its own");
        into
    };
    let mut peers = [
        Peer {
            name: "git archive \\| tar x",
            run: Box::new(move |round| {
                let into = fresh("archive", round);
                timed(&into, || archive(world, bare, commit, &into))
            }),
        },
        Peer {
            name: "git worktree add",
            run: Box::new(move |round| {
                let into = fresh("worktree", round);
                let line = format!(
                    "git worktree add --quiet --detach {} {commit}",
                    into.display()
                );
                timed(&into, || {
                    world.run(bare, &line);
                })
            }),
        },
        Peer {
            name: "Wharf",
            run: Box::new(move |round| {
                let into = fresh("wharf", round);
                timed(&into, || {
                    let checked = wharf_daemon::execute::checkout::checkout(
                        bare,
                        commit,
                        &into,
                        &std::sync::atomic::AtomicBool::new(false),
                    );
                    assert_eq!(checked.unwrap().files as usize, DIRECTORIES * FILES);
                })
            }),
        },
        Peer {
            name: "bare writes of the same files, 2 threads",
            run: Box::new(move |round| {
                let into = fresh("bare", round);
                timed(&into, || write(&into, files))
            }),
        },
    ];
    in_turn(ROUNDS, &mut peers).titled(
        "Checkout",
        &format!(
            "{} files of 100 bytes to 16 KiB, into a fresh directory.",
            files.len()
        ),
        "git archive \\| tar x",
    )
}

/// Times the work, then removes what it made.
fn timed(into: &Path, work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    let taken = begin.elapsed();
    fs::remove_dir_all(into).unwrap();
    taken
}

/// Paths and contents, the same in every run: text that compresses about as source code does.
fn contents() -> Vec<(PathBuf, Vec<u8>)> {
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut files = Vec::new();
    for directory in 0..DIRECTORIES {
        for file in 0..FILES {
            let length = 100 << (next() % 8);
            let mut text = Vec::new();
            while text.len() < length {
                text.extend_from_slice(
                    format!("let value_{} = {};\n", next() % 97, next()).as_bytes(),
                );
            }
            let name = format!("area{}/part{directory}/file{file}.rs", directory / 10);
            files.push((PathBuf::from(name), text));
        }
    }
    files
}

/// A bare repository with one commit of the files, packed as after a push.
fn repository(world: &World, files: &[(PathBuf, Vec<u8>)]) -> (PathBuf, String) {
    let tree = world.work_tree("many", &[]);
    write(&tree, files);
    world.run(&tree, "git add --all");
    world.run(&tree, "git commit --quiet --message=many");
    let bare = world.directory("many.git");
    world.run(
        &tree,
        &format!("git clone --quiet --bare --no-local . {}", bare.display()),
    );
    let output = world
        .command("git", &bare)
        .args(["rev-parse", "HEAD"])
        .output()
        .unwrap();
    (
        bare,
        String::from_utf8(output.stdout).unwrap().trim().to_owned(),
    )
}

fn write(into: &Path, files: &[(PathBuf, Vec<u8>)]) {
    for (path, _) in files.iter().step_by(FILES) {
        fs::create_dir_all(into.join(path).parent().unwrap()).unwrap();
    }
    thread::scope(|scope| {
        for half in files.chunks(files.len().div_ceil(2)) {
            scope.spawn(move || {
                for (path, text) in half {
                    fs::write(into.join(path), text).unwrap();
                }
            });
        }
    });
}

fn archive(world: &World, bare: &Path, commit: &str, into: &Path) {
    fs::create_dir(into).unwrap();
    let mut archive = world.command("git", bare);
    let mut archive = archive
        .args(["archive", commit])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut tar = world.command("tar", into);
    let tar = tar
        .arg("x")
        .stdin(archive.stdout.take().unwrap())
        .status()
        .unwrap();
    assert!(tar.success() && archive.wait().unwrap().success());
}
