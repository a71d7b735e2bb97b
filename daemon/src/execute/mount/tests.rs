use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use rustix::fs::{CWD, mknodat};
use tar::{Builder, EntryType, Header};
use wharf_config::application::Mount;
use wharf_config::name::RelPath;
use wharf_wire::mount::Holds;
use wharf_wire::slug::How;

use super::*;

/// An environment's mounts, with one of them.
struct Mounts {
    home: tempfile::TempDir,
    quota: Option<u64>,
}

const PLENTY: Most = Most { bytes: 1 << 30 };

impl Mounts {
    fn new() -> Mounts {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("all/media")).unwrap();
        Mounts { home, quota: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path("all/media").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("all/media").join(name)).unwrap()
    }

    fn named(&self, below: &str) -> Named {
        Named {
            mount: RelPath::parse("media").unwrap(),
            kind: Mount::Data,
            quota: self.quota,
            below: RelPath::parse(below).unwrap(),
        }
    }

    fn unpack(&self, archive: &[u8], most: Most) -> Result<(), MountError> {
        let (staging, stop) = (self.path("all/.new"), CancellationToken::new());
        disk::remove_tree(&staging).unwrap();
        unpack(
            archive,
            &staging,
            Path::new(""),
            Holds::Directory,
            most,
            &stop,
        )
    }

    /// Looks, then does it, at a path below the mount.
    fn upload(
        &self,
        archive: &[u8],
        below: &str,
        remove: Remove,
    ) -> Result<(Done, Done), MountError> {
        let (staging, stop) = (self.path("all/.new"), CancellationToken::new());
        disk::remove_tree(&staging).unwrap();
        let at = PathBuf::from(if below == "." { "" } else { below });
        unpack(archive, &staging, &at, Holds::Directory, PLENTY, &stop)?;
        let (mount, all, named) = (self.path("all/media"), self.path("all"), self.named(below));
        let merging = Merging {
            staging: &staging,
            mount: &mount,
            all: &all,
            named: &named,
            remove,
            stop: &stop,
        };
        let looked = merging.survey(None)?;
        let done = merging.merge(looked.count())?;
        assert_eq!(
            (looked.added, looked.replaced, looked.removed),
            (done.added, done.replaced, done.removed)
        );
        Ok((looked, done))
    }

    fn download(&self, below: &str) -> Result<(Vec<u8>, Taken), MountError> {
        let (mount, stop) = (self.path("all/media"), CancellationToken::new());
        let thing = open(&mount, &self.named(below))?;
        let mut out = Vec::new();
        let taken = download(&mut out, thing, &mount, &stop)?;
        Ok((out, taken))
    }
}

/// An archive of files, links (`-> target`) and directories (a slash at the end).
fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Builder::new(Vec::new());
    for (name, text) in entries {
        let mut header = Header::new_gnu();
        header.set_mtime(1_000_000_000);
        header.set_mode(0o640);
        header.set_size(0);
        if let Some(target) = text.strip_prefix("-> ") {
            header.set_entry_type(EntryType::Symlink);
            out.append_link(&mut header, name, target).unwrap();
        } else if name.ends_with('/') {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o2750);
            out.append_data(&mut header, name, &b""[..]).unwrap();
        } else {
            header.set_size(text.len() as u64);
            out.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
    }
    out.into_inner().unwrap()
}

/// One entry with a name that no program of good will writes.
fn forged(name: &str, kind: EntryType, target: &str) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o4777);
    header.set_size(0);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend([0; 1024]);
    bytes
}

#[test]
fn what_comes_takes_its_place_and_others_stay() {
    let mounts = Mounts::new();
    mounts.write("a/old", "old");
    mounts.write("a/same", "one");
    mounts.write("other", "other");
    let archive = archive(&[
        ("./", ""),
        ("a/", ""),
        ("a/same", "two"),
        ("a/link", "-> ../other"),
        // Its directories are nowhere named.
        ("b/c/new", "new"),
        ("empty/", ""),
    ]);
    let (looked, done) = mounts.upload(&archive, ".", Remove::Nothing).unwrap();
    assert_eq!((done.added, done.replaced, done.removed), (2, 1, 0));
    let changes: Vec<_> = looked
        .changes
        .iter()
        .map(|c| (c.how, c.path.as_str()))
        .collect();
    let expected = [
        (How::Added, "a/link"),
        (How::Changed, "a/same"),
        (How::Added, "b/c/new"),
    ];
    assert_eq!(changes, expected);
    assert_eq!(mounts.read("a/old"), "old");
    assert_eq!(mounts.read("a/link"), "other");
    assert_eq!(mounts.read("b/c/new"), "new");
    let found = fs::metadata(mounts.path("all/media/a/same")).unwrap();
    assert_eq!(
        (found.mode() & 0o7777, found.mtime()),
        (0o640, 1_000_000_000)
    );
    let empty = fs::metadata(mounts.path("all/media/empty")).unwrap();
    // Neither set-group-ID nor a directory that nobody may write into.
    assert_eq!(empty.mode() & 0o7777, 0o750);
}

#[test]
fn only_what_is_below_the_path_is_made_equal() {
    let mounts = Mounts::new();
    for name in ["a/b/gone", "a/b/deep/gone", "a/stays", "stays"] {
        mounts.write(name, name);
    }
    symlink("/etc", mounts.path("all/media/a/b/out")).unwrap();
    let socket = mounts.path("all/media/a/b/socket");
    mknodat(CWD, &socket, FileType::Socket, Mode::RWXU, 0).unwrap();
    let closed = mounts.path("all/media/a/b/deep");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).unwrap();
    let (_, done) = mounts
        .upload(&archive(&[("kept", "x")]), "a/b", Remove::Others)
        .unwrap();
    assert_eq!((done.added, done.replaced, done.removed), (1, 0, 3));
    let mut left: Vec<_> = fs::read_dir(mounts.path("all/media/a/b"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["kept", "socket"]);
    assert_eq!(mounts.read("a/stays"), "a/stays");
    assert_eq!(mounts.read("stays"), "stays");
    assert!(Path::new("/etc/passwd").exists());
}

#[test]
fn what_is_of_another_kind_stays_unless_it_is_to_go() {
    let mounts = Mounts::new();
    mounts.write("file", "x");
    mounts.write("directory/x", "x");
    let over = [("file/y", "y"), ("directory", "y")].map(|entry| archive(&[entry]));
    for archive in &over {
        let error = mounts.upload(archive, ".", Remove::Nothing).unwrap_err();
        assert_eq!(error.code(), "upload-refused", "{error}");
    }
    assert_eq!(mounts.read("file") + &mounts.read("directory/x"), "xx");
    mounts.upload(&over[0], ".", Remove::Others).unwrap();
    assert_eq!(mounts.read("file/y"), "y");
    assert!(!mounts.path("all/media/directory").exists());
}

#[test]
fn no_link_that_an_application_made_leads_an_upload_out() {
    let mounts = Mounts::new();
    fs::create_dir(mounts.path("outside")).unwrap();
    symlink(mounts.path("outside"), mounts.path("all/media/a")).unwrap();
    let error = mounts
        .upload(&archive(&[("a/x", "x")]), ".", Remove::Nothing)
        .unwrap_err();
    assert_eq!(error.code(), "upload-refused", "{error}");
    let error = mounts.download("a/x").unwrap_err();
    assert_eq!(error.code(), "upload-refused", "{error}");
    // Where it is to be equal, the link itself goes.
    mounts
        .upload(&archive(&[("a/x", "x")]), ".", Remove::Others)
        .unwrap();
    assert_eq!(mounts.read("a/x"), "x");
    assert_eq!(fs::read_dir(mounts.path("outside")).unwrap().count(), 0);
}

#[test]
fn what_no_mount_is_given_is_refused() {
    let mounts = Mounts::new();
    let refused = |bytes: &[u8]| {
        let error = mounts.unpack(bytes, PLENTY).unwrap_err();
        assert!(!mounts.path("out").exists() && !mounts.path("all/out").exists());
        (error.code(), error.to_string())
    };
    for (name, kind, target) in [
        ("../out", EntryType::Regular, ""),
        ("a/../../out", EntryType::Regular, ""),
        ("/tmp/out", EntryType::Regular, ""),
        ("out", EntryType::Symlink, "/etc"),
        ("out", EntryType::Symlink, "../x"),
        ("out", EntryType::Symlink, ""),
        ("out", EntryType::Link, "etc"),
        ("out", EntryType::Char, ""),
        ("out", EntryType::Block, ""),
        ("out", EntryType::Fifo, ""),
    ] {
        let (code, said) = refused(&forged(name, kind, target));
        assert_eq!(code, "upload-refused", "{name} {kind:?} {target}: {said}");
    }
    for twice in [
        archive(&[("a", "1"), ("a", "2")]),
        archive(&[("a", "1"), ("a/b", "2")]),
        archive(&[("l", "-> a"), ("a/", ""), ("l/x", "2")]),
    ] {
        let (code, said) = refused(&twice);
        assert_eq!(code, "upload-refused", "{said}");
        assert!(said.contains("twice"), "{said}");
    }
    let deep = "d/".repeat(DEEPEST + 1);
    assert!(refused(&archive(&[(&deep, "")])).1.contains("too deep"));
    let large = archive(&[("a", "12345"), ("b", "67890")]);
    let error = mounts.unpack(&large, Most { bytes: 9 }).unwrap_err();
    assert_eq!(error.code(), "mount-full");
    assert_eq!(refused(b"this is no archive at all").0, "upload-refused");
    assert_eq!(refused(&[b'x'; 2048]).0, "upload-refused");
}

#[test]
fn no_archive_that_was_cut_off_is_taken_for_a_whole_one() {
    let mounts = Mounts::new();
    let whole = archive(&[
        ("a", "1"),
        ("b/", ""),
        ("c", &"x".repeat(600)),
        ("zero", "\0"),
    ]);
    mounts.unpack(&whole, PLENTY).unwrap();
    for length in (0..=whole.len() - 512).step_by(64) {
        let error = mounts.unpack(&whole[..length], PLENTY);
        let error = error.expect_err(&format!("{length} of {}", whole.len()));
        let codes = ["upload-damaged", "upload-refused"];
        assert!(codes.contains(&error.code()), "{length}: {error}");
    }
    let mut longer = whole.clone();
    longer.push(b'x');
    assert_eq!(
        mounts.unpack(&longer, PLENTY).unwrap_err().code(),
        "upload-refused"
    );
}

#[test]
fn a_quota_counts_what_would_be_there() {
    let mut mounts = Mounts::new();
    mounts.write("big", &"x".repeat(900_000));
    mounts.quota = Some(1_000_000);
    let more = archive(&[("more", &"y".repeat(400_000))]);
    let error = mounts.upload(&more, ".", Remove::Nothing).unwrap_err();
    assert_eq!(error.code(), "mount-full");
    assert!(error.to_string().contains("its quota is 1.0 MB"), "{error}");
    // What goes makes room for what comes.
    let instead = archive(&[("big", &"y".repeat(400_000))]);
    mounts.upload(&instead, ".", Remove::Nothing).unwrap();
    mounts.upload(&more, ".", Remove::Nothing).unwrap();
    let stop = CancellationToken::new();
    let used = size(
        &mounts.path("all/media"),
        &mounts.named("."),
        LONGEST_LOOK,
        &stop,
    )
    .unwrap();
    assert_eq!((used.files, used.whole), (2, true));
    assert!((800_000..1_000_000).contains(&used.bytes), "{used:?}");
}

#[test]
fn what_is_taken_comes_back_as_it_was() {
    let mounts = Mounts::new();
    mounts.write("a b/\u{e9}", "1");
    mounts.write("empty", "");
    symlink("a b/\u{e9}", mounts.path("all/media/link")).unwrap();
    symlink("/etc/passwd", mounts.path("all/media/out")).unwrap();
    mknodat(
        CWD,
        mounts.path("all/media/pipe"),
        FileType::Fifo,
        Mode::RWXU,
        0,
    )
    .unwrap();
    let (bytes, taken) = mounts.download(".").unwrap();
    assert_eq!((taken.files, taken.bytes, taken.more), (3, 1, 0));
    let left_out = taken.left_out.join("\n");
    assert!(left_out.contains("out: the link leads out"), "{left_out}");
    assert!(left_out.contains("pipe: it is a socket"), "{left_out}");
    let other = Mounts::new();
    let (_, done) = other.upload(&bytes, ".", Remove::Nothing).unwrap();
    assert_eq!(done.added, 3);
    assert_eq!(other.read("link"), "1");
    let (one, taken) = mounts.download("a b/\u{e9}").unwrap();
    assert_eq!(taken.files, 1);
    let mut one = tar::Archive::new(&one[..]);
    let entry = one.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.path().unwrap(), Path::new("\u{e9}"));
    assert_eq!(mounts.download("none").unwrap_err().code(), "no-path");
    assert_eq!(
        mounts.download("link").unwrap_err().code(),
        "upload-refused"
    );
}
