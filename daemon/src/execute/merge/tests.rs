use std::path::PathBuf;
use std::process::Command;

use super::*;

/// A work tree whose repository is merged in.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        tree.git(&["init", "--quiet", "--initial-branch=main"]);
        tree.commit("base", "1");
        tree
    }

    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.0.path())
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(["-c", "maintenance.auto=false"])
            .args(words)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, file: &str, text: &str) -> String {
        std::fs::write(self.0.path().join(file), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", file]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn repository(&self) -> PathBuf {
        self.0.path().join(".git")
    }

    async fn merge(&self, into: &str, from: &str) -> Merged {
        let author = Author {
            name: "ann <x".into(),
            email: "ann@shop".into(),
        };
        let name = wharf_config::name::ProjectName::parse("shop").unwrap();
        let project = Project::new(name, self.repository());
        let place = wharf_config::place::Place::below(self.0.path());
        let paths = Paths::new(&place);
        merge(&project, &paths, into, from, "Merge\n", &author)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_merge_is_one_pack_once_it_is_kept() {
    let tree = Tree::new();
    let base = tree.git(&["rev-parse", "HEAD"]);
    let ours = tree.commit("ours", "1");
    tree.git(&["switch", "--quiet", "--detach", &base]);
    let theirs = tree.commit("theirs", "1");
    assert!(matches!(tree.merge(&ours, &base).await, Merged::Nothing));
    assert!(matches!(tree.merge(&base, &ours).await, Merged::Forward));
    let Merged::Commit(made) = tree.merge(&ours, &theirs).await else {
        panic!("it merges");
    };
    let read = |at: &Path| repository::subject(at, &made.id);
    assert_eq!(read(made.scratch()).unwrap(), "Merge");
    read(&tree.repository()).unwrap_err();
    made.keep().await.unwrap();
    assert_eq!(read(&tree.repository()).unwrap(), "Merge");
    assert_eq!(
        tree.git(&["log", "-1", "--format=%P|%ae", &made.id]),
        format!("{ours} {theirs}|ann@shop")
    );
    tree.git(&["fsck", "--strict"]);
    drop(made);
    let left = std::fs::read_dir(tree.repository().join("objects")).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.starts_with("tmp_")));
}

#[tokio::test]
async fn a_conflict_leaves_no_object() {
    let tree = Tree::new();
    let base = tree.git(&["rev-parse", "HEAD"]);
    let ours = tree.commit("base", "ours");
    tree.git(&["switch", "--quiet", "--detach", &base]);
    let theirs = tree.commit("base", "theirs");
    let objects = tree.git(&["count-objects", "-v"]);
    let Merged::Conflicts(files) = tree.merge(&ours, &theirs).await else {
        panic!("it conflicts");
    };
    assert_eq!(files, [b"base"]);
    assert_eq!(tree.git(&["count-objects", "-v"]), objects);
    tree.git(&["switch", "--quiet", "--orphan", "other"]);
    let other = tree.commit("other", "1");
    assert!(matches!(tree.merge(&ours, &other).await, Merged::Unrelated));
}

#[tokio::test]
async fn no_driver_of_the_repository_is_asked() {
    let tree = Tree::new();
    let base = tree.commit("file", "1\n2\n3\n4\n5\n");
    let ours = tree.commit("file", "one\n2\n3\n4\n5\n");
    tree.git(&["switch", "--quiet", "--detach", &base]);
    std::fs::write(tree.0.path().join(".gitattributes"), "* merge=evil\n").unwrap();
    let theirs = tree.commit("file", "1\n2\n3\n4\nfive\n");
    let ran = tree.0.path().join("ran");
    let driver = format!("touch {}; false", ran.display());
    tree.git(&["config", "merge.evil.driver", &driver]);
    let info = tree.repository().join("info");
    std::fs::create_dir_all(&info).unwrap();
    std::fs::write(info.join("attributes"), "* merge=evil\n").unwrap();
    assert!(matches!(
        tree.merge(&ours, &theirs).await,
        Merged::Commit(_)
    ));
    assert!(!ran.exists());
}
