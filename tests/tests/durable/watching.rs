//! Those who wait for something to be said.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;
use wharf_tests::{Tree, World};

/// Waits until the daemon's log says it.
pub(crate) fn wait_for_log(world: &World, text: &str) {
    let mut tail = world.command("timeout");
    tail.args(["120", "tail", "-n", "+1", "-F", "wharfd.log"])
        .current_dir(world.path(""))
        .stdout(Stdio::piped());
    let mut tail = tail.spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let found = lines.map_while(Result::ok).any(|line| line.contains(text));
    tail.kill().unwrap();
    tail.wait().unwrap();
    assert!(found, "{}", world.logs());
}

/// Every activity of the work tree's project, newest first.
pub(crate) fn activities(shop: &Tree<'_>) -> Vec<Value> {
    let out = shop.wharf(&["activities", "-n", "100", "--json"]).ok().out;
    serde_json::from_str(&out).unwrap()
}
