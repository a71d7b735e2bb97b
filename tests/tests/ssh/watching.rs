//! Those who stop watching: the work goes on.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process_group};
use wharf_tests::Tree;

use crate::laptop::{BUILT, on_every_git};

/// Pushes, and is gone in the middle of the build: in the way that `signal` says.
fn leave(shop: &Tree<'_>, signal: Signal) -> String {
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
    let group = Pid::from_raw(i32::try_from(push.id()).unwrap()).unwrap();
    kill_process_group(group, signal).unwrap();
    drop(lines);
    assert!(!push.wait().unwrap().success());
    id
}

#[test]
fn who_presses_ctrl_c_stops_watching_not_the_deploy() {
    // More than a pipe holds, while nobody reads.
    let script = "mkdir out; cp page out/index.html; echo waiting for the signal\n\
        i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i of very many lines that nobody reads; done\n\
        sleep 1\n";
    on_every_git(
        &[BUILT, ("build.sh", script), ("page", "one\n")],
        |_, shop| {
            for (signal, page) in [(Signal::INT, "one\n"), (Signal::KILL, "two\n")] {
                shop.write("page", page);
                shop.commit(page);
                let id = leave(shop, signal);
                let log = shop.wharf(&["log", &id, "--follow"]).ok();
                assert!(log.out.contains("main now serves"), "{log}");
                assert_eq!(shop.get("/").ok(), page);
            }
            shop.wharf(&["environments"]).ok().has("r2");
        },
    );
}
