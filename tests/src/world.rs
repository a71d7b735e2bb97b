//! A host: directories, configuration, daemon and router, all of which end with it.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::{fs::symlink, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use rustix::process::geteuid;
use wharf_wire::{
    frame,
    route::{FromRouter, ToRouter},
};

use crate::{Image, Kind, Page, Said, Tree, bin, fetch, installed, programs, run, said};

/// How long the daemon may take until it answers.
const READY: Duration = Duration::from_secs(20);
/// The host file that every test has: any free port.
const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n";

/// A host of its own for one test.
#[derive(Debug)]
pub struct World {
    directory: tempfile::TempDir,
    daemon: Mutex<Option<Child>>,
    /// The state's, the repositories'; the helper's, where there is one.
    disks: Vec<Image>,
    /// The accounts that the machine had before any environment had one, where Wharf is installed.
    accounts: Option<installed::Accounts>,
    /// Whose all programs here are, where that is not the test's own user.
    user: Option<u32>,
}

/// A user whom nobody needs to know by name.
const NOBODYS: u32 = 23_456;

impl World {
    /// A host whose daemon answers.
    pub fn new() -> World {
        World::with_git(&programs::find("git"))
    }

    /// The same, where `git` is this one, for developers and for the host.
    pub fn with_git(git: &Path) -> World {
        World::prepared(git, HOST, None, None)
    }

    /// The same with both: this git, and lines that the host's file has beside the router's port.
    pub fn with_git_and(git: &Path, more: &str) -> World {
        World::prepared(git, &format!("{HOST}{more}"), None, None)
    }

    /// The same with the host's file, which should let the router choose its port.
    pub fn with_host_file(text: &str) -> World {
        World::prepared(&programs::find("git"), text, None, None)
    }

    /// The same, where state and repositories are on disks of their own, of so many MiB each: a sync
    /// of one does nothing for the other. Needs [`crate::apart`].
    pub fn on_disk(kind: Kind, size: u64, host: &str) -> World {
        World::prepared(&programs::find("git"), host, Some((kind, size)), None)
    }

    /// A host where nobody is root: daemon and developers are one ordinary user.
    pub fn unprivileged(host: &str) -> World {
        let user = geteuid().is_root().then_some(NOBODYS);
        World::prepared(&programs::find("git"), host, None, user)
    }

    fn prepared(git: &Path, host: &str, disk: Option<(Kind, u64)>, user: Option<u32>) -> World {
        // Paths of Unix sockets have at most 107 bytes.
        let directory = tempfile::Builder::new()
            .prefix("w.")
            .tempdir_in("/tmp")
            .expect("/tmp can be written");
        let mut world = World {
            directory,
            daemon: Mutex::new(None),
            disks: Vec::new(),
            accounts: None,
            user,
        };
        for name in ["home", "tmp", "tools", "work", "points"] {
            fs::create_dir_all(world.path(name)).expect("a directory can be made");
        }
        symlink(git, world.path("tools/git")).expect("a link can be made");
        if installed::is_within() {
            world.install(host, disk);
            return world;
        }
        if let Some((kind, size)) = disk {
            let disk = |file, at| Image::new(world.path(file), at, kind, size);
            world.disks = vec![
                disk("state.img", world.home()),
                disk("git.img", world.home().join("git")),
            ];
        }
        fs::create_dir_all(world.home().join("config")).expect("a directory can be made");
        fs::write(world.path("wharf/config/wharfd.toml"), host).expect("a file can be written");
        if user.is_some() {
            world.gather();
        }
        world.give("");
        world.start();
        world
    }

    /// Wharf as a package installs it, in this machine, which has one world at a time.
    fn install(&mut self, host: &str, disk: Option<(Kind, u64)>) {
        fs::create_dir_all(self.home()).expect("a directory can be made");
        installed::take_places(&self.home());
        self.user = Some(installed::user());
        self.accounts = Some(installed::Accounts::now());
        if let Some((kind, size)) = disk {
            let disk = |file, at: &str| Image::new(self.path(file), at.into(), kind, size);
            self.disks = vec![
                disk("state.img", "/var/lib/wharf"),
                disk("git.img", "/srv/git"),
                disk("helper.img", "/var/lib/wharf-helper"),
            ];
            installed::give_places();
        }
        let file = self.home().join("config/wharfd.toml");
        fs::write(file, installed::host_file(host)).expect("a file can be written");
        // Everybody may come to where work trees are.
        self.give("");
        installed::start_the_rest();
        self.start();
    }

    /// Whether Wharf is installed here, so that jobs are units.
    pub fn is_installed(&self) -> bool {
        self.accounts.is_some()
    }

    /// Programs where an ordinary user reaches them: what built them may be root's alone.
    fn gather(&self) {
        for program in fs::read_dir(bin()).expect("the programs are there") {
            let program = program.expect("a directory can be read").path();
            let name = program.file_name().expect("a program has a name");
            let to = self.path("tools").join(name);
            if fs::hard_link(&program, &to).is_err() {
                fs::copy(&program, &to).expect("a program can be copied");
            }
        }
    }

    /// Gives what is below a path to the world's user, but no program.
    fn give(&self, name: &str) {
        let Some(user) = self.user else {
            return;
        };
        let mut chown = Command::new("find");
        chown
            .arg(self.path(name))
            .args(["-path", "*/tools/*", "-prune", "-o", "-exec", "chown", "-h"])
            .arg(format!("{user}:{user}"))
            .args(["{}", "+"]);
        run(&mut chown).ok();
    }

    /// A path below the world's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory that `WHARF_HOME` names.
    pub fn home(&self) -> PathBuf {
        self.path("wharf")
    }

    /// The `PATH` of everybody here: Wharf's programs, this world's git, the machine's.
    pub fn search_path(&self) -> String {
        let path = env::var("PATH").expect("PATH is set");
        let tools = self.path("tools");
        match self.user {
            Some(_) => format!("{}:{path}", tools.display()),
            None => format!("{}:{}:{path}", bin().display(), tools.display()),
        }
    }

    /// A program with this world's surroundings and nothing of the caller's.
    pub fn command(&self, program: &str) -> Command {
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                let user = user.to_string();
                command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .env_clear()
            .current_dir(self.path("work"))
            .env("PATH", self.search_path())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .envs([("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("TERM", "xterm")])
            .envs([
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_CONFIG_GLOBAL", "/dev/null"),
                ("GIT_TERMINAL_PROMPT", "0"),
            ])
            .envs([
                ("GIT_AUTHOR_NAME", "Ada"),
                ("GIT_AUTHOR_EMAIL", "ada@example.com"),
                ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"),
            ])
            .envs([
                ("GIT_COMMITTER_NAME", "Ada"),
                ("GIT_COMMITTER_EMAIL", "ada@example.com"),
                ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z"),
            ])
            .stdin(Stdio::null());
        if !self.is_installed() {
            command.env("WHARF_HOME", self.home());
        }
        command
    }

    /// Runs `wharf` with these words, outside of any work tree.
    #[track_caller]
    pub fn wharf(&self, words: &[&str]) -> Said {
        run(self.command("wharf").args(words))
    }

    /// A work tree with these files in its first commit, on `main`.
    pub fn site(&self, name: &str, files: &[(&str, &str)]) -> Tree<'_> {
        let tree = self.empty_tree(name);
        for (file, text) in files {
            tree.write(file, text);
        }
        tree.commit("First");
        tree
    }

    /// A work tree with a copy of `examples/EXAMPLE` in its first commit, on `main`.
    pub fn example(&self, example: &str, name: &str) -> Tree<'_> {
        let tree = self.empty_tree(name);
        let from = programs::workspace().join("examples").join(example);
        run(self
            .command("cp")
            .arg("-R")
            .arg(from.join("."))
            .arg(tree.path()))
        .ok();
        tree.commit("First");
        tree
    }

    fn empty_tree(&self, name: &str) -> Tree<'_> {
        let path = self.path("work").join(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        self.give(&format!("work/{name}"));
        let tree = Tree::new(self, path);
        tree.git(&["init", "--quiet", "--initial-branch=main"]).ok();
        tree
    }

    /// The bare repository that `wharf init` makes for a project.
    pub fn repository(&self, project: &str) -> PathBuf {
        self.home().join(format!("git/{project}.git"))
    }

    /// What the router answers for a host name, such as `main--shop.localhost`.
    pub fn get(&self, host: &str, path: &str) -> Page {
        fetch(self.port(), host, path)
    }

    /// The port on which the router really listens.
    pub fn port(&self) -> u16 {
        let mut router = UnixStream::connect(self.home().join("run/router.sock"))
            .expect("the router has a control socket");
        router
            .set_read_timeout(Some(READY))
            .expect("a socket has timeouts");
        frame::write(&mut router, &ToRouter::Status).expect("the router takes a question");
        match frame::read(&mut router).expect("the router answers") {
            Some(FromRouter::Status { listen, .. }) => listen.expect("it serves").port(),
            other => panic!("the router says {other:?}"),
        }
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub fn start(&self) {
        self.start_with(&[]);
    }

    /// The same with variables of its own.
    pub fn start_with(&self, variables: &[(&str, &str)]) {
        if self.is_installed() {
            return installed::start_the_daemon();
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("wharfd.log"))
            .expect("a log can be written");
        let mut child = self
            .command("wharfd")
            .env("WHARF_FAIL_POINTS", self.points())
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("wharfd can be run");
        let out = child.stdout.take().expect("piped");
        *self.daemon() = Some(child);
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if line == "ready" && tell.send(()).is_err() {
                    return;
                }
            }
        });
        if told.recv_timeout(READY).is_err() {
            panic!("wharfd is not ready\n{}", self.logs());
        }
    }

    /// Kills the daemon alone, without a word; applications and router live on.
    pub fn kill_daemon(&self) {
        if self.is_installed() {
            return crate::kill(self.daemon_pid());
        }
        let child = self.daemon().take();
        let mut child = child.expect("the daemon runs");
        child.kill().expect("our own child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// Kills every process of this world, clients too.
    pub fn kill_everything(&self) {
        if self.is_installed() {
            return installed::clear_the_host();
        }
        loop {
            let all = self.processes();
            if all.is_empty() {
                break;
            }
            for process in all {
                crate::kill(process.pid);
            }
        }
        if let Some(mut daemon) = self.daemon().take() {
            daemon.wait().expect("a child can be waited for");
        }
    }

    /// The disk with the state of a world that has its own.
    pub fn disk(&self) -> &Image {
        let mut disks = self.disks.iter();
        disks.next().expect("this world has disks of its own")
    }

    /// Cuts the power, and gives it back: what did not reach a disk by then is lost, and nothing
    /// runs.
    pub fn cut_power(&self) {
        Image::cut(&self.disks);
        self.kill_everything();
        self.disks.iter().rev().for_each(Image::unmount);
        self.disks.iter().for_each(Image::mount);
        if let Some(accounts) = &self.accounts {
            // No disk of ours: it may have got none of it.
            accounts.restore();
            installed::start_the_rest();
        }
    }

    /// Where fail points are traced and set.
    pub fn points(&self) -> PathBuf {
        match self.is_installed() {
            true => installed::POINTS.into(),
            false => self.path("points"),
        }
    }

    pub(crate) fn daemon(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.daemon.lock().expect("no test panics with it")
    }

    /// What daemon and router wrote for the operator.
    pub fn logs(&self) -> String {
        if self.is_installed() {
            return installed::logs();
        }
        let mut logs = String::new();
        let files = ["wharfd.log", "wharf/state/router.log"].map(|file| self.path(file));
        for file in files {
            let text = fs::read_to_string(&file).unwrap_or_default();
            logs.push_str(&format!("--- {}\n{text}", file.display()));
        }
        logs
    }

    fn stop(&self) -> Result<(), String> {
        if self.is_installed() {
            installed::clear_the_host();
            return Ok(());
        }
        let daemon = self.daemon().take();
        let output = self.command("wharfd").arg("stop").output();
        let output = output.map_err(|error| error.to_string())?;
        if let Some(mut daemon) = daemon {
            if !said::wait(&daemon, READY) {
                daemon.kill().map_err(|error| error.to_string())?;
            }
            daemon.wait().map_err(|error| error.to_string())?;
        }
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let stopped = self.stop();
        if thread::panicking() {
            eprintln!("{}", self.logs());
        }
        // What a build froze is read-only; for root it makes no difference.
        let writable = self
            .command("chmod")
            .args(["-R", "u+rwX"])
            .arg(self.directory.path())
            .output();
        if let Err(error) = writable {
            eprintln!("cannot make the world writable: {error}");
        }
        if !self.disks.is_empty() {
            self.kill_everything();
            self.disks.iter().rev().for_each(Image::unmount);
        }
        if let Err(problem) = stopped {
            eprintln!("wharfd did not stop: {problem}");
            assert!(thread::panicking(), "wharfd did not stop: {problem}");
        }
    }
}
