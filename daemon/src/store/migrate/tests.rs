//! Every version that ever was is read by this one.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wharf_config::place::Place;
use wharf_wire::outcome::{Kind, State};

use super::*;
use crate::store::paths::Paths;
use crate::store::{activity, environment, open, process, release, slug};

/// The steps as they were shipped. A step that changed here is a mistake: write another one.
const SHIPPED: &[&str] = &[
    "1ae94b6b3657cb83db66e453aeb38549b44de9d953cf3e01064d480e8d6f2dc4",
    "a779bbb9e8609ec7fa27d6e4be2d1db507d485a18a1ac41c32ba780368daa74d",
    "888084cea0562bdd29563f987ab7c05e9a4f1a2f4877cee9cf5e3af5179912bf",
    "d36a31dd950e2eeef2653973f2496f1229d1ea2279c56998a0803651a346104d",
    "f90732ef94528c0a98dcf74a1d8bb4fab7366bebe35ef68739512bbae54310e3",
    "6bef01dbcfaf7b5262e578037112871b3ad50384667d17c3471c7bf942bf0bc5",
];

fn fixture(version: usize) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/store/schema/fixtures")
        .join(format!("{version}.sql"))
}

/// A database of that version in use, as a program of that version left it.
fn made(version: usize) -> (tempfile::TempDir, Paths) {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::new(&Place::below(directory.path()));
    paths.make().unwrap();
    let connection = Connection::open(paths.database()).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;")
        .unwrap();
    for step in &STEPS[..version] {
        connection.execute_batch(step).unwrap();
    }
    connection
        .pragma_update(None, "user_version", version)
        .unwrap();
    let rows = std::fs::read_to_string(fixture(version)).unwrap();
    connection.execute_batch(&rows).unwrap();
    (directory, paths)
}

fn tables(connection: &Connection) -> Vec<String> {
    let mut found = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let names = found.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

fn count(connection: &Connection, table: &str) -> usize {
    let sql = format!("SELECT count(*) FROM {table}");
    connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn steps_that_were_shipped_stay_as_they_are() {
    let digests: Vec<String> = STEPS
        .iter()
        .map(|step| data_encoding::HEXLOWER.encode(&Sha256::digest(step)))
        .collect();
    assert_eq!(digests, SHIPPED, "a new step is added below");
}

#[test]
fn every_version_has_a_fixture_with_something_in_each_table() {
    for version in 1..=VERSION {
        assert!(
            fixture(version).exists(),
            "version {version} has no {}: databases of it could not be tested later",
            fixture(version).display()
        );
        let (_directory, paths) = made(version);
        let connection = Connection::open(paths.database()).unwrap();
        for table in tables(&connection) {
            let rows = count(&connection, &table);
            assert!(rows > 0, "version {version}: nothing in {table}");
        }
    }
}

#[test]
fn every_earlier_version_is_read_whole() {
    for version in 1..=VERSION {
        let (_directory, paths) = made(version);
        let before: Vec<(String, usize)> = {
            let connection = Connection::open(paths.database()).unwrap();
            let tables = tables(&connection);
            let counted = |table: String| (table.clone(), count(&connection, &table));
            tables.into_iter().map(counted).collect()
        };
        drop(open::connection(&paths).unwrap());
        let mut connection = Connection::open(paths.database()).unwrap();
        assert_eq!(super::version(&connection).unwrap(), VERSION);
        assert_eq!(
            made_by(&connection).as_deref(),
            Some(env!("CARGO_PKG_VERSION"))
        );
        for (table, rows) in before {
            let grown = table == "history";
            assert!(
                count(&connection, &table) == rows || grown,
                "version {version}: {table}"
            );
        }
        read(&mut connection);
        let broken = connection
            .prepare("PRAGMA foreign_key_check")
            .unwrap()
            .exists([])
            .unwrap();
        assert!(!broken);
    }
}

/// Reads every record of the fixtures through today's code.
fn read(connection: &mut Connection) {
    let environments = environment::list(connection, None).unwrap();
    let [feature, main] = &environments[..] else {
        panic!("{environments:?}");
    };
    assert_eq!(feature.branch.as_str(), "feature/a");
    assert_eq!(feature.parent.as_deref(), Some("main"));
    assert_eq!((main.kind.as_str(), main.live), ("production", Some(1)));
    assert_eq!(main.generation, 3);
    let secrets = environment::secrets(connection, &main.key).unwrap();
    assert_eq!(secrets, ["s3cret"]);

    let all = activity::list(connection, None, None, 10).unwrap();
    let ids: Vec<_> = all.iter().map(|a| (a.id.as_str(), a.state)).collect();
    let expected = [
        ("4f2c", State::Waiting),
        ("4f2b", State::Failed),
        ("4f2a", State::Succeeded),
    ];
    assert_eq!(ids, expected);
    assert_eq!(all[1].reason.as_ref().unwrap().code, "build-failed");
    assert_eq!(all[1].steps[0].exit_code, Some(2));
    let unfinished = activity::unfinished(connection).unwrap();
    assert_eq!((unfinished[0].id.as_str(), unfinished.len()), ("4f2c", 1));
    assert_eq!(unfinished[0].kind, Kind::Push);

    let slug = slug::find(connection, "slug1").unwrap().unwrap();
    assert_eq!((slug.files, slug.bytes), (3, 300));
    let release = release::find(connection, &main.key, 1).unwrap().unwrap();
    assert_eq!(release.state, release::ReleaseState::Ready);
    assert!(release.application.deploy.repeatable);
    assert!(release.variables.run.len() <= 1);
    let processes = process::of(connection, &main.key).unwrap();
    assert_eq!(processes[0].port, 20_001);
    assert_eq!(
        environment::next_release(connection, &main.key, 0).unwrap(),
        3
    );
}

/// What is on the disk in the middle of a step is what a kill leaves.
#[test]
fn a_killed_migration_leaves_the_old_version() {
    for (step, sql) in STEPS.iter().enumerate().skip(1) {
        let (_directory, paths) = made(step);
        let mut connection = Connection::open(paths.database()).unwrap();
        // So that unfinished pages reach the files.
        connection
            .execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1;")
            .unwrap();
        let transaction = connection.transaction().unwrap();
        transaction.execute_batch(sql).unwrap();
        transaction
            .execute_batch(
                "CREATE TABLE filler (text TEXT);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
                 INSERT INTO filler SELECT hex(randomblob(999)) FROM n;",
            )
            .unwrap();
        transaction
            .pragma_update(None, "user_version", step + 1)
            .unwrap();

        let copy = tempfile::tempdir().unwrap();
        let killed = Paths::new(&Place::below(copy.path()));
        killed.make().unwrap();
        std::fs::copy(paths.database(), killed.database()).unwrap();
        let [wal, _] = paths.beside_database();
        let [copied_wal, _] = killed.beside_database();
        assert!(wal.metadata().unwrap().len() > 1 << 20, "it was written");
        std::fs::copy(wal, copied_wal).unwrap();
        drop(transaction);

        let found = Connection::open(killed.database()).unwrap();
        assert_eq!(super::version(&found).unwrap(), step);
        assert!(!found.table_exists(None, "filler").unwrap());
        drop(found);
        drop(open::open(&killed).unwrap());
        read(&mut Connection::open(killed.database()).unwrap());
    }
}
