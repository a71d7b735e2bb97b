use std::fs;

use super::*;

/// A bare repository, as far as syncing looks at it.
fn repository() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["objects/pack", "objects/info", "refs/heads"] {
        fs::create_dir_all(directory.path().join(name)).unwrap();
    }
    directory
}

fn write(directory: &tempfile::TempDir, name: &str) {
    let path = directory.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, name).unwrap();
}

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

/// Sets the times of a directory of loose objects back, as if it had been there for long.
fn settle(directory: &tempfile::TempDir, name: &str) {
    let directory = File::open(directory.path().join(name)).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    directory.set_modified(long_ago).unwrap();
}

#[test]
fn the_first_look_takes_the_file_system_and_later_packs_only_themselves() {
    let directory = repository();
    let (durable, path, main) = (Durable::default(), directory.path(), [branch("main")]);
    write(&directory, "objects/pack/pack-1.pack");
    assert_eq!(durable.sync(path, &main).unwrap(), Way::WholeFileSystem);
    write(&directory, "objects/pack/pack-2.pack");
    write(&directory, "objects/pack/tmp_pack_3");
    write(&directory, "refs/heads/main");
    let seen = Objects::look(path).unwrap();
    assert_eq!(durable.unknown(path, &seen).unwrap(), ["pack-2.pack"]);
    assert_eq!(durable.sync(path, &main).unwrap(), Way::InPlace);
    let seen = Objects::look(path).unwrap();
    assert!(durable.unknown(path, &seen).unwrap().is_empty());
    // A pack of the same name may be another one.
    let pack = path.join("objects/pack/pack-2.pack");
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, "other bytes").unwrap();
    let seen = Objects::look(path).unwrap();
    assert_eq!(durable.unknown(path, &seen).unwrap(), ["pack-2.pack"]);
}

#[test]
fn loose_objects_take_the_file_system_until_they_are_settled() {
    let directory = repository();
    let (durable, path) = (Durable::default(), directory.path());
    durable.sync(path, &[]).unwrap();
    write(&directory, "objects/ab/cdef");
    assert_eq!(durable.sync(path, &[]).unwrap(), Way::WholeFileSystem);
    // Another may follow within the tick.
    assert_eq!(durable.sync(path, &[]).unwrap(), Way::WholeFileSystem);
    settle(&directory, "objects/ab");
    assert_eq!(durable.sync(path, &[]).unwrap(), Way::WholeFileSystem);
    assert_eq!(durable.sync(path, &[]).unwrap(), Way::InPlace);
    write(&directory, "objects/ab/0123");
    assert_eq!(durable.sync(path, &[]).unwrap(), Way::WholeFileSystem);
}

#[test]
fn a_ref_is_synced_wherever_it_stands_or_stood() {
    let directory = repository();
    let (durable, path) = (Durable::default(), directory.path());
    write(&directory, "refs/heads/a/b");
    write(&directory, "packed-refs");
    durable.sync(path, &[]).unwrap();
    for name in ["a/b", "a/b/c", "packed", "gone/with/its/directories"] {
        assert_eq!(durable.sync(path, &[branch(name)]).unwrap(), Way::InPlace);
    }
}

#[test]
fn refs_in_tables_take_the_file_system() {
    let directory = repository();
    let (durable, path) = (Durable::default(), directory.path());
    fs::create_dir(path.join("reftable")).unwrap();
    durable.sync(path, &[]).unwrap();
    assert_eq!(durable.sync(path, &[]).unwrap(), Way::WholeFileSystem);
}

#[test]
fn what_is_no_repository_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let error = Durable::default().sync(directory.path(), &[]).unwrap_err();
    let pack = directory.path().join("objects/pack");
    assert_eq!(error.to_string(), format!("cannot read {}", pack.display()));
}
