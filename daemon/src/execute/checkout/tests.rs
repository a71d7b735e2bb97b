use std::{
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    process::Command,
};

use super::*;
use crate::execute::tree_changes;

/// A repository with a work tree, and git without anybody's configuration.
struct Repo {
    home: tempfile::TempDir,
}

impl Repo {
    fn new() -> Self {
        let repo = Self {
            home: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(repo.work()).unwrap();
        repo.git(&["init", "-q", "-b", "main", "."]);
        repo
    }

    fn work(&self) -> PathBuf {
        self.home.path().join("work")
    }

    fn git_dir(&self) -> PathBuf {
        self.work().join(".git")
    }

    fn target(&self) -> PathBuf {
        self.home.path().join("into")
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "A")))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "a@example.org")))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "A subject\n\nand a body", "--allow-empty"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn object(&self, kind: &str, content: &[u8]) -> String {
        let path = self.home.path().join("object");
        fs::write(&path, content).unwrap();
        let path = path.to_str().unwrap();
        self.git(&["hash-object", "-w", "-t", kind, "--literally", path])
    }

    /// A commit of a tree that `git add` would not make.
    fn commit_of(&self, tree: &str) -> String {
        self.git(&["commit-tree", "-m", "made", tree])
    }

    fn tree(&self, entries: &[(&str, &str, &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend_from_slice(gix::ObjectId::from_hex(id.as_bytes()).unwrap().as_bytes());
        }
        self.object("tree", &bytes)
    }

    fn checkout(&self, commit: &str) -> Result<Checked, CheckoutError> {
        checkout(
            &self.git_dir(),
            commit,
            &self.target(),
            &AtomicBool::new(false),
        )
    }

    fn refusal(&self, commit: &str) -> String {
        let error = self.checkout(commit).unwrap_err();
        assert!(
            !self.target().exists(),
            "nothing is written before all is checked"
        );
        assert!(error.hint().is_some());
        error.to_string()
    }
}

/// Every path below a directory with its kind, executable bit and content.
fn listing(top: &Path) -> Vec<(Vec<u8>, String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![top.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(top)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.push((name, "link".into(), target.as_os_str().as_bytes().to_vec()));
            } else if meta.is_dir() {
                if name != b".git" {
                    waiting.push(path);
                }
            } else {
                let mode = format!("{:o}", meta.permissions().mode() & 0o777);
                found.push((name, mode, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn it_writes_what_git_writes() {
    let repo = Repo::new();
    repo.file(
        ".gitattributes",
        "* text=auto\n*.bat eol=crlf\n*.bin binary\n*.dos text eol=crlf\nsub/*.md -text\n",
    );
    repo.file("a.txt", "one\r\ntwo\r\n");
    repo.file("b.bat", "one\ntwo\n");
    repo.file("c.bin", b"\0one\r\ntwo\n");
    repo.file("sub/deep/er/d.dos", "one\n");
    repo.file("sub/e.md", "one\r\n");
    repo.file("sub/.gitattributes", "*.late eol=crlf\n");
    repo.file("sub/f.late", "x\n");
    repo.file("bläß/日本 語.txt", "ü\n");
    repo.file("with space/and\ttab", "");
    repo.file("run.sh", "#!/bin/sh\n");
    fs::set_permissions(
        repo.work().join("run.sh"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    for (target, name) in [
        ("a.txt", "link"),
        ("/etc/passwd", "outside"),
        ("sub", "sub-link"),
    ] {
        std::os::unix::fs::symlink(target, repo.work().join(name)).unwrap();
    }
    let raw = std::ffi::OsStr::from_bytes(b"not-utf8-\xff");
    fs::write(repo.work().join(raw), "x").unwrap();
    let commit = repo.commit();

    let checked = repo.checkout(&commit).unwrap();
    // git's own, from the same commit into an empty work tree.
    let theirs = repo.home.path().join("theirs");
    repo.git(&[
        "worktree",
        "add",
        "-q",
        "--detach",
        theirs.to_str().unwrap(),
        &commit,
    ]);
    fs::remove_file(theirs.join(".git")).unwrap();
    assert_eq!(listing(&repo.target()), listing(&theirs));
    assert_eq!(checked.files as usize, listing(&theirs).len());
    assert_eq!(checked.tree, repo.git(&["rev-parse", "HEAD^{tree}"]));
    assert_eq!(checked.notes, [""; 0]);
    assert!(matches!(
        repo.checkout(&commit),
        Err(CheckoutError::NotFresh(_))
    ));
}

#[test]
fn export_ignore_leaves_out_what_git_archive_leaves_out() {
    let repo = Repo::new();
    repo.file(
        ".gitattributes",
        "/.gitattributes export-ignore\ntests export-ignore\n*.psd export-ignore\n/keep.psd -export-ignore\n*.txt eol=crlf\n/only/ export-ignore\n",
    );
    for path in [
        "a.txt",
        "tests/x",
        "lib/tests/y",
        "lib/z",
        "b.psd",
        "keep.psd",
        "only/in",
        "lib/only/t",
    ] {
        repo.file(path, "one\n");
    }
    let commit = repo.commit();
    let checked = repo.checkout(&commit).unwrap();

    let tar = repo.home.path().join("a.tar");
    repo.git(&["archive", "-o", tar.to_str().unwrap(), &commit]);
    let theirs = repo.home.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let status = Command::new("tar")
        .arg("xf")
        .arg(&tar)
        .arg("-C")
        .arg(&theirs)
        .status()
        .unwrap();
    assert!(status.success());
    let paths = |top: &Path| {
        listing(top)
            .into_iter()
            .map(|(p, _, c)| (p, c))
            .collect::<Vec<_>>()
    };
    assert_eq!(paths(&repo.target()), paths(&theirs));
    assert_eq!(
        fs::read(repo.target().join("a.txt")).unwrap(),
        b"one\r\n",
        "its own eol still holds"
    );
    assert!(!repo.target().join("tests").exists());
    assert_eq!(checked.notes, ["5 files left out (export-ignore)"]);
}

#[test]
fn what_would_be_a_silent_half_is_refused() {
    let repo = Repo::new();
    let empty = repo.object("blob", b"");
    let tree = repo.tree(&[("160000", "vendor", &"1".repeat(40))]);
    assert_eq!(
        repo.refusal(&repo.commit_of(&tree)),
        "submodules are not supported yet: vendor"
    );

    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:\
        4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    repo.file("img/logo.png", pointer);
    let words = "Git LFS is not supported yet: img/logo.png is only a pointer";
    assert_eq!(repo.refusal(&repo.commit()), words);

    for (attributes, words) in [
        ("*.png filter=lfs diff=lfs", words),
        (
            "*.png filter=crypt",
            "img/logo.png has the attribute filter=crypt, which is not supported",
        ),
        (
            "*.png working-tree-encoding=UTF-16LE",
            "img/logo.png has the attribute working-tree-encoding=UTF-16LE, which is not supported",
        ),
    ] {
        let attributes = repo.object("blob", attributes.as_bytes());
        let sub = repo.tree(&[("100644", "logo.png", &empty)]);
        let tree = repo.tree(&[
            ("100644", ".gitattributes", &attributes),
            ("40000", "img", &sub),
        ]);
        assert_eq!(repo.refusal(&repo.commit_of(&tree)), words);
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let repo = Repo::new();
    let empty = repo.object("blob", b"");
    let sub = repo.tree(&[("100644", "x", &empty)]);
    for name in ["..", ".", ".git", ".GIT", "a/b", "/etc"] {
        for (mode, id) in [("100644", &empty), ("40000", &sub), ("120000", &empty)] {
            let tree = repo.tree(&[(mode, name, id)]);
            let words = format!("the tree holds a path that is refused: {name}");
            assert_eq!(repo.refusal(&repo.commit_of(&tree)), words);
        }
    }
    // A link out, and files through it.
    let link = repo.object("blob", b"/tmp");
    let tree = repo.tree(&[("120000", "a", &link), ("40000", "a", &sub)]);
    assert_eq!(
        repo.refusal(&repo.commit_of(&tree)),
        "the tree holds a path that is refused: a"
    );
}

#[test]
fn a_tree_that_multiplies_itself_is_refused() {
    let repo = Repo::new();
    let mut id = repo.object("blob", b"");
    let mut mode = "100644";
    for _ in 0..8 {
        let names: Vec<String> = (0..10).map(|n| format!("d{n}")).collect();
        let entries: Vec<_> = names
            .iter()
            .map(|name| (mode, name.as_str(), id.as_str()))
            .collect();
        id = repo.tree(&entries);
        mode = "40000";
    }
    let words = repo.refusal(&repo.commit_of(&id));
    assert!(
        words.starts_with("the tree is too large: more than 500000 files"),
        "{words}"
    );
    // Nor is it counted to its end what makes it of another.
    let (none, git) = (repo.tree(&[]), repo.git_dir());
    assert_eq!(tree_changes::count(&git, &none, &id).unwrap(), None);
    tree_changes::files(&git, &none, &id, 3).unwrap();

    let mut id = repo.tree(&[]);
    for _ in 0..130 {
        id = repo.tree(&[("40000", "d", &id)]);
    }
    let words = repo.refusal(&repo.commit_of(&id));
    assert!(
        words.starts_with("the tree is too large: more than 128 directories"),
        "{words}"
    );
}

#[test]
fn bytes_are_counted_for_each_file_also_of_one_content() {
    let repo = Repo::new();
    let blob = repo.object("blob", &[b'x'; 1_000]);
    let tree = repo.tree(&[("100644", "a", &blob), ("100644", "b", &blob)]);
    let opened = repository::open(&repo.git_dir()).unwrap();
    let tree = gix::ObjectId::from_hex(tree.as_bytes()).unwrap();
    let budget = Budget {
        bytes: 1_999,
        ..Budget::default()
    };
    let error = survey(&opened, tree, budget).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tree is too large: more than 1999 bytes"
    );
}

#[test]
fn a_filter_of_the_configuration_is_not_run() {
    let repo = Repo::new();
    let trap = repo.home.path().join("ran");
    repo.file(".gitattributes", "*.txt filter=trap\n");
    repo.file("a.txt", "x\n");
    let commit = repo.commit();
    repo.git(&[
        "config",
        "filter.trap.smudge",
        &format!("touch {}; cat", trap.display()),
    ]);
    repo.refusal(&commit);
    assert!(!trap.exists());
}

#[test]
fn the_daemon_reads_files_subjects_and_history() {
    let repo = Repo::new();
    repo.file("wharf.toml", "[web]\n");
    repo.file("sub/big", vec![b'x'; 300]);
    std::os::unix::fs::symlink("wharf.toml", repo.work().join("Procfile")).unwrap();
    let first = repo.commit();
    let second = repo.commit();
    let git = repo.git_dir();
    let wanted = [
        "wharf.toml",
        "sub/big",
        "sub",
        "Procfile",
        "none/at/all",
        "wharf.toml/x",
        "",
    ];
    let entries = repository::read_files(&git, &first, &wanted, 256).unwrap();
    let short: Vec<_> = entries
        .iter()
        .map(|e| (e.kind, e.size, e.content.as_deref()))
        .collect();
    use repository::EntryKind::{Absent, Directory, File, Link};
    assert_eq!(
        short,
        [
            (File, 6, Some(&b"[web]\n"[..])),
            (File, 300, None),
            (Directory, 0, None),
            (Link, 10, Some(b"wharf.toml")),
            (Absent, 0, None),
            (Absent, 0, None),
            (Absent, 0, None),
        ]
    );
    assert_eq!(repository::subject(&git, &first).unwrap(), "A subject");
    assert_eq!(
        repository::tree_of(&git, &first).unwrap(),
        repo.git(&["rev-parse", "HEAD^{tree}"])
    );
    let other = repo.commit_of(&repo.tree(&[]));
    let ancestor = |old: &str, new: &str| repository::is_ancestor(&git, old, new).unwrap();
    assert!(ancestor(&first, &second) && ancestor(&first, &first));
    assert!(!ancestor(&second, &first) && !ancestor(&other, &second));
    repo.git(&["branch", "feature/ü", &first]);
    let tips = crate::execute::refs::tips(&git).unwrap();
    let tips: Vec<_> = tips
        .iter()
        .map(|t| (String::from_utf8_lossy(&t.name), t.commit.as_ref().unwrap()))
        .collect();
    assert_eq!(
        tips,
        [
            ("refs/heads/feature/ü".into(), &first),
            ("refs/heads/main".into(), &second)
        ]
    );
    assert!(repository::subject(&git, "HEAD").is_err());
    assert!(repository::subject(&git, &"0".repeat(40)).is_err());
}

#[test]
fn a_checkout_that_is_stopped_says_so() {
    let repo = Repo::new();
    repo.file("a", "a");
    let commit = repo.commit();
    let stopped = checkout(
        &repo.git_dir(),
        &commit,
        &repo.target(),
        &AtomicBool::new(true),
    );
    assert!(
        matches!(stopped, Err(CheckoutError::Stopped)),
        "{stopped:?}"
    );
}
