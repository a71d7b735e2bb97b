use std::os::unix::fs::PermissionsExt as _;

use super::*;

struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        World {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ssh/authorized_keys")
    }

    fn key(&self, text: &str) -> PathBuf {
        let path = self.directory.path().join("key.pub");
        fs::write(&path, format!("{text}\n")).unwrap();
        path
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }
}

/// A key as ssh-keygen makes it.
fn fresh(directory: &Path, name: &str) -> String {
    let path = directory.join(name);
    let made = std::process::Command::new("ssh-keygen")
        .args([
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "a comment with words",
            "-f",
        ])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    fs::read_to_string(path.with_extension("pub")).unwrap()
}

#[test]
fn keys_come_and_go_and_other_lines_stay() {
    let world = World::new();
    let (file, directory) = (world.file(), world.directory.path());
    let before = format!("# mine\nno-pty {}\n\n", fresh(directory, "other").trim());
    fs::create_dir(directory.join("ssh")).unwrap();
    fs::write(&file, &before).unwrap();
    let (alice, bob) = (fresh(directory, "alice"), fresh(directory, "bob"));

    add(&file, "alice", &world.key(&alice)).unwrap();
    add(&file, "bob.b", &world.key(&bob)).unwrap();
    let text = world.text();
    assert!(text.starts_with(&before), "{text}");
    let line = text.lines().nth(3).unwrap();
    assert!(line.starts_with("command=\"/"), "{line}");
    assert!(
        line.contains("/wharf-shell --user alice\",restrict,pty ssh-ed25519 AAAA"),
        "{line}"
    );
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let names: Vec<_> = Keys::read(&file)
        .unwrap()
        .ours()
        .map(|ours| ours.name)
        .collect();
    assert_eq!(names, ["alice", "bob.b"]);

    // A line of an earlier version, without a terminal, is known as well.
    fs::write(&file, world.text().replace(",restrict,pty ", ",restrict ")).unwrap();
    assert_eq!(Keys::read(&file).unwrap().ours().count(), 2);

    let twice = add(&file, "carol", &world.key(&alice)).unwrap_err();
    assert_eq!(twice.exit, Exit::Refused);
    assert!(twice.to_string().contains("alice"), "{twice}");

    remove(&file, "alice").unwrap();
    remove(&file, "bob.b").unwrap();
    assert_eq!(world.text(), before);
    assert_eq!(remove(&file, "alice").unwrap_err().exit, Exit::NotFound);
}

#[test]
fn a_key_with_other_rights_is_not_added_again() {
    let world = World::new();
    let alice = fresh(world.directory.path(), "alice");
    fs::create_dir(world.directory.path().join("ssh")).unwrap();
    fs::write(world.file(), &alice).unwrap();
    let failure = add(&world.file(), "alice", &world.key(&alice)).unwrap_err();
    assert_eq!(failure.exit, Exit::Refused);
    assert_eq!(world.text(), alice);
}

#[test]
fn a_new_directory_is_for_its_owner_only() {
    let world = World::new();
    let alice = fresh(world.directory.path(), "alice");
    add(&world.file(), "alice", &world.key(&alice)).unwrap();
    let mode = fs::metadata(world.file().parent().unwrap())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn odd_paths_stay_one_argument() {
    let alice: PublicKey = fresh(tempfile::tempdir().unwrap().path(), "alice")
        .parse()
        .unwrap();
    let shell = Path::new("/opt/it's \"here\"/wharf-shell");
    let line = Ours::line(shell, "alice", Some(Path::new("/home/a b")), &alice);
    // The shell's way of quoting a quote has a backslash, which sshd would read in its own way.
    assert!(line.is_err());
    let shell = Path::new("/opt/h e r e/wharf-shell");
    let line = Ours::line(shell, "alice", Some(Path::new("/home/a b")), &alice).unwrap();
    assert!(
        line.starts_with(
            "command=\"'/opt/h e r e/wharf-shell' --user alice --home '/home/a b'\",restrict,pty "
        ),
        "{line}"
    );
}

#[test]
fn names_and_keys_are_checked() {
    let world = World::new();
    let key = world.key(&fresh(world.directory.path(), "alice"));
    for name in ["", "Alice", "-rf", "a b", "a\"b", "1st", &"a".repeat(33)] {
        assert_eq!(
            add(&world.file(), name, &key).unwrap_err().exit,
            Exit::Usage,
            "{name}"
        );
    }
    for text in [
        "",
        "nonsense",
        "ssh-ed25519 AAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "command=\"id\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIILM",
    ] {
        let failure = add(&world.file(), "alice", &world.key(text)).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage, "{text}");
    }
    assert!(!world.file().exists());
}
