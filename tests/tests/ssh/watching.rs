//! Those who stop watching: the work goes on.

use std::{
    io::{BufRead as _, BufReader, Lines},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStderr, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use wharf_tests::Tree;

use crate::laptop::{BUILT, on_every_git, on_one_git};

/// A push in the middle of its build, in a group of its own.
pub(crate) struct Midway {
    push: Child,
    lines: Lines<BufReader<ChildStderr>>,
    pub(crate) id: String,
}

impl Midway {
    /// Pushes, and reads until the build waits.
    pub(crate) fn of(shop: &Tree<'_>) -> Midway {
        let mut push = shop.command("git");
        push.args(["push", "wharf", "main"])
            .stderr(Stdio::piped())
            .process_group(0);
        let mut push = push.spawn().unwrap();
        let mut lines = BufReader::new(push.stderr.take().unwrap()).lines();
        let mut id = String::new();
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some((_, rest)) = line.split_once("Log: wharf log ") {
                id = rest.trim().to_owned();
            }
            if line.contains("| waiting for the signal") {
                break;
            }
        }
        Midway { push, lines, id }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.push.id()).unwrap()).unwrap();
        kill_process_group(group, signal).unwrap();
    }

    /// `fg`: the rest is read, if the hook has not left by then.
    pub(crate) fn come_back(mut self) {
        self.signal(Signal::CONT);
        assert!(self.lines.count() > 0);
        assert!(self.push.wait().unwrap().success());
    }

    /// Goes away; returns the activity's id.
    pub(crate) fn leave(mut self, signal: Signal) -> String {
        self.signal(signal);
        drop(self.lines);
        assert!(!self.push.wait().unwrap().success());
        self.id
    }
}

/// More than a pipe holds, while nobody reads.
pub(crate) const SCRIPT: &str =
    "mkdir out; cp page out/index.html; echo waiting for the signal; sleep 1
i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i of very many lines that nobody reads; done
";

#[test]
fn who_presses_ctrl_c_stops_watching_not_the_deploy() {
    on_every_git(
        &[BUILT, ("build.sh", SCRIPT), ("page", "one\n")],
        |_, shop| {
            for (signal, page) in [(Signal::INT, "one\n"), (Signal::KILL, "two\n")] {
                shop.write("page", page);
                shop.commit(page);
                let id = Midway::of(shop).leave(signal);
                let log = shop.wharf(&["log", &id, "--follow"]).ok();
                assert!(log.out.contains("main now serves"), "{log}");
                assert_eq!(shop.get("/").ok(), page);
            }
            shop.wharf(&["environments"]).ok().has("r2");
        },
    );
}

#[test]
fn who_presses_ctrl_z_slows_nothing() {
    let files = [BUILT, ("build.sh", SCRIPT), ("page", "one\n")];
    on_one_git(&files, |_, shop| {
        let midway = Midway::of(shop);
        midway.signal(Signal::STOP);
        let log = shop.wharf(&["log", &midway.id, "--follow"]).ok();
        assert!(log.out.contains("main now serves r1."), "{log}");
        assert_eq!(shop.get("/").ok(), "one\n");
        midway.come_back();
    });
}
