//! Against git's own count.

use super::*;
use crate::testing::{git, git_at};

/// A history with merges.
fn history(repository: &Path, commits: usize) -> Vec<String> {
    git(repository, &["init", "--quiet", "--bare", "."]);
    let tree = git(repository, &["mktree"]);
    let mut made: Vec<String> = Vec::new();
    for number in 0..commits {
        let mut words = vec!["commit-tree".to_owned(), "-m".into(), number.to_string()];
        // Fixed, but as if by chance.
        for parent in [number * 7 % 5 + 1, number * 11 % 9 + 2] {
            let Some(parent) = number.checked_sub(parent) else {
                continue;
            };
            words.extend(["-p".into(), made[parent].clone()]);
        }
        words.push(tree.clone());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let date = 1_700_000_000 + number as u64;
        made.push(git_at(repository, &words, date));
    }
    made
}

#[test]
fn distances_are_what_git_counts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let made = history(path, 24);
    let pairs: Vec<Pair> = made
        .iter()
        .flat_map(|one| {
            made.iter()
                .step_by(5)
                .map(|other| (one.clone(), other.clone()))
        })
        .collect();
    let distances = Distances::default();
    assert!(distances.known(&pairs).iter().all(Option::is_none));
    distances.count(path, &pairs, Some(Instant::now())).unwrap();
    assert!(
        distances.known(&pairs).iter().all(Option::is_none),
        "no time was left"
    );
    distances.count(path, &pairs, None).unwrap();
    for ((one, other), found) in pairs.iter().zip(distances.known(&pairs)) {
        let range = format!("{one}...{other}");
        let counted = git(path, &["rev-list", "--count", "--left-right", &range]);
        let found = found.unwrap();
        assert_eq!(
            counted,
            format!("{}\t{}", found.ahead, found.behind),
            "{range}"
        );
    }
    let missing = ("0".repeat(39) + "1", made[0].clone());
    distances.count(path, &[missing], None).unwrap_err();
}
