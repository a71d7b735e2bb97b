//! A backup takes the database's place whole, or not at all.

use std::fs;

use wharf_config::place::Place;

use super::*;
use crate::store::backup::Kind;

const ADD: &str = "INSERT INTO secret VALUES ('shop', 'main', ?1, 'x')";

fn place() -> (tempfile::TempDir, Paths) {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::new(&Place::below(directory.path()));
    paths.make().unwrap();
    drop(open::connection(&paths).unwrap());
    (directory, paths)
}

fn add(paths: &Paths, name: &str) {
    let connection = open::connect(&paths.database(), OpenFlags::empty()).unwrap();
    connection.execute(ADD, [name]).unwrap();
}

fn names(database: &Path) -> Vec<String> {
    let connection = open::connect(database, OpenFlags::empty()).unwrap();
    let mut found = connection
        .prepare("SELECT name FROM secret ORDER BY name")
        .unwrap();
    let names = found.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

#[test]
fn the_newest_backup_comes_back_and_what_was_there_is_kept() {
    let (_directory, paths) = place();
    add(&paths, "old");
    let backup = backup::take(&paths, Kind::Daily).unwrap();
    add(&paths, "new");
    // As after a kill: the newest rows are in the second file only.
    let killed = open::connect(&paths.database(), OpenFlags::empty()).unwrap();
    killed.execute(ADD, ["newest"]).unwrap();
    std::mem::forget(killed);

    let done = restore(&paths, &Source::Newest).unwrap();
    assert_eq!(done.from.as_deref(), Some(backup.as_path()));
    assert_eq!(names(&paths.database()), ["old"]);
    let aside = done.aside.unwrap().join("wharf.db");
    assert_eq!(names(&aside), ["new", "newest", "old"]);
    drop(open::connection(&paths).unwrap());
    assert_eq!(names(&backup), ["old"]);
}

#[test]
fn an_empty_record_is_a_database() {
    let (_directory, paths) = place();
    add(&paths, "old");
    fs::create_dir_all(paths.slugs().join("one")).unwrap();
    fs::remove_file(paths.database()).unwrap();
    for file in paths.beside_database() {
        fs::remove_file(file).ok();
    }
    assert!(open::open(&paths).is_err());
    let done = restore(&paths, &Source::Nothing).unwrap();
    assert_eq!((done.from, done.aside), (None, None));
    drop(open::connection(&paths).unwrap());
    assert_eq!(names(&paths.database()), [""; 0]);
}

#[test]
fn what_is_no_good_leaves_the_database_in_its_place() {
    let (directory, paths) = place();
    add(&paths, "here");
    assert!(matches!(
        restore(&paths, &Source::Newest),
        Err(RestoreError::None(_))
    ));
    let bad = directory.path().join("bad.db");
    let backup = backup::take(&paths, Kind::Daily).unwrap();
    let mut bytes = fs::read(backup).unwrap();
    bytes[4096..].fill(0x5a);
    fs::write(&bad, bytes).unwrap();
    let other = directory.path().join("other.db");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE mine (a)")
        .unwrap();
    for file in [&bad, &other, &directory.path().join("none.db")] {
        let source = Source::File(file.clone());
        let error = restore(&paths, &source).unwrap_err();
        let text = crate::execute::failure::chain(&error);
        assert!(text.contains(file.to_str().unwrap()), "{text}");
        assert_eq!(names(&paths.database()), ["here"]);
        assert!(!paths.next_database().exists());
    }
}
