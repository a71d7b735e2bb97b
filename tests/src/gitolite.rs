//! A gitolite of its own, installed from the system's package, with its people behind a real sshd.

use std::{fs, path::PathBuf, process::Command};

use crate::{Laptop, Said, Sshd, Tree, World, run};

/// A gitolite whose account is whoever runs the tests, in a home of its own.
#[derive(Debug)]
pub struct Gitolite<'world> {
    world: &'world World,
    home: PathBuf,
    sshd: Sshd<'world>,
}

impl<'world> Gitolite<'world> {
    /// Sets it up, with this administrator, whose work tree of `gitolite-admin` is returned as well.
    pub fn start(world: &'world World, administrator: &str) -> (Gitolite<'world>, Tree<'world>) {
        let home = world.path("gitolite");
        fs::create_dir_all(home.join(".ssh")).expect("a directory can be made");
        let surroundings = format!(
            "HOME={} WHARF_HOME={}",
            home.display(),
            world.home().display()
        );
        let keys = home.join(".ssh/authorized_keys");
        let sshd = Sshd::serving(world, "gitolite-sshd", keys, &surroundings);
        let laptop = sshd.stranger(administrator);
        let gitolite = Gitolite { world, home, sshd };
        let mut setup = gitolite.command("setup");
        run(setup
            .arg("-pk")
            .arg(gitolite.sshd.public_key(administrator)))
        .ok();
        let mut admin = world.site("gitolite-admin", &[]);
        gitolite.give(&laptop, &mut admin, "origin", "gitolite-admin");
        admin.git(&["fetch", "--quiet", "origin"]).ok();
        let first = admin
            .git(&["for-each-ref", "--format=%(refname)", "refs/remotes"])
            .ok();
        let first = first
            .out
            .lines()
            .next()
            .expect("it has a branch")
            .to_owned();
        admin.git(&["reset", "--quiet", "--hard", &first]).ok();
        (gitolite, admin)
    }

    /// One of its commands, as its account.
    pub fn command(&self, word: &str) -> Command {
        let mut command = self.world.command("gitolite");
        command.arg(word).env("HOME", &self.home).env("USER", "git");
        command
    }

    /// Where its account lives.
    pub fn home(&self) -> PathBuf {
        self.home.clone()
    }

    /// One of its repositories.
    pub fn repository(&self, name: &str) -> PathBuf {
        self.home.join(format!("repositories/{name}.git"))
    }

    /// Makes a key for a person, and lets them in, as its administrator does.
    pub fn admit(&self, admin: &Tree<'_>, person: &str) -> Laptop {
        let laptop = self.sshd.stranger(person);
        let key = fs::read_to_string(self.sshd.public_key(person)).expect("there is a key");
        admin.write(&format!("keydir/{person}.pub"), &key);
        laptop
    }

    /// The access of somebody who has a key.
    pub fn laptop(&self, person: &str) -> Laptop {
        self.sshd.laptop(person)
    }

    /// Pushes what its administrator changed.
    pub fn apply(&self, admin: &Tree<'_>) -> Said {
        admin.commit("Change");
        let branch = admin.git(&["symbolic-ref", "--short", "HEAD"]).ok().out;
        let told = admin
            .git(&["ls-remote", "--symref", "origin", "HEAD"])
            .ok()
            .out;
        let default = told.split_whitespace().nth(1).unwrap_or(branch.trim());
        admin
            .git(&["push", "origin", &format!("HEAD:{default}")])
            .ok()
    }

    /// Makes a work tree somebody's, with one of the repositories as this remote.
    pub fn give(&self, laptop: &Laptop, tree: &mut Tree<'_>, remote: &str, repository: &str) {
        let url = format!("{}/{repository}", laptop.host);
        if tree.git(&["remote", "set-url", remote, &url]).code != 0 {
            tree.git(&["remote", "add", remote, &url]).ok();
        }
        tree.set_ssh(&laptop.ssh);
    }
}
