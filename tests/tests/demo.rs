//! `make demo` does what it says, and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

#[test]
fn the_demo_runs_and_leaves_nothing_behind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // Short, for the paths of Unix sockets are below it.
    let directory = tempfile::Builder::new()
        .prefix("wd.")
        .tempdir_in("/tmp")
        .unwrap();

    let output = Command::new(root.join("scripts/demo.sh"))
        .env("TMPDIR", directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{talk}", output.status);
    for line in [
        "$ wharf init",
        "$ git push wharf main",
        "version 3: visit 3",
        "$ wharf rollback",
    ] {
        assert!(said.contains(line), "no `{line}` in:\n{said}");
    }
    let left: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    let processes = processes_that_name(directory.path());
    assert!(processes.is_empty(), "still running: {processes:?}");
}

/// Command lines of processes that were told anything about the directory.
fn processes_that_name(directory: &Path) -> Vec<String> {
    let name = directory.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|process| {
            // Both are gone when the process ends meanwhile, and empty for a zombie.
            let line = fs::read(process.join("cmdline")).ok()?;
            let variables = fs::read(process.join("environ")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let told = line.contains(name) || String::from_utf8_lossy(&variables).contains(name);
            told.then_some(line)
        })
        .collect()
}
