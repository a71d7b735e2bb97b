use std::os::unix::{fs::symlink, net::UnixListener};

use super::*;

struct Build {
    home: tempfile::TempDir,
    key: SlugKey,
}

impl Build {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("store")).unwrap();
        let build = Self {
            home,
            key: SlugKey::parse(&"ab".repeat(32)).unwrap(),
        };
        build.file("index.html", "hello");
        build.file("sub/deep/x", "1234567890");
        build
    }

    fn app(&self) -> PathBuf {
        self.home.path().join("app")
    }

    fn file(&self, path: &str, content: &str) {
        let path = self.app().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn freeze(&self, mount_points: &[MountPoint]) -> Result<Frozen, FreezeError> {
        self.freeze_within(mount_points, 1_000, 1_000_000)
    }

    fn freeze_within(
        &self,
        mount_points: &[MountPoint],
        max_entries: u64,
        max_bytes: u64,
    ) -> Result<Frozen, FreezeError> {
        let store = self.home.path().join("store");
        let (built, key) = (self.app(), &self.key);
        freeze(&Freeze {
            built: &built,
            store: &store,
            key,
            mount_points,
            max_entries,
            max_bytes,
            stop: &AtomicBool::new(false),
        })
    }
}

fn point(path: &str, kind: MountKind) -> MountPoint {
    MountPoint {
        path: path.into(),
        kind,
    }
}

#[test]
fn a_build_becomes_a_slug() {
    let build = Build::new();
    symlink("/usr/bin/python3", build.app().join("python")).unwrap();
    let frozen = build.freeze(&[]).unwrap();
    assert_eq!(
        frozen.path,
        build.home.path().join("store").join("ab".repeat(32))
    );
    assert_eq!((frozen.files, frozen.bytes), (3, 31));
    assert_eq!(frozen.notes, [""; 0]);
    assert_eq!(
        fs::read_to_string(frozen.path.join("sub/deep/x")).unwrap(),
        "1234567890"
    );
    assert_eq!(
        fs::read_link(frozen.path.join("python")).unwrap(),
        Path::new("/usr/bin/python3")
    );
    assert!(!build.app().exists());

    build.file("again", "");
    let error = build.freeze(&[]).unwrap_err();
    assert_eq!(error.to_string(), "slug ababab exists already");
    assert!(build.app().exists());
}

#[test]
fn the_digest_tells_contents_names_and_modes_apart() {
    let digest = |change: fn(&Build)| {
        let build = Build::new();
        change(&build);
        build.freeze(&[]).unwrap().digest
    };
    let digests = [
        digest(|_| {}),
        digest(|build| build.file("index.html", "hellO")),
        digest(|build| build.file("new", "")),
        digest(|build| fs::create_dir(build.app().join("new")).unwrap()),
        digest(|build| {
            symlink("", build.app().join("new"))
                .unwrap_or_else(|_| symlink("x", build.app().join("new")).unwrap())
        }),
        digest(|build| {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(build.app().join("index.html"), mode).unwrap();
        }),
    ];
    let different: std::collections::HashSet<_> = digests.iter().collect();
    assert_eq!(different.len(), digests.len());
    assert_eq!(digests[0], digest(|_| {}));
}

#[test]
fn hard_links_and_special_bits_do_not_come_along() {
    let build = Build::new();
    let outside = build.home.path().join("outside");
    fs::write(&outside, "before").unwrap();
    fs::hard_link(&outside, build.app().join("linked")).unwrap();
    fs::set_permissions(
        build.app().join("index.html"),
        fs::Permissions::from_mode(0o6755),
    )
    .unwrap();
    fs::set_permissions(
        build.app().join("sub/deep"),
        fs::Permissions::from_mode(0o2050),
    )
    .unwrap();
    let frozen = build.freeze(&[]).unwrap();
    fs::write(&outside, "after").unwrap();
    assert_eq!(
        fs::read_to_string(frozen.path.join("linked")).unwrap(),
        "before"
    );
    let mode = |path| {
        fs::metadata(frozen.path.join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!((mode("index.html"), mode("sub/deep")), (0o755, 0o750));
    assert_eq!(
        frozen.notes,
        [
            "setuid and setgid bits taken from 1 files",
            "1 hard links became files of their own"
        ]
    );
    assert_eq!(fs::read_dir(&frozen.path).unwrap().count(), 3);
}

/// As uv, pnpm and cargo lay out what they install: links to the interpreter, between packages and to
/// themselves in a loop, and one file under two names.
#[test]
fn the_trees_of_package_managers_come_through_whole() {
    let build = Build::new();
    let links = [
        (".venv/bin/python", "/usr/bin/python3"),
        (".venv/bin/python3", "python"),
        (".venv/lib64", "lib"),
        ("node_modules/odd", ".pnpm/odd@3.0.1/node_modules/odd"),
        (
            "node_modules/.pnpm/odd@3.0.1/node_modules/number",
            "../../number@6.0.0/node_modules/number",
        ),
        ("packages/shop/node_modules/shop", "../../shop"),
        ("gone", "/app/was/never/here"),
    ];
    for (file, content) in [
        (".venv/lib/six.py", "six"),
        (
            "node_modules/.pnpm/odd@3.0.1/node_modules/odd/index.js",
            "odd",
        ),
        (
            "node_modules/.pnpm/number@6.0.0/node_modules/number/index.js",
            "number",
        ),
        ("packages/shop/index.js", "shop"),
        ("target/release/deps/shop-0a1b", "binary"),
    ] {
        build.file(file, content);
    }
    for (link, target) in links {
        let link = build.app().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }
    let deps = build.app().join("target/release/deps/shop-0a1b");
    fs::hard_link(&deps, build.app().join("target/release/shop")).unwrap();
    let slug = build.freeze(&[]).unwrap().path;
    for (link, target) in links {
        assert_eq!(fs::read_link(slug.join(link)).unwrap(), Path::new(target));
    }
    let read = |path| fs::read_to_string(slug.join(path)).unwrap();
    assert_eq!(read(".venv/lib64/six.py"), "six");
    assert_eq!(read("node_modules/odd/index.js"), "odd");
    assert_eq!(
        read("node_modules/.pnpm/odd@3.0.1/node_modules/number/index.js"),
        "number"
    );
    assert_eq!(read("target/release/shop"), "binary");
}

#[test]
fn what_is_no_file_is_refused_by_name() {
    let build = Build::new();
    let _socket = UnixListener::bind(build.app().join("sub/s.sock")).unwrap();
    let error = build.freeze(&[]).unwrap_err();
    assert_eq!(error.to_string(), "the build left a socket at sub/s.sock");
    fs::remove_file(build.app().join("sub/s.sock")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    let path = build.app().join("p");
    rustix::fs::mknodat(rustix::fs::CWD, path, fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let error = build.freeze(&[]).unwrap_err();
    assert_eq!(error.to_string(), "the build left a named pipe at p");
    assert_eq!(
        fs::read_dir(build.home.path().join("store"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn limits_hold_also_against_sparse_files() {
    let build = Build::new();
    let words = |entries, bytes| {
        build
            .freeze_within(&[], entries, bytes)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        words(3, 100),
        "the build's result is too large: more than 3 files and directories"
    );
    assert_eq!(
        words(4, 14),
        "the build's result is too large: more than 14 bytes"
    );
    let file = fs::File::create(build.app().join("sparse")).unwrap();
    file.set_len(1 << 42).unwrap();
    assert_eq!(
        words(9, 1_000),
        "the build's result is too large: more than 1000 bytes"
    );
}

#[test]
fn mount_points_are_made_and_what_they_hide_is_said() {
    use MountKind::{Directory, File, Guess};
    let build = Build::new();
    fs::create_dir(build.app().join("empty")).unwrap();
    build.file("Procfile", "web: x");
    let points = [
        point("data", Guess),
        point("var/db.sqlite", Guess),
        point(".cache", Guess),
        point("conf.d", Directory),
        point("etc/key", File),
        point("empty", Guess),
        point("sub", Guess),
        point("Procfile", Guess),
    ];
    let frozen = build.freeze(&points).unwrap();
    for (path, directory) in [
        ("data", true),
        ("var/db.sqlite", false),
        (".cache", true),
        ("conf.d", true),
        ("etc/key", false),
    ] {
        assert_eq!(
            fs::metadata(frozen.path.join(path)).unwrap().is_dir(),
            directory,
            "{path}"
        );
    }
    let notes = [
        "the mount sub hides files of the build",
        "the mount Procfile hides a file of the build",
    ];
    assert_eq!(frozen.notes, notes);
}

#[test]
fn a_mount_point_leads_nowhere_else() {
    let build = Build::new();
    symlink("/tmp", build.app().join("link")).unwrap();
    for (path, kind, why) in [
        (
            "../x",
            MountKind::Guess,
            "it is no path below the application's directory",
        ),
        (
            "/x",
            MountKind::Guess,
            "it is no path below the application's directory",
        ),
        ("link/x", MountKind::Guess, "link is a file or a link"),
        (
            "index.html/x",
            MountKind::Guess,
            "index.html is a file or a link",
        ),
        ("link", MountKind::Guess, "a link is there"),
        ("sub", MountKind::File, "a directory is there"),
    ] {
        let error = build.freeze(&[point(path, kind)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot make the mount point {path}: {why}")
        );
    }
}

#[test]
fn a_freeze_that_is_stopped_leaves_the_store_as_it_was() {
    let build = Build::new();
    let store = build.home.path().join("store");
    let stopped = freeze(&Freeze {
        built: &build.app(),
        store: &store,
        key: &build.key,
        mount_points: &[],
        max_entries: 1_000,
        max_bytes: 1_000_000,
        stop: &AtomicBool::new(true),
    });
    assert!(matches!(stopped, Err(FreezeError::Stopped)), "{stopped:?}");
    assert_eq!(fs::read_dir(store).unwrap().count(), 0);
}
