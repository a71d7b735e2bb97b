//! Real git, real directories: what is a change and what is none.

use super::*;
use crate::testing::git;

struct Repository {
    directory: tempfile::TempDir,
    commit: String,
}

impl Repository {
    fn new() -> Repository {
        let mut repository = Repository {
            directory: tempfile::tempdir().unwrap(),
            commit: String::new(),
        };
        repository.git(&["init", "--quiet", "--bare", "."]);
        let tree = repository.git(&["mktree"]);
        repository.commit = repository.git(&["commit-tree", "-m", "x", &tree]);
        repository
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn git(&self, words: &[&str]) -> String {
        git(self.path(), words)
    }

    fn branch(&self, name: &str) {
        self.git(&["update-ref", &format!("refs/heads/{name}"), &self.commit]);
    }
}

fn shop() -> ProjectName {
    ProjectName::parse("shop").unwrap()
}

fn eyes(repository: &Repository) -> Eyes {
    let mut inotify = Inotify::new().unwrap();
    watch_refs(&mut inotify, &shop(), repository.path(), MOST).unwrap();
    Eyes {
        inotify: Some(inotify),
        projects: BTreeMap::from([(shop(), repository.path().to_owned())]),
    }
}

/// What is seen until the repository gets another branch, which comes after everything else.
async fn seen_before(last: &str, eyes: &mut Eyes, repository: &Repository) -> usize {
    repository.branch(last);
    let mut count = 0;
    loop {
        for seen in eyes.inotify.as_mut().unwrap().next().await.unwrap() {
            if matches!(&seen, Seen::Name(_, name) if name == last.as_bytes()) {
                return count;
            }
            count += usize::from(!eyes.about(seen).is_empty());
        }
    }
}

#[tokio::test]
async fn every_way_to_move_a_branch_is_seen_and_reading_is_not() {
    let repository = Repository::new();
    repository.branch("main");
    let mut eyes = eyes(&repository);
    // Nothing happened; and what only reads is nothing.
    for words in [
        &["for-each-ref"][..],
        &["log", "--oneline", "main"],
        &["rev-parse", "main"],
        &["fsck", "--no-progress"],
    ] {
        repository.git(words);
    }
    assert_eq!(seen_before("last", &mut eyes, &repository).await, 0);
    let commit = repository.git(&["commit-tree", "-m", "y", "main^{tree}"]);
    for (number, words) in [
        &["update-ref", "refs/heads/main", &commit][..],
        &["update-ref", "refs/heads/feature/deep/a", &commit],
        &["update-ref", "-d", "refs/heads/feature/deep/a"],
        &["pack-refs", "--all"],
        &["update-ref", "-d", "refs/heads/main"],
        &["symbolic-ref", "HEAD", "refs/heads/other"],
    ]
    .iter()
    .enumerate()
    {
        repository.git(words);
        let seen = seen_before(&format!("last{number}"), &mut eyes, &repository).await;
        assert!(seen > 0, "{words:?}");
    }
}

#[tokio::test]
async fn directories_of_branches_are_watched_as_they_come_up_to_a_bound() {
    let repository = Repository::new();
    let mut eyes = eyes(&repository);
    repository.branch("feature/deep/a");
    assert!(seen_before("one", &mut eyes, &repository).await > 0);
    // As after each look.
    let inotify = eyes.inotify.as_mut().unwrap();
    watch_refs(inotify, &shop(), repository.path(), MOST).unwrap();
    repository.branch("feature/deep/b");
    assert!(seen_before("two", &mut eyes, &repository).await > 0);

    let inotify = eyes.inotify.as_mut().unwrap();
    let trouble = watch_refs(inotify, &shop(), repository.path(), 2).unwrap_err();
    assert!(trouble.message.contains("not all are watched"));
    repository.branch("more");
    assert!(seen_before("three", &mut eyes, &repository).await > 0);

    eyes.inotify
        .as_mut()
        .unwrap()
        .forget(|place| place.is_of(&shop()));
    repository.branch("unseen");
    let inotify = eyes.inotify.as_mut().unwrap();
    inotify.watch(repository.path(), Place::Spool).unwrap();
    std::fs::write(repository.path().join("x.json"), "").unwrap();
    let seen = inotify.next().await.unwrap();
    assert_eq!(seen[0], Seen::Name(Place::Spool, b"x.json".to_vec()));
}

#[test]
fn what_the_system_refuses_names_the_limit() {
    for (errno, limit) in [
        (Errno::NOSPC, "fs.inotify.max_user_watches"),
        (Errno::MFILE, "fs.inotify.max_user_instances"),
    ] {
        let found = trouble("here", &errno.into());
        assert!(found.hint.contains(limit), "{found:?}");
    }
    let error = io::Error::from(io::ErrorKind::PermissionDenied);
    assert!(trouble("here", &error).hint.contains("next start"));
}
