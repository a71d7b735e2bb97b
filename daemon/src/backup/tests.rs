//! What is read back is what was there, and nothing of an archive that somebody else made.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;

use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::look::look;
use super::*;
use crate::execute::walk;
use crate::store::migrate::VERSION;

fn place() -> (tempfile::TempDir, Place, Paths) {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::below(directory.path().join("home"));
    let paths = Paths::new(&place);
    (directory, place, paths)
}

fn manifest(form: u32, schema: usize) -> Vec<u8> {
    serde_json::to_vec(&Manifest {
        backup: form,
        wharf: "9.9.9".into(),
        schema,
        made: 0,
        slugs: false,
        config: "/".into(),
        state: "/".into(),
    })
    .unwrap()
}

/// An archive with these entries between manifest and end, whose digest is right.
fn forged(entries: &[(&str, EntryType, &str)], form: u32, schema: usize) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let add = |tar: &mut Builder<Vec<u8>>, name: &str, kind, bytes: &[u8], link: &str| {
        let mut header = Header::new_gnu();
        // Not by `set_path`, which refuses what is tried here.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        tar.append(&header, bytes).unwrap();
    };
    let file = EntryType::Regular;
    add(&mut tar, MANIFEST, file, &manifest(form, schema), "");
    for (name, kind, link) in entries {
        add(&mut tar, name, *kind, b"", link);
    }
    let end = End {
        digest: data_encoding::HEXLOWER.encode(&Sha256::digest(tar.get_ref())),
        entries: entries.len() as u64 + 1,
    };
    let end = serde_json::to_vec(&end).unwrap();
    add(&mut tar, super::END, file, &end, "");
    tar.into_inner().unwrap()
}

#[test]
fn nothing_that_we_do_not_write_is_taken() {
    let (directory, _, paths) = place();
    let archive = directory.path().join("a.tar");
    let file = EntryType::Regular;
    let database = ("state/wharf.db", file, "");
    let said = |entries: &[(&str, EntryType, &str)], form, schema| {
        fs::write(&archive, forged(entries, form, schema)).unwrap();
        look(&archive, &paths)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(said(&[database], FORM, VERSION), Ok(()));
    for (entry, why) in [
        (("../outside", file, ""), "has a path like"),
        (("/etc/passwd", file, ""), "has a path like"),
        (("state/mounts/../../x", file, ""), "has a path like"),
        (("state/lock", file, ""), "has a path like"),
        (
            ("state/mounts", EntryType::Symlink, "/etc"),
            "has a path like",
        ),
        (("other", file, ""), "has a path like"),
        (
            ("state/mounts/pipe", EntryType::Fifo, ""),
            "is no file, directory or link",
        ),
        (
            ("state/mounts/dev", EntryType::Char, ""),
            "is no file, directory or link",
        ),
        (
            ("state/mounts/hard", EntryType::Link, "/etc/shadow"),
            "is no file, directory or link",
        ),
        (
            ("state/wharf.db", EntryType::Symlink, "/etc/shadow"),
            "is no file, directory or link",
        ),
    ] {
        let said = said(&[entry, database], FORM, VERSION).unwrap_err();
        assert!(said.contains(why), "{entry:?}: {said}");
    }
    let old = said(&[], FORM, VERSION).unwrap_err();
    assert!(old.contains("no database is in it"), "{old}");
    let newer = said(&[database], FORM + 1, VERSION).unwrap_err();
    assert!(newer.contains("Wharf 9.9.9 wrote it in form 2"), "{newer}");
    let newer = said(&[database], FORM, VERSION + 1).unwrap_err();
    assert!(newer.contains("a newer Wharf (9.9.9)"), "{newer}");
}

/// A link that leads out is brought back as it was, and nothing is ever written through one.
#[test]
fn nothing_is_written_through_a_link() {
    let (directory, place, paths) = place();
    let outside = directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o755)).unwrap();
    let archive = directory.path().join("a.tar");
    let to = outside.to_str().unwrap();
    let entries = [
        ("state/mounts/shop", EntryType::Directory, ""),
        ("state/mounts/shop/up", EntryType::Symlink, to),
        ("state/mounts/shop/up/evil", EntryType::Regular, ""),
        ("state/wharf.db", EntryType::Regular, ""),
    ];
    fs::write(&archive, forged(&entries, FORM, VERSION)).unwrap();
    let refused = unpack::unpack(&place, &paths, &archive, unpack::Present::Refuse);
    refused.unwrap_err();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(
        !paths.all_mounts().join("shop").exists(),
        "it is taken away again"
    );
    assert!(!paths.database().exists());
}

/// What an application does to its files while they are read ends no backup and leads nobody out.
#[test]
fn a_walk_follows_no_link_and_names_what_it_leaves_out() {
    #[derive(Default)]
    struct Seen(Vec<String>, Vec<String>);
    impl walk::Visit for Seen {
        fn found(
            &mut self,
            path: &Path,
            _: &rustix::fs::Stat,
            found: walk::Found,
        ) -> std::io::Result<()> {
            let kind = match found {
                walk::Found::Directory => "d".to_owned(),
                walk::Found::File(_) => "f".to_owned(),
                walk::Found::Link(to) => format!("-> {}", to.display()),
            };
            self.0.push(format!("{} {kind}", path.display()));
            Ok(())
        }

        fn left_out(&mut self, path: &Path, why: &str) {
            self.1.push(format!("{}: {why}", path.display()));
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path();
    fs::create_dir_all(top.join("a/b")).unwrap();
    File::create(top.join("a/file")).unwrap();
    std::os::unix::fs::symlink("/etc", top.join("a/etc")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, top.join("pipe"), kind, mode, 0).unwrap();
    let deep: PathBuf = std::iter::repeat_n("d", 210).collect();
    fs::create_dir_all(top.join(deep)).unwrap();
    let mut seen = Seen::default();
    walk::walk(top, Path::new("t"), &mut seen).unwrap();
    assert_eq!(
        seen.0[..4],
        ["t/a d", "t/a/b d", "t/a/etc -> /etc", "t/a/file f"]
    );
    assert_eq!(seen.1.len(), 2, "{:?}", seen.1);
    assert!(seen.1[0].ends_with("it is nested too deep"));
    assert_eq!(seen.1[1], "t/pipe: it is a socket, a pipe or a device");
    walk::walk(&top.join("none"), Path::new("t"), &mut seen).unwrap();
}
