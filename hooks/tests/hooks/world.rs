//! A bare repository, a work tree that pushes to it, and git without anybody's configuration.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;
use wharf_hooks::stub::Stub;

pub(crate) const PRE: &str = env!("CARGO_BIN_EXE_wharf-pre-receive");
pub(crate) const PROC: &str = env!("CARGO_BIN_EXE_wharf-proc-receive");
pub(crate) const POST: &str = env!("CARGO_BIN_EXE_wharf-post-receive");

pub(crate) struct World {
    dir: TempDir,
    git: PathBuf,
}

/// Every git of this machine, each version once.
pub(crate) fn gits() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions = BTreeSet::new();
    std::env::split_paths(&path)
        .chain(["/usr/bin".into(), "/usr/local/bin".into()])
        .map(|directory| directory.join("git"))
        .filter(|git| git.is_file())
        .filter(|git| versions.insert(Command::new(git).arg("--version").output().unwrap().stdout))
        .collect()
}

impl World {
    /// With the first git there is.
    pub(crate) fn new() -> Self {
        World::with(gits().swap_remove(0))
    }

    pub(crate) fn with(git: PathBuf) -> Self {
        World::of_format(git, "sha1")
    }

    /// With object ids of either length.
    pub(crate) fn of_format(git: PathBuf, format: &str) -> Self {
        let format = format!("--object-format={format}");
        let world = World {
            dir: tempfile::tempdir().unwrap(),
            git,
        };
        fs::create_dir(world.path("spool")).unwrap();
        world.ok(
            "",
            &["init", "-q", &format, "--bare", "-b", "main", "bare.git"],
        );
        world.ok(
            "bare.git",
            &["config", "receive.advertisePushOptions", "true"],
        );
        world.ok("", &["init", "-q", &format, "-b", "main", "work"]);
        world.ok(
            "work",
            &[
                "remote",
                "add",
                "origin",
                world.path("bare.git").to_str().unwrap(),
            ],
        );
        world.commit("one");
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A stub for this world's socket, with deadlines that no test waits for.
    pub(crate) fn stub(&self) -> Stub {
        Stub {
            spool: Some(self.path("spool")),
            ..Stub::new(self.path("sock"))
        }
    }

    pub(crate) fn install(&self, hook: &str, binary: &str, stub: &Stub) {
        self.hook(hook, &stub.render(Path::new(binary)).unwrap());
    }

    /// A hook file of any kind.
    pub(crate) fn hook(&self, name: &str, text: &str) {
        let path = self.path("bare.git/hooks").join(name);
        // Written by another process: a file that this one has open for writing may be open in the
        // child of another test as well, and then it cannot be executed.
        let mut tee = Command::new("tee");
        tee.arg(&path).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut tee = tee.spawn().unwrap();
        tee.stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(tee.wait().unwrap().success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn commit(&self, text: &str) {
        fs::write(self.path("work/file"), text).unwrap();
        self.ok("work", &["add", "-A"]);
        self.ok("work", &["commit", "-q", "-m", text]);
    }

    pub(crate) fn git(&self, directory: &str) -> Command {
        let mut command = self.command(&self.git);
        command.current_dir(self.path(directory));
        command
    }

    /// A program with a clean environment in which git is hermetic.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let directory = self.git.parent().unwrap().display();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{directory}:/usr/local/bin:/usr/bin:/bin"))
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.com")
            .env("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z")
            .env("GIT_COMMITTER_NAME", "C")
            .env("GIT_COMMITTER_EMAIL", "c@example.com")
            .env("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z");
        command
    }

    /// Runs git, which must succeed, and returns what it printed.
    pub(crate) fn ok(&self, directory: &str, arguments: &[&str]) -> String {
        let output = self.git(directory).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            stderr(&output)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn push(&self, arguments: &[&str]) -> Output {
        self.git("work")
            .args(["push", "origin"])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The tip of a ref of the bare repository.
    pub(crate) fn tip(&self, name: &str) -> Option<String> {
        let arguments = ["rev-parse", "--verify", "-q", "--end-of-options", name];
        let output = self.git("bare.git").args(arguments).output().unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// The hook itself, as git would start it.
    pub(crate) fn direct(&self, hook: &str) -> Command {
        let mut command = self.command(self.path("bare.git/hooks").join(hook));
        command
            .current_dir(self.path("bare.git"))
            .env("GIT_DIR", ".");
        command
    }

    /// The files in the spool.
    pub(crate) fn spooled(&self) -> Vec<PathBuf> {
        fs::read_dir(self.path("spool"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the hooks said, without git's prefix and the padding that it adds on every line.
pub(crate) fn remote(output: &Output) -> Vec<String> {
    let lines = stderr(output);
    let said = lines
        .lines()
        .filter_map(|line| line.strip_prefix("remote: "));
    said.map(|line| line.trim_end().to_owned()).collect()
}
