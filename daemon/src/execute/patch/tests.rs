use std::path::PathBuf;

use wharf_config::application::{Patches, PathPattern};

use super::conflict::{self, Differs, Other, compare};
use super::find::{FindError, Found, find};
use super::target::{parts, target};
use crate::testing::git;

const ONE: &str = "--- a/src/a.txt\n+++ b/src/a.txt\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n";

fn differs(text: &str, patch: &str) -> Option<Differs> {
    let parts = parts(patch);
    compare(text, parts[0].patch().as_text().unwrap().hunks())
}

#[test]
fn a_hunk_that_does_not_fit_is_named_with_its_lines() {
    assert_eq!(differs("a\nb\nc\n", ONE), None);
    // As git finds it: further down, too.
    assert_eq!(differs("x\nx\na\nb\nc\n", ONE), None);
    let other = |number, expected: &str, found: Option<&str>| Other {
        number,
        expected: expected.into(),
        found: found.map(str::to_owned),
    };
    let hunk = |hunk, of, lines| Some(Differs { hunk, of, lines });
    let expected = hunk(1, 1, vec![other(3, "b\n", Some("other\n"))]);
    assert_eq!(differs("x\na\nother\nc\n", ONE), expected);
    let expected = hunk(1, 1, vec![other(3, "c\n", None)]);
    assert_eq!(differs("a\nb\n", ONE), expected);
    // Only the end of the line is another.
    let expected = hunk(1, 1, vec![other(3, "c\n", Some("c"))]);
    assert_eq!(differs("a\nb\nc", ONE), expected);

    let two = format!("{ONE}@@ -10,2 +10,3 @@\n j\n+J\n k\n");
    let text = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nX\n";
    let expected = hunk(2, 2, vec![other(11, "k\n", Some("X\n"))]);
    assert_eq!(differs(text, &two), expected);
}

#[test]
fn nothing_that_a_patch_or_a_file_holds_takes_long_or_panics() {
    for patch in [
        "",
        "@@",
        "--- a\n+++ b\n",
        "--- a/x\n+++ b/x\n@@ -99999999999999999999 +1 @@\n",
        "--- a/x\n+++ b/x\n@@ -4000000000,1 +1,1 @@\n-a\n+b\n",
        "diff --git a/x b/x\nrename from x\nrename to ../y\n",
        "diff --git a/x b/x\nGIT binary patch\nliteral 99999999999\nzzz\n",
    ] {
        let work = tempfile::tempdir().unwrap();
        let failure = conflict::explain("a.patch", patch.as_bytes(), work.path(), "no\n", None);
        assert_eq!(failure.reason.code, "patch-conflict", "{patch}");
    }
    assert!(differs("", "--- a/x\n+++ b/x\n@@ -4000000000,1 +1,1 @@\n-a\n+b\n").is_some());
}

#[test]
fn the_files_that_a_patch_is_for() {
    let text = "From 0 Mon\nSubject: x\n\n---\n a | 2 +-\n\n\
        diff --git a/one b/one\nindex 1..2 100644\n--- a/one\n+++ b/one\n@@ -1 +1 @@\n-a\n+b\n\
        diff --git a/two b/three\nsimilarity index 100%\nrename from two\nrename to three\n\
        diff --git a/dir/new b/dir/new\nnew file mode 100644\n--- /dev/null\n+++ b/dir/new\n\
        @@ -0,0 +1 @@\n+x\n-- \n2.47\n";
    let parts = parts(text);
    let targets: Vec<&str> = parts.iter().map(target).collect();
    assert_eq!(targets, ["one", "two", "dir/new"]);
}

#[test]
fn what_is_wrong_is_said_by_its_place() {
    let work = tempfile::tempdir().unwrap();
    std::fs::create_dir(work.path().join("src")).unwrap();
    let explain = |step: Option<&str>| {
        let step = step.map(str::to_owned);
        conflict::explain(
            "p/1.patch",
            ONE.as_bytes(),
            work.path(),
            "error: no\n",
            step,
        )
    };
    let failure = explain(Some("composer install"));
    assert_eq!(
        failure.reason.message,
        "p/1.patch does not apply: src/a.txt is not there"
    );
    assert_eq!(
        failure.reason.hint.unwrap(),
        "where a step makes it: patches = { files = \"p/1.patch\", after = \"composer install\" }"
    );
    std::fs::write(work.path().join("src/a.txt"), "a\n\x1b[31mred\nc\n").unwrap();
    let failure = explain(None);
    assert_eq!(
        failure.reason.message,
        "p/1.patch does not apply: src/a.txt, hunk 1 of 1"
    );
    assert_eq!(
        failure.details,
        ["  --> src/a.txt:2", "  | expected: b", "  | found:    red"]
    );
    std::fs::remove_file(work.path().join("src/a.txt")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", work.path().join("src/a.txt")).unwrap();
    let failure = explain(None);
    assert_eq!(
        failure.reason.message,
        "p/1.patch does not apply: src/a.txt is no regular file"
    );
}

/// A repository with a work tree, and git without anybody's configuration.
struct Repo(tempfile::TempDir);

impl Repo {
    fn new(files: &[(&str, &str)]) -> Repo {
        let repo = Repo(tempfile::tempdir().unwrap());
        repo.git(&["init", "-q", "."]);
        for (path, text) in files {
            let path = repo.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        repo
    }

    fn git(&self, words: &[&str]) -> String {
        git(self.0.path(), words)
    }

    fn find(&self, wanted: &Patches) -> Result<Found, FindError> {
        self.git(&["add", "-A"]);
        let tree = self.git(&["write-tree"]);
        let git: PathBuf = self.0.path().join(".git");
        find(&git, &tree, wanted)
    }
}

fn named(patterns: &[&str]) -> Patches {
    let pattern = |text: &&str| PathPattern::parse(text).unwrap();
    Patches {
        files: Some(patterns.iter().map(pattern).collect()),
        after: None,
    }
}

fn paths(found: &Found) -> Vec<&str> {
    found
        .patches
        .iter()
        .map(|patch| patch.path.as_str())
        .collect()
}

#[test]
fn patches_are_found_in_byte_order_of_their_paths() {
    let repo = Repo::new(&[
        ("patches/b.patch", ONE),
        ("patches/B.patch", ONE),
        ("patches/deep/x.patch", ONE),
        ("patches/a.diff", ONE),
        ("m2-hotfixes/9.patch", ONE),
        ("m2-hotfixes/10.patch", ONE),
        ("src/a.txt", ""),
    ]);
    let found = repo.find(&Patches::default()).unwrap();
    let conventional = [
        "m2-hotfixes/10.patch",
        "m2-hotfixes/9.patch",
        "patches/B.patch",
        "patches/b.patch",
    ];
    assert_eq!(paths(&found), conventional);
    assert_eq!(found.patches[0].id.len(), 40);
    let found = repo.find(&named(&["patches/**/*.patch", "none/*", "patches/*.diff"]));
    let found = found.unwrap();
    let all = [
        "patches/B.patch",
        "patches/a.diff",
        "patches/b.patch",
        "patches/deep/x.patch",
    ];
    assert_eq!(paths(&found), all);
    assert_eq!(found.unmatched, ["none/*"]);
    let found = repo
        .find(&named(&["*/*.patch", "patches/deep/x.patch"]))
        .unwrap();
    assert_eq!(found.patches.len(), 5);
    assert_eq!(repo.find(&named(&[])).unwrap(), Found::default());
}

#[test]
fn patches_of_other_tools_are_left_to_them() {
    let of = |file: &str| ONE.replace("src/a.txt", file);
    let repo = Repo::new(&[
        (
            "package.json",
            "{\"pnpm\": {\"x\": \"patches/named.patch\"}}",
        ),
        ("patches/named.patch", ONE),
        (
            "patches/left-pad+1.0.patch",
            &of("node_modules/left-pad/index.js"),
        ),
        (
            "patches/right-pad+1.0.patch",
            &of("node_modules/right-pad/index.js"),
        ),
        ("patches/tracked.patch", &of("vendor/own/a.txt")),
        ("patches/ours.patch", ONE),
        ("vendor/own/a.txt", "a\nb\nc\n"),
    ]);
    let found = repo.find(&Patches::default()).unwrap();
    assert_eq!(
        paths(&found),
        ["patches/ours.patch", "patches/tracked.patch"]
    );
    assert_eq!(
        found.left,
        [
            "2 files left: of dependencies, for the tool that installs them",
            "patches/named.patch left to the tool that package.json tells of it"
        ]
    );
    // What is named is meant.
    let all = repo.find(&named(&["patches/*.patch"])).unwrap();
    assert_eq!((all.patches.len(), all.left.len()), (5, 0));
    let after = Patches {
        after: Some("npm ci".into()),
        ..Patches::default()
    };
    assert_eq!(repo.find(&after).unwrap().patches.len(), 5);
}

#[test]
fn what_is_no_file_or_too_much_is_refused() {
    let repo = Repo::new(&[("patches/a.patch", ONE)]);
    std::os::unix::fs::symlink("a.patch", repo.0.path().join("patches/b.patch")).unwrap();
    let refused = repo.find(&Patches::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the patch patches/b.patch is no regular file"
    );
    std::fs::remove_file(repo.0.path().join("patches/b.patch")).unwrap();
    std::fs::write(repo.0.path().join("patches/c.patch"), vec![b'x'; 5 << 20]).unwrap();
    let refused = repo.find(&Patches::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the patch patches/c.patch has more than 4.2 MB"
    );
    for number in 0..600 {
        std::fs::write(repo.0.path().join(format!("patches/{number}.patch")), ONE).unwrap();
    }
    let refused = repo.find(&Patches::default()).unwrap_err();
    assert!(matches!(refused, FindError::Many), "{refused}");
}

#[test]
fn the_place_of_patches_counts_for_the_slug() {
    use wharf_config::application::{Build, Step};
    let found = Found {
        patches: vec![super::Patch {
            path: "p/1.patch".into(),
            id: "0".repeat(40),
        }],
        ..Found::default()
    };
    let build = |names: [&str; 2], after: Option<&str>| Build {
        patches: Patches {
            after: after.map(str::to_owned),
            ..Patches::default()
        },
        steps: names.map(|name| Step::new(name, "make")).into(),
        ..Build::default()
    };
    let of = |build: &Build| super::ingredients(build, &found);
    let patch = format!("p/1.patch {}", "0".repeat(40));
    assert_eq!(of(&build(["a", "b"], None)), [patch.as_str()]);
    let after = |names| of(&build(names, Some("a")));
    assert_eq!(after(["a", "b"]), ["after step 1", &patch]);
    assert_eq!(after(["b", "a"]), ["after step 2", &patch]);
    let none = super::ingredients(&build(["a", "b"], Some("a")), &Found::default());
    assert!(none.is_empty());
}
