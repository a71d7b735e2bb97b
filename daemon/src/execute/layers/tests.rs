use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use wharf_config::name::RelPath;

use super::keep::{Keep, forget_old, keep};
use super::key::{About, key};
use super::restore::{Restored, restore};
use super::walk::walk;
use super::{LayerError, as_they_were};

static GO: AtomicBool = AtomicBool::new(false);

fn paths(list: &[&str]) -> Vec<RelPath> {
    list.iter()
        .map(|path| RelPath::parse(path).unwrap())
        .collect()
}

struct Place(tempfile::TempDir);

impl Place {
    /// A place with a work directory `one` of these files.
    fn new(files: &[(&str, &str)]) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.tree("one", files);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn tree(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let top = self.path(name);
        for (file, text) in files {
            write(&top, file, text);
        }
        top
    }

    /// Lets a step work in `one` and keeps what it made.
    fn keep(&self, inputs: &[&str], step: impl FnOnce(&Path)) -> Result<(), LayerError> {
        let work = self.path("one");
        let before = walk(&work, &GO).unwrap();
        step(&work);
        keep(&Keep {
            before: &before,
            work: &work,
            store: &self.path("layers"),
            layer: &self.path("layers/key"),
            inputs: &paths(inputs),
            stop: &GO,
        })
    }

    fn restore(&self, work: &Path, inputs: &[&str]) -> Restored {
        let layer = self.path("layers/key");
        restore(&layer, work, &paths(inputs), &GO).unwrap()
    }
}

fn write(top: &Path, file: &str, text: &str) {
    let path = top.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(top: &Path, file: &str) -> String {
    fs::read_to_string(top.join(file)).unwrap()
}

const TREE: [(&str, &str); 3] = [("lock", "1"), ("src/a", "a"), ("in/gone", "x")];

/// What makes, changes and removes, each as it may.
fn install(work: &Path) {
    write(work, "deps/a/b.js", "module");
    write(work, "deps/run", "#!");
    fs::set_permissions(work.join("deps/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../run", work.join("deps/a/run")).unwrap();
    write(work, "src/made", "new");
    write(work, "lock", "2");
    fs::remove_dir_all(work.join("in")).unwrap();
}

#[test]
fn what_a_step_made_is_put_back() {
    let place = Place::new(&TREE);
    place.keep(&["lock", "in"], install).unwrap();
    let two = place.tree("two", &TREE);
    write(&two, "src/a", "another");
    assert_eq!(place.restore(&two, &["lock", "in"]), Restored::Whole);
    assert_eq!(read(&two, "deps/a/b.js"), "module");
    assert_eq!(read(&two, "deps/a/run"), "#!");
    assert_eq!(read(&two, "src/made"), "new");
    assert_eq!(read(&two, "src/a"), "another");
    assert_eq!(read(&two, "lock"), "2");
    assert!(!two.join("in").exists());
    let [one, two] = ["one", "two"].map(|work| place.path(work).join("deps/run").metadata());
    let [one, two] = [one.unwrap(), two.unwrap()];
    assert_eq!(one.permissions(), two.permissions());
    assert_eq!(one.modified().unwrap(), two.modified().unwrap());
    // The layer is nobody's to write through.
    write(&place.path("two"), "deps/a/b.js", "changed");
    let three = place.tree("three", &TREE);
    assert_eq!(place.restore(&three, &["lock", "in"]), Restored::Whole);
    assert_eq!(read(&three, "deps/a/b.js"), "module");
}

#[test]
fn what_is_not_its_own_is_not_kept() {
    for (step, why) in [
        (
            (|work: &Path| write(work, "src/a", "other")) as fn(&Path),
            "it changes src/a, which is none of its inputs",
        ),
        (
            |work| fs::remove_file(work.join("src/a")).unwrap(),
            "it removes src/a, which is none of its inputs",
        ),
        (
            |work| drop(std::os::unix::net::UnixListener::bind(work.join("s")).unwrap()),
            "it leaves s, which is no file, link or directory",
        ),
    ] {
        let place = Place::new(&TREE);
        let refused = place.keep(&["lock"], step).unwrap_err();
        assert_eq!(refused.to_string(), why);
        let two = place.tree("two", &TREE);
        assert_eq!(place.restore(&two, &["lock"]), Restored::None);
    }
}

#[test]
fn a_layer_never_covers_what_is_new() {
    let inputs = &["lock", "in"];
    for change in [
        (|work: &Path| write(work, "src/made", "committed")) as fn(&Path),
        |work| write(work, "deps", "a file"),
        |work| symlink("/etc", work.join("deps")).unwrap(),
        |work| fs::remove_dir_all(work.join("src")).unwrap(),
    ] {
        let place = Place::new(&TREE);
        place.keep(inputs, install).unwrap();
        let two = place.tree("two", &TREE);
        change(&two);
        let before = walk(&two, &GO).unwrap();
        let said = place.restore(&two, inputs);
        assert!(matches!(said, Restored::Unfit(_)), "{said:?}");
        assert_eq!(walk(&two, &GO).unwrap(), before);
    }
}

#[test]
fn a_damaged_layer_goes_and_nothing_of_it_is_used() {
    let inputs = &["lock", "in"];
    for damage in [
        (|layer: &Path| {
            let file = fs::read_dir(layer)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            let content = file.filter(|path| !path.ends_with("list"));
            fs::write(content.max().unwrap(), "damage").unwrap();
        }) as fn(&Path),
        |layer| fs::remove_file(layer.join("list")).unwrap(),
        |layer| {
            let list = fs::read_to_string(layer.join("list")).unwrap();
            fs::write(layer.join("list"), list.replace("deps", "deqs")).unwrap();
        },
        |layer| fs::write(layer.join("list"), "").unwrap(),
    ] {
        let place = Place::new(&TREE);
        place.keep(inputs, install).unwrap();
        damage(&place.path("layers/key"));
        let two = place.tree("two", &TREE);
        let before = walk(&two, &GO).unwrap();
        let unfit = Restored::Unfit("what it made before is damaged".into());
        assert_eq!(place.restore(&two, inputs), unfit);
        assert_eq!(walk(&two, &GO).unwrap(), before);
        assert_eq!(place.restore(&two, inputs), Restored::None);
        // And it is made anew.
        let one = place.path("one");
        fs::remove_dir_all(&one).unwrap();
        place.tree("one", &TREE);
        place.keep(inputs, install).unwrap();
        assert_eq!(place.restore(&two, inputs), Restored::Whole);
    }
}

#[test]
fn everything_that_a_step_may_depend_on_is_in_its_key() {
    let place = Place::new(&[("lock", "1"), ("dir/a", "a"), ("other", "x")]);
    let work = place.path("one");
    let about = || About {
        run: "npm ci".into(),
        environment: [("A".to_owned(), "1".to_owned())].into(),
        runtimes: BTreeMap::new(),
        inputs: paths(&["lock", "dir", "none"]),
    };
    let of = |about: &About| key(about, &work, &GO).unwrap();
    let first = of(&about());
    assert_eq!(first.absent, paths(&["none"]));
    let mut seen = vec![first.key.clone()];
    let mut is_new = |key: String| {
        assert!(!seen.contains(&key));
        seen.push(key);
    };
    is_new(
        of(&About {
            run: "npm i".into(),
            ..about()
        })
        .key,
    );
    is_new(
        of(&About {
            environment: BTreeMap::new(),
            ..about()
        })
        .key,
    );
    let runtimes = [("node".to_owned(), "22.1".to_owned())].into();
    is_new(
        of(&About {
            runtimes,
            ..about()
        })
        .key,
    );
    is_new(
        of(&About {
            inputs: paths(&["lock"]),
            ..about()
        })
        .key,
    );
    write(&work, "lock", "2");
    is_new(of(&about()).key);
    write(&work, "dir/b/c", "c");
    is_new(of(&about()).key);
    fs::set_permissions(work.join("dir/a"), fs::Permissions::from_mode(0o755)).unwrap();
    is_new(of(&about()).key);
    symlink("a", work.join("dir/link")).unwrap();
    is_new(of(&about()).key);
    write(&work, "none", "");
    is_new(of(&about()).key);
    let last = of(&about()).key;
    write(&work, "other", "y");
    assert_eq!(of(&about()).key, last);
    // An input is no way out of the tree.
    symlink("/etc", work.join("out")).unwrap();
    let out = About {
        inputs: paths(&["out/passwd"]),
        ..about()
    };
    assert!(key(&out, &work, &GO).is_err());
}

#[test]
fn the_layers_that_were_used_last_stay() {
    let place = Place::new(&[]);
    let store = place.path("layers");
    for (name, seconds) in [("a", 3), ("b", 1), ("c", 2), (".new-half", 9)] {
        let layer = store.join(name);
        fs::create_dir_all(&layer).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::open(layer).unwrap().set_modified(time).unwrap();
    }
    forget_old(&store, 2, |path| path.with_file_name(".gone")).unwrap();
    let left = fs::read_dir(&store)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["a", "c"]);
}

#[test]
fn what_is_skipped_is_said() {
    let said = |names: &[&str]| as_they_were(&paths(names));
    assert_eq!(said(&["lock"]), "skipped: lock is as it was");
    assert_eq!(said(&["a", "b"]), "skipped: a, b are as they were");
    let many = said(&["a", "b", "c", "d", "e"]);
    assert_eq!(
        many,
        "skipped: a, b, c, d and 1 input more are as they were"
    );
}
