//! Where the programs are.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The directory with Wharf's seven programs: `WHARF_BIN`, else what `make build` gathered.
pub fn bin() -> PathBuf {
    let bin = match env::var_os("WHARF_BIN") {
        Some(bin) => PathBuf::from(bin),
        // This program is `<target>/<profile>/deps/name`.
        None => env::current_exe()
            .expect("a test knows its own program")
            .ancestors()
            .nth(3)
            .expect("cargo keeps tests three levels down")
            .join("wharf/bin"),
    };
    assert!(
        bin.join("wharfd").is_file(),
        "no programs in {}; run `make build` first",
        bin.display()
    );
    bin
}

/// Every git of this machine: each may be another version.
pub fn gits() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = Vec::new();
    let usual = ["/usr/bin", "/usr/local/bin"].map(PathBuf::from);
    for directory in env::split_paths(&path).chain(usual) {
        let Ok(git) = directory.join("git").canonicalize() else {
            continue;
        };
        if !found.contains(&git) {
            found.push(git);
        }
    }
    assert!(!found.is_empty(), "there is no git on this machine");
    found
}

/// Finds a program where users and root look.
pub(crate) fn find(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(usual)
        .map(|directory| directory.join(name))
        .find(|program: &PathBuf| program.is_file())
        .unwrap_or_else(|| panic!("no {name} on this machine; run `make setup`"))
}

/// The workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate is a member of a workspace")
}
