//! A place of its own for each run: git without the caller's configuration, a daemon, no fixed port.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Everything is below one directory, and ends with it.
pub(crate) struct World {
    directory: TempDir,
    bin: PathBuf,
}

impl World {
    pub(crate) fn new() -> World {
        World::where_host("")
    }

    /// The same with lines of the host's file.
    pub(crate) fn where_host(more: &str) -> World {
        let bin = env::var_os("WHARF_BIN")
            .expect("`make bench` sets WHARF_BIN")
            .into();
        let directory = tempfile::Builder::new()
            .prefix("wharf-bench.")
            .tempdir_in("/tmp")
            .unwrap();
        fs::create_dir_all(directory.path().join("wharf/config")).unwrap();
        let host = directory.path().join("wharf/config/wharfd.toml");
        let text = format!("[router]\nlisten = \"127.0.0.1:0\"\n{more}");
        fs::write(host, text).unwrap();
        World { directory, bin }
    }

    /// A directory of this world, made if it is not there.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A command that sees this world only.
    pub(crate) fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", self.bin.display(), env::var("PATH").unwrap());
        command
            .current_dir(directory)
            .env("PATH", path)
            .env("HOME", self.directory.path())
            .env("WHARF_HOME", self.directory.path().join("wharf"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("GIT_CONFIG_GLOBAL")
            .env_remove("XDG_CONFIG_HOME")
            .envs([
                ("GIT_AUTHOR_NAME", "Bench"),
                ("GIT_AUTHOR_EMAIL", "bench@example.com"),
            ])
            .envs([
                ("GIT_COMMITTER_NAME", "Bench"),
                ("GIT_COMMITTER_EMAIL", "bench@example.com"),
            ])
            .stdin(Stdio::null());
        command
    }

    /// Runs a command line of plain words, which must succeed, and says how long it took.
    pub(crate) fn run(&self, directory: &Path, line: &str) -> Duration {
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = self.command(words[0], directory);
        command.args(&words[1..]);
        let begin = Instant::now();
        let output = command.output().unwrap();
        let taken = begin.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains("error:"),
            "{line}\n{said}"
        );
        taken
    }

    /// The same with the text of a shell, which ends at what fails first.
    pub(crate) fn shell(&self, directory: &Path, text: &str) -> Duration {
        self.said_by(directory, text).0
    }

    /// The same, with what it prints.
    pub(crate) fn said_by(&self, directory: &Path, text: &str) -> (Duration, String) {
        let mut command = self.command("bash", directory);
        command.args(["-euo", "pipefail", "-c", text]);
        let begin = Instant::now();
        let output = command.output().unwrap();
        let taken = begin.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{said}");
        (taken, String::from_utf8(output.stdout).unwrap())
    }

    /// A work tree with one commit.
    pub(crate) fn work_tree(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let tree = self.directory(name);
        self.run(&tree, "git init --quiet --initial-branch=main");
        for (file, text) in files {
            fs::write(tree.join(file), text).unwrap();
        }
        self.run(&tree, "git add --all");
        self.run(&tree, "git commit --quiet --allow-empty --message=first");
        tree
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.directory.path().join("wharf/run/wharfd.sock").exists() {
            return;
        }
        let stopped = self
            .command("wharfd", self.directory.path())
            .arg("stop")
            .output();
        if !stopped.is_ok_and(|output| output.status.success()) {
            eprintln!(
                "wharfd did not stop; look below {}",
                self.directory.path().display()
            );
        }
    }
}

/// One line about the machine, without its name.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let first = |file: &str| {
        fs::read_to_string(file)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let cpu = first("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default();
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let git = Command::new("git")
        .arg("--version")
        .output()
        .map(|output| output.stdout);
    let git = String::from_utf8(git.unwrap_or_default()).unwrap_or_default();
    let kernel = first("/proc/sys/kernel/osrelease");
    let disk = Command::new("stat")
        .args(["-f", "-c", "%T", "/tmp"])
        .output();
    let disk = disk.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let disk = disk.unwrap_or_default();
    format!(
        "Machine: {cores} cores ({model}), Linux {kernel}, {disk}, {}.",
        git.trim()
    )
}
