//! A home directory, a work tree and a daemon that answers what it was told to.

use std::{
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread::{self, JoinHandle},
};

use wharf_wire::{FromDaemon, Hello, ToDaemon, VERSION, Welcome, ask::Ask, frame};

pub(crate) struct World {
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> World {
        let world = World {
            directory: tempfile::tempdir().unwrap(),
        };
        for name in ["work", "home", "wharf/run", "wharf/config"] {
            fs::create_dir_all(world.path(name)).unwrap();
        }
        world.git(&["init", "-q", "-b", "main"]);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn git(&self, words: &[&str]) {
        let output = self.command("git").args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    pub(crate) fn bare(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        self.git(&["init", "-q", "--bare", "-b", "main", path.to_str().unwrap()]);
        path
    }

    /// A program in the work tree, with this world's surroundings only.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("WHARF_HOME", self.path("wharf"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C")
            .current_dir(self.path("work"));
        command
    }

    /// A script, written by another process: were the file open for writing in this one, a child of
    /// a neighbouring test could keep it so, and it could not be run.
    pub(crate) fn script(&self, path: &Path, text: &str) {
        let write = "printf '%s\n' '#!/bin/sh' \"$1\" > \"$0\" && chmod 755 \"$0\"";
        let status = self
            .command("sh")
            .args(["-c", write])
            .arg(path)
            .arg(text)
            .status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn wharf(&self, line: &str) -> Said {
        let words = line.split(' ').filter(|word| !word.is_empty());
        Said::of(
            self.command(env!("CARGO_BIN_EXE_wharf"))
                .args(words)
                .output()
                .unwrap(),
        )
    }

    /// A daemon that takes one question, answers it, and hands it back with the caller's greeting.
    pub(crate) fn daemon(&self, answers: Vec<FromDaemon>) -> JoinHandle<(Hello, Ask)> {
        serve(&self.path("wharf/run/wharfd.sock"), answers)
    }
}

fn serve(socket: &Path, answers: Vec<FromDaemon>) -> JoinHandle<(Hello, Ask)> {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let Some(ToDaemon::Hello(hello)) = frame::read(&mut stream).unwrap() else {
            panic!("no greeting");
        };
        let welcome = Welcome {
            wharf: VERSION,
            daemon: "0.1.0".into(),
        };
        frame::write(&mut stream, &FromDaemon::Welcome(welcome)).unwrap();
        let Some(ToDaemon::Ask(ask)) = frame::read(&mut stream).unwrap() else {
            panic!("no question");
        };
        for answer in answers {
            frame::write(&mut stream, &answer).unwrap();
        }
        (hello, ask)
    })
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Said {
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
