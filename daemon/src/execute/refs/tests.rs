//! Both ways to keep refs, read as one.

use super::*;
use crate::testing::{MOMENT, git, try_git};

/// A bare repository with the branch `deep/a`, and HEAD at `trunk`, which is not there.
fn bare(format: &[&str]) -> Option<(tempfile::TempDir, String)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let init = [&["init", "--quiet", "--bare"], format, &["."]].concat();
    if !try_git(path, &init, MOMENT).status.success() {
        return None;
    }
    let tree = git(path, &["mktree"]);
    let commit = git(path, &["commit-tree", "-m", "x", &tree]);
    git(path, &["update-ref", "refs/heads/deep/a", &commit]);
    git(path, &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    Some((directory, commit))
}

fn reads(repository: &Path, commit: &str) {
    let tip = Tip {
        name: b"refs/heads/deep/a".to_vec(),
        commit: Some(commit.to_owned()),
    };
    assert_eq!(tips(repository).unwrap(), std::slice::from_ref(&tip));
    let find = |name: &str| find_tip(repository, name).unwrap();
    assert_eq!(find("refs/heads/deep/a"), Some(tip));
    assert_eq!(find("refs/heads/deep"), None);
    assert_eq!(find("refs/heads/deep/b"), None);
    assert_eq!(head(repository).unwrap().as_str(), "trunk");
    git(repository, &["update-ref", "--no-deref", "HEAD", commit]);
    assert_eq!(head(repository), None, "detached");
    git(repository, &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
}

#[test]
fn refs_in_files_are_read_loose_and_packed() {
    let (directory, commit) = bare(&[]).unwrap();
    let path = directory.path();
    reads(path, &commit);
    git(path, &["pack-refs", "--all"]);
    reads(path, &commit);
    // What has no object is there all the same, and what leads nowhere too.
    let lost = "1".repeat(40);
    std::fs::write(path.join("refs/heads/lost"), format!("{lost}\n")).unwrap();
    std::fs::write(path.join("refs/heads/nowhere"), "ref: refs/heads/none\n").unwrap();
    let find = |name: &str| find_tip(path, name).unwrap().unwrap().commit;
    assert_eq!(find("refs/heads/lost"), Some(lost));
    assert_eq!(find("refs/heads/nowhere"), None);
    assert_eq!(tips(path).unwrap().len(), 3);
}

#[test]
fn refs_in_a_reftable_are_read_as_well() {
    match bare(&["--ref-format=reftable"]) {
        Some((directory, commit)) => reads(directory.path(), &commit),
        None => println!("this git knows no reftable: not tested"),
    }
}

#[test]
fn a_form_that_nobody_knows_is_no_empty_repository() {
    let (directory, _) = bare(&[]).unwrap();
    let path = directory.path();
    git(path, &["config", "core.repositoryFormatVersion", "1"]);
    git(path, &["config", "extensions.refStorage", "files"]);
    assert_eq!(tips(path).unwrap().len(), 1);
    let config = path.join("config");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(config, text.replace("= files", "= stones")).unwrap();
    assert!(tips(path).is_err());
}
