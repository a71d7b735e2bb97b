//! A developer's work tree.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Page, Said, World, fetch, installed, run};

/// A work tree of one developer.
#[derive(Debug)]
pub struct Tree<'world> {
    world: &'world World,
    path: PathBuf,
    ssh: Option<String>,
}

impl<'world> Tree<'world> {
    pub(crate) fn new(world: &'world World, path: PathBuf) -> Tree<'world> {
        Tree {
            world,
            path,
            ssh: None,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on git and wharf run ssh so.
    pub fn set_ssh(&mut self, command: &str) {
        self.ssh = Some(command.to_owned());
    }

    /// A program that runs in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.world.command(program);
        command.current_dir(&self.path);
        if let Some(ssh) = &self.ssh {
            command.env("GIT_SSH_COMMAND", ssh);
            // A laptop has no daemon of its own.
            command.env("WHARF_HOME", self.world.path("laptop"));
        }
        command
    }

    /// Runs git in it.
    #[track_caller]
    pub fn git(&self, words: &[&str]) -> Said {
        run(self.command("git").args(words))
    }

    /// Runs wharf in it.
    #[track_caller]
    pub fn wharf(&self, words: &[&str]) -> Said {
        run(self.command("wharf").args(words))
    }

    /// Runs a line as somebody typed it: a hint that was printed, for one.
    #[track_caller]
    pub fn sh(&self, line: &str) -> Said {
        run(self.command("sh").args(["-c", line]))
    }

    /// Runs `wharf init`, which must end well.
    #[track_caller]
    pub fn init(&self) -> Said {
        if self.world.is_installed() {
            return self.add();
        }
        self.wharf(&["init"]).ok()
    }

    /// What root does where Wharf is installed, and the remote.
    #[track_caller]
    fn add(&self) -> Said {
        let name = self.path.file_name().expect("a work tree has a name");
        let name = name.to_str().expect("and the test chose it");
        let repository = installed::repository(name);
        self.git(&["init", "--quiet", "--bare", &repository]).ok();
        installed::add_project(name, &repository).ok();
        self.git(&["remote", "add", "wharf", &repository]).ok()
    }

    /// Pushes to the remote `wharf`: branches, refspecs, options.
    #[track_caller]
    pub fn push(&self, words: &[&str]) -> Said {
        run(self.command("git").args(["push", "wharf"]).args(words))
    }

    /// Writes a file, with its directories.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.path.join(file);
        let directory = path.parent().expect("a file is in a directory");
        fs::create_dir_all(directory).expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// Commits everything that changed, or nothing.
    #[track_caller]
    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]).ok();
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message])
            .ok();
    }

    /// The address that `wharf url` prints for the branch that is checked out.
    #[track_caller]
    pub fn url(&self) -> String {
        self.wharf(&["url"]).ok().out.trim_end().to_owned()
    }

    /// The page at a path below [`Tree::url`].
    #[track_caller]
    pub fn get(&self, path: &str) -> Page {
        let url = self.url();
        let address = url.strip_prefix("http://").expect("an http address");
        let (host, port) = address
            .trim_end_matches('/')
            .split_once(':')
            .expect("an address with a port");
        fetch(port.parse().expect("a port"), host, path)
    }
}
