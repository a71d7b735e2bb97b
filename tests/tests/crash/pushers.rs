//! Fifty people push into twenty repositories while the daemon is restarted again and again.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::{fs, thread};

use wharf_tests::{Sample, World, run};
use wharf_wire::outcome::{Kind, State};

/// Hooks keep what they cannot tell a daemon.
const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n[push]\nunreachable = \"accept\"\n\
    [build]\nparallel = 2\n";
/// As in [`HOST`].
const PARALLEL: u32 = 2;
const REPOSITORIES: usize = 20;
const PUSHERS: usize = 50;
/// Each pushes so often, one push right after the other.
const PUSHES: usize = 2;
/// After so many pushes the daemon is restarted, by turns with and without a word.
const RESTART: usize = 13;

/// Somebody with a work tree and a branch of a repository.
#[derive(Debug)]
struct Pusher {
    number: usize,
    directory: PathBuf,
    project: String,
    branch: String,
}

impl Pusher {
    fn git(&self, world: &World, words: &[&str]) -> String {
        let mut git = world.command("git");
        run(git.current_dir(&self.directory).args(words)).ok().out
    }

    /// Pushes; tells after each.
    fn work(&self, world: &World, tell: &Sender<()>) {
        for time in 0..PUSHES {
            let version = format!("p{} v{time} once", self.number);
            fs::write(self.directory.join("version"), format!("{version}\n")).unwrap();
            self.git(
                world,
                &["commit", "--quiet", "--all", "--message", &version],
            );
            let to = format!("HEAD:refs/heads/{}", self.branch);
            self.git(world, &["push", "--quiet", "wharf", &to]);
            tell.send(()).unwrap();
        }
    }
}

#[test]
fn fifty_pushers_and_a_daemon_that_keeps_dying() {
    let world = World::with_host_file(HOST);
    let projects: Vec<String> = (0..REPOSITORIES).map(|n| format!("s{n}")).collect();
    let pushers = pushers(&world, &projects);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for pusher in &pushers {
            let (world, tell) = (&world, tell.clone());
            scope.spawn(move || pusher.work(world, &tell));
        }
        drop(tell);
        for (number, ()) in told.iter().enumerate() {
            let status = world.status().unwrap();
            assert!(status.running <= PARALLEL, "{status:?}");
            // One a branch, and those that had begun when the last daemon died.
            let most = PUSHERS + PARALLEL as usize;
            assert!(status.waiting as usize <= most, "{status:?}");
            if number % RESTART == RESTART - 1 {
                match number / RESTART % 2 {
                    0 => world.kill_daemon(),
                    _ => world.end_daemon(),
                }
                world.start();
            }
        }
    });
    let names: Vec<&str> = projects.iter().map(String::as_str).collect();
    let verdict = world.judge(&names).good(&world);
    for pusher in &pushers {
        let tip = pusher.git(&world, &["rev-parse", "HEAD"]).trim().to_owned();
        let tips = world.tips(&pusher.project);
        assert_eq!(tips.get(&pusher.branch), Some(&tip), "{pusher:?}");
        let mut activities = verdict.activities.iter();
        let newest = activities
            .find(|one| one.project == pusher.project && one.branch == pusher.branch)
            .unwrap();
        assert_eq!(newest.kind, Kind::Push);
        assert_eq!(newest.commit.new, Some(tip), "{newest:?}");
        let code = newest.reason.as_ref().map(|reason| reason.code.as_str());
        let good = newest.state == State::Succeeded
            || (newest.state == State::Failed && code == Some("interrupted"));
        assert!(good, "{newest:?}");
    }
    let all = verdict.activities.len();
    assert!(all <= REPOSITORIES + PUSHERS * PUSHES, "{all} activities");
}

/// The projects, and everybody with a branch of one.
fn pushers(world: &World, projects: &[String]) -> Vec<Pusher> {
    let mut pushers = Vec::new();
    for number in 0..PUSHERS {
        let project = &projects[number % REPOSITORIES];
        let first = world.path("work").join(project);
        let branch = match number / REPOSITORIES {
            0 => {
                Sample::still(world, project).commit();
                "main".to_owned()
            }
            nth => format!("b{nth}"),
        };
        let directory = match branch.as_str() {
            "main" => first,
            _ => work_tree(world, &first, &branch),
        };
        pushers.push(Pusher {
            number,
            directory,
            project: project.clone(),
            branch,
        });
    }
    pushers
}

/// Another work tree of a developer's repository.
fn work_tree(world: &World, of: &Path, branch: &str) -> PathBuf {
    let directory = of.with_extension(branch);
    let mut git = world.command("git");
    git.current_dir(of)
        .args(["worktree", "add", "--quiet", "-b", branch])
        .arg(&directory);
    run(&mut git).ok();
    directory
}
