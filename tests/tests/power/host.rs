//! A host with an application whose pushes do everything that a push can do.

use std::collections::BTreeMap;
use std::fs;

use std::time::{Duration, Instant};

use wharf_tests::{Kind, Said, Sample, Verdict, Watched, World, pause, run, users_of_environments};

/// Little is kept, so that each push removes something, too.
pub(crate) const FILE: &str =
    "[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nreleases = 2\nmin_free = \"1M\"\n";
/// So many pushes until each removes a release and a slug.
const WARM: u32 = 9;
/// The longest until everything serves and is tidy again.
const PATIENCE: Duration = Duration::from_secs(40);
/// The project.
pub(crate) const SHOP: &str = "shop";

/// What somebody does while something happens to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Push,
    NewBranch,
    Rollback,
    Delete,
}

impl Operation {
    pub(crate) const ALL: [Operation; 4] = [
        Operation::Push,
        Operation::NewBranch,
        Operation::Rollback,
        Operation::Delete,
    ];

    /// Begins it; says the version that it pushes.
    pub(crate) fn begin(self, shop: &mut Sample<'_>) -> (Watched, Option<String>) {
        match self {
            Operation::Push | Operation::NewBranch => {
                let version = shop.commit_repeatable();
                let branch = match self {
                    Operation::Push => "main",
                    _ => "main:feature",
                };
                let push = Watched::push(&shop.tree, &["--force", branch]);
                (push, Some(version))
            }
            Operation::Rollback => (Watched::wharf(&shop.tree, &["rollback"]), None),
            Operation::Delete => (Watched::push(&shop.tree, &[":feature"]), None),
        }
    }
}

/// A world on a disk of its own, of so many MiB.
pub(crate) fn on_disk(kind: Kind, size: u64) -> World {
    World::on_disk(kind, size, FILE)
}

/// The application, pushed so often that each push removes something.
pub(crate) fn warm(world: &World) -> Sample<'_> {
    let mut shop = Sample::new(world, SHOP);
    for _ in 0..WARM {
        shop.commit_repeatable();
        shop.tree.push(&["main"]).ok();
    }
    judge(world);
    shop
}

/// Each operation's points, each once, in their order.
pub(crate) fn points(world: &World, shop: &mut Sample<'_>) -> BTreeMap<Operation, Vec<String>> {
    let mut points = BTreeMap::new();
    for operation in Operation::ALL {
        world.forget_trace();
        let said = operation.begin(shop).0.end();
        judge(world);
        let mut passed: Vec<String> = Vec::new();
        for point in world.trace() {
            if !passed.contains(&point) {
                passed.push(point);
            }
        }
        assert!(passed.len() > 10, "{operation:?}: {passed:?}\n{said}");
        points.insert(operation, passed);
    }
    points
}

/// Judges the world once it has come to rest, and its repository as git does. What git itself left
/// in the repository is not counted: the next push clears it.
pub(crate) fn judge(world: &World) -> Verdict {
    judge_but(world, |_| false)
}

/// The same, where activities may have failed for the host's sake: that is the truth. A slug that
/// was recorded before its activity could name it is a spare one, which retention takes in time.
pub(crate) fn judge_after_failures(world: &World) -> Verdict {
    judge_but(world, |problem| {
        problem.contains("failed for the host's sake") || problem.starts_with("left over: slugs/")
    })
}

fn judge_but(world: &World, is_fine: impl Fn(&str) -> bool) -> Verdict {
    let repository = world.repository(SHOP);
    let of_git = format!("left over: {}", repository.display());
    // Processes are started, replaced and tidied up after while nothing is said of it.
    let until = Instant::now() + PATIENCE;
    let verdict = loop {
        let mut verdict = world.judge(&[SHOP]);
        let problems = &mut verdict.problems;
        problems.retain(|problem| !problem.starts_with(&of_git) && !is_fine(problem));
        if problems.is_empty() || Instant::now() > until {
            break verdict.good(world);
        }
        pause();
    };
    // While packs are packed anew one may go that fsck is about to read.
    while fsck(world).code != 0 && Instant::now() < until {
        pause();
    }
    fsck(world).ok();
    slugs(world);
    verdict
}

/// Each environment has the user that it had; where Wharf is not installed there are none.
pub(crate) fn users_stay(before: &BTreeMap<String, u32>) {
    let after = users_of_environments();
    for (environment, user) in before {
        assert_eq!(
            after.get(environment),
            Some(user),
            "{environment}: {after:?}"
        );
    }
}

fn fsck(world: &World) -> Said {
    let mut fsck = world.command("git");
    let words = [
        "fsck",
        "--full",
        "--strict",
        "--no-dangling",
        "--no-progress",
    ];
    run(fsck.current_dir(world.repository(SHOP)).args(words))
}

/// Each slug of a release that can serve is whole, byte by byte.
fn slugs(world: &World) {
    let slugs = world.home().join("state/slugs");
    for environment in world.environments(Some(SHOP)).unwrap() {
        for release in world.releases(SHOP, &environment.id).unwrap() {
            if release.state != "ready" {
                continue;
            }
            let all = fs::read_dir(&slugs).unwrap();
            let is_it =
                |name: &str| release.slug.starts_with(name) || name.starts_with(&release.slug);
            let slug = all
                .map(|slug| slug.unwrap())
                .find(|slug| is_it(slug.file_name().to_str().unwrap()));
            let slug = slug.unwrap_or_else(|| panic!("no slug of {release:?}"));
            let read = |file: &str| fs::read_to_string(slug.path().join(file)).unwrap();
            let version = format!("{}\n", release.subject);
            assert_eq!(read("version"), version, "{release:?}");
            assert_eq!(read("public/built"), version, "{release:?}");
            assert!(read("app.py").ends_with("client.close()\n"));
            assert!(read("wharf.toml").ends_with("data = \"private\"\n"));
        }
    }
}
