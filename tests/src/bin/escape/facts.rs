//! Where the things are that must not be reached.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Lines of `name=value`.
#[derive(Debug)]
pub(crate) struct Facts(BTreeMap<String, String>);

impl Facts {
    pub(crate) fn read(path: &Path) -> io::Result<Facts> {
        let text = fs::read_to_string(path)?;
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Ok(Facts(
            pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        ))
    }

    /// What the file says of this.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("the facts say nothing of {name}"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.text(name))
    }

    pub(crate) fn number(&self, name: &str) -> usize {
        self.text(name).parse().expect("a number")
    }
}

/// A directory on the host's disk that may be written: the tree in a build, a mount later; where it is
/// without a sandbox, in none.
pub(crate) fn work() -> PathBuf {
    let here = std::env::current_dir().expect("there is one");
    let candidates = [PathBuf::from("/app/data"), PathBuf::from("/app"), here];
    let can = |directory: &PathBuf| {
        let file = directory.join("probe");
        fs::write(&file, "")
            .and_then(|()| fs::remove_file(&file))
            .is_ok()
    };
    candidates
        .into_iter()
        .find(can)
        .expect("the tree or the mount can be written")
}
