//! The installer on real repositories, under real git.

mod hosts;
mod refusing;
mod trouble;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use tempfile::TempDir;
use wharf_config::host::OnFailure;
use wharf_hooks::stub::{Stub, Unreachable};

use super::{
    Change, HookState, InstallError, Mode, Options, install, record, repository::Repository,
    status, uninstall,
};

struct World {
    dir: TempDir,
    options: Options,
}

/// Everything in a directory: name → mode and bytes, or a link's target.
type Tree = BTreeMap<PathBuf, (u32, Vec<u8>)>;

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let binaries = dir.path().join("bin");
        fs::create_dir(&binaries).unwrap();
        for name in [
            "wharf-pre-receive",
            "wharf-proc-receive",
            "wharf-post-receive",
        ] {
            let text = "#!/bin/sh\necho \"${0##*/} reads $1\"\n";
            executable(&binaries.join(name), text);
        }
        let stub = Stub::new(dir.path().join("sock"));
        let world = World {
            dir,
            options: Options {
                binaries,
                stub,
                on_failure: OnFailure::Keep,
                way: None,
                git: super::git_version().unwrap(),
                mode: Mode::Write,
            },
        };
        world.git("", &["init", "-q", "--bare", "-b", "main", "bare.git"]);
        world
    }

    fn bare(&self) -> PathBuf {
        self.dir.path().join("bare.git")
    }

    fn hook(&self, name: &str) -> PathBuf {
        self.bare().join("hooks").join(name)
    }

    fn git(&self, directory: &str, arguments: &[&str]) -> Output {
        Command::new("git")
            .args(arguments)
            .current_dir(self.dir.path().join(directory))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.com")
            .env("GIT_COMMITTER_NAME", "C")
            .env("GIT_COMMITTER_EMAIL", "c@example.com")
            .output()
            .unwrap()
    }

    fn get(&self, key: &str) -> String {
        let output = self.git("bare.git", &["config", "--get-all", key]);
        String::from_utf8(output.stdout).unwrap()
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        collect(&self.bare(), &mut tree);
        tree
    }

    fn install(&self) -> Vec<Change> {
        install(&self.bare(), &self.options).unwrap().changes
    }
}

fn collect(directory: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mode = metadata.permissions().mode();
        if metadata.is_dir() {
            tree.insert(path.clone(), (mode, Vec::new()));
            collect(&path, tree);
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes();
            tree.insert(path, (mode, target));
        } else {
            let bytes = fs::read(&path).unwrap();
            tree.insert(path, (mode, bytes));
        }
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn executable(path: &Path, text: &str) {
    write(path, text, 0o755);
}

fn hooks_written() -> [Change; 2] {
    [
        Change::Wrote {
            file: "hooks/pre-receive".to_owned(),
        },
        Change::Wrote {
            file: "hooks/post-receive".to_owned(),
        },
    ]
}

const SET: [Change; 5] = [
    Change::Set {
        key: "receive.advertisePushOptions",
        value: "true",
    },
    Change::Set {
        key: "receive.autogc",
        value: "false",
    },
    Change::Set {
        key: "receive.fsckObjects",
        value: "true",
    },
    Change::Set {
        key: "receive.unpackLimit",
        value: "1",
    },
    Change::Set {
        key: "core.fsync",
        value: "all",
    },
];

#[test]
fn a_repository_without_hooks_gets_them_once_and_loses_them_without_a_trace() {
    let world = World::new();
    let before = world.tree();
    assert!(
        before
            .keys()
            .any(|path| path.extension().is_some_and(|e| e == "sample"))
    );

    assert_eq!(world.install(), [&hooks_written()[..], &SET].concat());
    assert_eq!(world.get("receive.autogc"), "false\n");
    assert!(
        status(&world.bare(), OnFailure::Keep)
            .unwrap()
            .is_complete()
    );

    let installed = world.tree();
    assert_eq!(world.install(), []);
    assert_eq!(world.tree(), installed);

    let report = uninstall(&world.bare()).unwrap();
    assert_eq!(report.changes.len(), 7);
    assert_eq!(report.problems, []);
    assert_eq!(world.tree(), before);
    assert_eq!(uninstall(&world.bare()).unwrap().changes, []);
}

#[test]
fn git_starts_what_was_installed() {
    let world = World::new();
    world.install();
    world.git("", &["init", "-q", "-b", "main", "work"]);
    world.git("work", &["commit", "-q", "--allow-empty", "-m", "x"]);
    let output = world.git("work", &["push", "-o", "x", "../bare.git", "main"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("remote: wharf-pre-receive reads hooks/pre-receive"),
        "{said}"
    );
    assert!(
        said.contains("remote: wharf-post-receive reads hooks/post-receive"),
        "{said}"
    );
}

#[test]
fn earlier_hooks_and_settings_come_back_byte_for_byte() {
    let world = World::new();
    write(
        &world.hook("pre-receive"),
        "#!/bin/sh\nexit 0\n\n# \u{e9}",
        0o711,
    );
    write(&world.hook("post-receive"), "not executable", 0o640);
    executable(&world.hook("update"), "#!/bin/sh\n");
    for value in ["true", "1"] {
        world.git("bare.git", &["config", "--add", "receive.autogc", value]);
    }
    world.git("bare.git", &["config", "receive.fsckObjects", "yes"]);
    world.git("bare.git", &["config", "receive.denyDeletes", "false"]);
    let before = world.tree();

    let changes = world.install();
    assert_eq!(
        changes,
        [
            Change::Chained {
                hook: "pre-receive"
            },
            hooks_written()[0].clone(),
            Change::Kept {
                hook: "post-receive"
            },
            hooks_written()[1].clone(),
            SET[0].clone(),
            SET[1].clone(),
            SET[3].clone(),
            SET[4].clone(),
        ]
    );
    assert_eq!(world.get("receive.autogc"), "false\n");
    assert_eq!(world.install(), []);
    let chain = |hook| Stub::read(&world.hook(hook)).unwrap().chain;
    assert_eq!(
        chain("pre-receive").as_deref(),
        Some("pre-receive.before-wharf")
    );
    assert_eq!(chain("post-receive"), None);
    let kept = fs::metadata(world.hook("pre-receive.before-wharf")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o711);

    assert_eq!(uninstall(&world.bare()).unwrap().problems, []);
    assert_eq!(world.get("receive.autogc"), "true\n1\n");
    assert_eq!(world.get("receive.advertisePushOptions"), "");
    let after = world.tree();
    assert_eq!(after, before);
    assert!(!world.hook("pre-receive.before-wharf").exists());
    assert!(!world.bare().join(record::NAME).exists());
}

#[test]
fn a_linked_hook_stays_a_link() {
    let world = World::new();
    executable(&world.dir.path().join("shared"), "#!/bin/sh\n");
    symlink("../../shared", world.hook("pre-receive")).unwrap();
    symlink("../../nowhere", world.hook("post-receive")).unwrap();
    let before = world.tree();
    let changes = world.install();
    assert!(changes.contains(&Change::Chained {
        hook: "pre-receive"
    }));
    assert!(changes.contains(&Change::Kept {
        hook: "post-receive"
    }));
    assert_eq!(world.install(), []);
    uninstall(&world.bare()).unwrap();
    assert_eq!(world.tree(), before);
}

#[test]
fn a_repository_without_a_hooks_directory_has_none_afterwards() {
    let world = World::new();
    fs::remove_dir_all(world.bare().join("hooks")).unwrap();
    let before = world.tree();
    world.install();
    assert!(
        status(&world.bare(), OnFailure::Keep)
            .unwrap()
            .is_complete()
    );
    assert_eq!(world.install(), []);
    uninstall(&world.bare()).unwrap();
    assert_eq!(world.tree(), before);
}

#[test]
fn other_options_rewrite_the_stubs_and_nothing_else() {
    let mut world = World::new();
    world.install();
    world.options.stub = Stub {
        unreachable: Unreachable::Accept,
        answer: Duration::from_millis(500),
        ..Stub::new("/run/other.sock")
    };
    let rewrote = [
        Change::Rewrote {
            file: "hooks/pre-receive".to_owned(),
        },
        Change::Rewrote {
            file: "hooks/post-receive".to_owned(),
        },
    ];
    assert_eq!(world.install(), rewrote);
    assert_eq!(
        Stub::read(&world.hook("pre-receive")).unwrap(),
        world.options.stub
    );
    fs::set_permissions(
        world.hook("post-receive"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    assert_eq!(
        status(&world.bare(), OnFailure::Keep)
            .unwrap()
            .problems
            .len(),
        1
    );
    assert_eq!(world.install(), rewrote[1..]);
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let mut world = World::new();
    executable(&world.hook("pre-receive"), "#!/bin/sh\n");
    let before = world.tree();
    world.options.mode = Mode::DryRun;
    let said = world.install();
    assert_eq!(world.tree(), before);
    world.options.mode = Mode::Write;
    assert_eq!(world.install(), said);
}

#[test]
fn an_installation_that_stopped_anywhere_is_made_whole() {
    // What each step leaves behind, in the order of the steps.
    let steps: [fn(&World); 5] = [
        |world| {
            let mut record = record::Record::new();
            record
                .settings
                .insert("receive.autogc".into(), vec![Some("true".into())]);
            record
                .settings
                .insert("receive.fsckObjects".into(), Vec::new());
            record
                .settings
                .insert("receive.advertisePushOptions".into(), Vec::new());
            record.write(&world.bare()).unwrap();
        },
        |world| {
            let kept = world.hook("pre-receive.before-wharf");
            fs::hard_link(world.hook("pre-receive"), kept).unwrap();
        },
        |world| fs::write(world.hook(".wharf-left"), "half").unwrap(),
        |world| {
            let chain = Some("pre-receive.before-wharf".into());
            let stub = Stub {
                chain,
                ..world.options.stub.clone()
            };
            let text = stub
                .render(&world.options.binaries.join("wharf-pre-receive"))
                .unwrap();
            fs::remove_file(world.hook("pre-receive")).unwrap();
            executable(&world.hook("pre-receive"), &text);
        },
        |world| {
            let repository = Repository::open(&world.bare()).unwrap();
            repository
                .set("receive.autogc", &[Some("false".into())])
                .unwrap();
        },
    ];
    for stop in 1..=steps.len() {
        for remove_at_once in [false, true] {
            let world = World::new();
            executable(&world.hook("pre-receive"), "#!/bin/sh\nexit 0\n");
            world.git("bare.git", &["config", "receive.autogc", "true"]);
            let mut before = world.tree();
            steps[..stop].iter().for_each(|step| step(&world));
            if !remove_at_once {
                world.install();
                let status = status(&world.bare(), OnFailure::Keep).unwrap();
                assert!(
                    status.is_complete() && status.problems.is_empty(),
                    "{status:?}"
                );
                let stub = Stub::read(&world.hook("pre-receive")).unwrap();
                assert_eq!(stub.chain.as_deref(), Some("pre-receive.before-wharf"));
            }
            uninstall(&world.bare()).unwrap();
            let mut after = world.tree();
            after.remove(&world.hook(".wharf-left"));
            let config = world.bare().join("config");
            before.remove(&config);
            after.remove(&config);
            assert_eq!(
                after, before,
                "stopped after {stop}, removed at once: {remove_at_once}"
            );
            assert_eq!(world.get("receive.autogc"), "true\n");
        }
    }
}
