//! What is no good is named, not used and not changed.

use std::fs;

use wharf_config::place::Place;

use super::*;

fn place() -> (tempfile::TempDir, Paths) {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::new(&Place::below(directory.path()));
    paths.make().unwrap();
    (directory, paths)
}

/// A database with a thousand secrets, closed.
fn used(paths: &Paths) {
    drop(connection(paths).unwrap());
    let connection = connect(&paths.database(), OpenFlags::empty()).unwrap();
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
             INSERT INTO secret SELECT 'shop', 'main', i, hex(randomblob(99)) FROM n;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .unwrap();
}

fn fault(paths: &Paths) -> Fault {
    let before = fs::read(paths.database()).ok();
    let found = match connection(paths) {
        Err(OpenError::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fs::read(paths.database()).ok(), before, "it is as it was");
    assert_eq!(backup::list(paths), [], "nothing was copied");
    found
}

#[test]
fn a_new_place_gets_a_database_that_is_whole_without_its_second_file() {
    let (_directory, paths) = place();
    drop(connection(&paths).unwrap());
    for file in paths.beside_database() {
        fs::remove_file(file).ok();
    }
    assert!(sound(&paths, Look::Whole).unwrap().is_some());
    drop(connection(&paths).unwrap());
}

#[test]
fn a_database_that_is_gone_or_empty_is_not_begun_anew() {
    for trace in ["routes", "slugs", "releases", "mounts"] {
        let (_directory, paths) = place();
        used(&paths);
        fs::create_dir_all(paths.state().join(trace).join("something")).unwrap();
        fs::write(paths.database(), "").unwrap();
        for file in paths.beside_database() {
            fs::remove_file(file).ok();
        }
        let found = fault(&paths);
        assert_eq!(found.code(), "store-missing");
        assert!(found.to_string().contains(trace), "{found}");
        fs::remove_file(paths.database()).unwrap();
        assert_eq!(fault(&paths).code(), "store-missing");
        assert!(!paths.database().exists());
    }
}

#[test]
fn damage_is_found_wherever_it_is() {
    let (_directory, paths) = place();
    used(&paths);
    let good = fs::read(paths.database()).unwrap();
    let page = 4096;
    assert!(good.len() > 20 * page);
    let middle = good.len() / page / 2 * page;
    for (what, at, length) in [
        ("the header", 0, 16),
        ("the first page", 100, 300),
        ("a page in the middle", middle, page),
        ("the last page", good.len() - page, page),
    ] {
        let mut bad = good.clone();
        bad[at..at + length].fill(0x5a);
        fs::write(paths.database(), &bad).unwrap();
        assert_eq!(fault(&paths).code(), "store-damaged", "{what}");
    }
    fs::write(paths.database(), &good[..good.len() - 3 * page]).unwrap();
    assert_eq!(fault(&paths).code(), "store-damaged", "cut short");
    fs::write(paths.database(), &good).unwrap();
    drop(connection(&paths).unwrap());
}

/// SQLite ends at the first frame that is not whole, as after a power cut: what was committed
/// before it is there, and never an empty database.
#[test]
fn a_second_file_that_was_cut_short_loses_its_end_only() {
    let (_directory, paths) = place();
    used(&paths);
    let writer = connect(&paths.database(), OpenFlags::empty()).unwrap();
    let add = |name: &str| {
        let sql = "INSERT INTO secret VALUES ('shop', 'other', ?1, 'x')";
        writer.execute(sql, [name]).unwrap();
    };
    add("first");
    let [wal, shm] = paths.beside_database();
    let kept = fs::metadata(&wal).unwrap().len();
    add("second");
    let (database, log) = (fs::read(paths.database()).unwrap(), fs::read(&wal).unwrap());
    drop(writer);
    for cut in [0, 20, 32, kept, kept + 100, log.len() as u64 - 1] {
        fs::remove_file(&shm).ok();
        fs::write(paths.database(), &database).unwrap();
        fs::write(&wal, &log[..usize::try_from(cut).unwrap()]).unwrap();
        drop(connection(&paths).unwrap());
        let reader = connect(&paths.database(), OpenFlags::empty()).unwrap();
        let found: usize = reader
            .query_row("SELECT count(*) FROM secret", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, if cut < kept { 999 } else { 1000 }, "cut at {cut}");
    }
}

#[test]
fn other_files_are_not_taken_for_ours() {
    let (_directory, paths) = place();
    fs::write(paths.database(), "these are my notes\n".repeat(99)).unwrap();
    assert_eq!(fault(&paths).code(), "store-damaged");
    for version in [0, 1] {
        fs::remove_file(paths.database()).unwrap();
        let other = Connection::open(paths.database()).unwrap();
        other.execute_batch("CREATE TABLE mine (a)").unwrap();
        other.pragma_update(None, "user_version", version).unwrap();
        drop(other);
        assert_eq!(fault(&paths).code(), "store-foreign");
    }
}

#[test]
fn a_newer_database_names_the_wharf_that_wrote_it() {
    let (_directory, paths) = place();
    drop(connection(&paths).unwrap());
    let newer = connect(&paths.database(), OpenFlags::empty()).unwrap();
    newer
        .execute("INSERT INTO history VALUES (?1, '9.8.7', 1)", [VERSION + 1])
        .unwrap();
    newer
        .pragma_update(None, "user_version", VERSION + 1)
        .unwrap();
    newer
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(newer);
    let found = fault(&paths);
    assert_eq!(found.code(), "store-newer");
    assert!(found.to_string().contains("written by Wharf 9.8.7"));
}

#[test]
fn every_fault_says_what_to_do() {
    let (_directory, paths) = place();
    let path = paths.database();
    let faults = [
        Fault::Newer {
            path: path.clone(),
            found: 9,
            by: None,
        },
        Fault::Damaged {
            path: path.clone(),
            what: "x".into(),
        },
        Fault::Foreign { path: path.clone() },
        Fault::ReadOnly {
            path: path.clone(),
            why: "x".into(),
        },
        Fault::Missing {
            path: path.clone(),
            what: "is missing",
            trace: paths.slugs(),
        },
    ];
    let listed = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/troubleshooting.md");
    let listed = fs::read_to_string(listed).unwrap();
    for fault in faults {
        assert!(listed.contains(&format!("| `{}` |", fault.code())));
        assert!(
            fault.to_string().contains(path.to_str().unwrap()),
            "{fault}"
        );
        assert!(!fault.hints(&paths).is_empty());
    }
}

#[test]
fn what_to_do_names_the_backup_that_helps() {
    let (_directory, paths) = place();
    let path = paths.database();
    let damaged = Fault::Damaged {
        path: path.clone(),
        what: "x".into(),
    };
    let newer = Fault::Newer {
        path,
        found: VERSION + 2,
        by: None,
    };
    let hints = |fault: &Fault| fault.hints(&paths).join("\n");
    assert!(hints(&damaged).contains("there is no backup"));
    assert!(hints(&damaged).contains("restore --empty"));
    assert!(hints(&newer).ends_with("backups/FILE"));
    let add = |name: String| {
        let backup = paths.backups().join(name);
        fs::write(&backup, "").unwrap();
        backup.display().to_string()
    };
    let ours = add(format!("upgrade-v{VERSION}-2026-11-20T071140Z.db"));
    add(format!("upgrade-v{}-2026-11-21T071140Z.db", VERSION + 1));
    let newest = add("daily-2026-11-22T071140Z.db".to_owned());
    assert!(hints(&damaged).contains(&newest));
    assert!(!hints(&damaged).contains("--empty"), "there is a copy");
    assert!(hints(&newer).ends_with(&ours), "{}", hints(&newer));
}

#[tokio::test]
async fn damage_that_appears_while_it_is_used_ends_its_use() {
    let (_directory, paths) = place();
    used(&paths);
    let good = fs::read(paths.database()).unwrap();
    // One that holds no page in memory yet.
    let connection = connect(&paths.database(), OpenFlags::empty()).unwrap();
    let database = Database::start(connection, paths.database(), Ballast::new(paths.ballast()));
    let mut bad = good.clone();
    bad[4096..].fill(0x5a);
    fs::write(paths.database(), bad).unwrap();
    let read = || {
        database.call(|connection| {
            let sql = "SELECT sum(length(value)) FROM secret";
            Ok(connection.query_row(sql, [], |row| row.get::<_, u64>(0))?)
        })
    };
    let first = read().await.unwrap_err();
    assert!(
        matches!(first, super::super::StoreError::Fault(_)),
        "{first}"
    );
    assert_eq!(database.fault().unwrap().code(), "store-damaged");
    // Also where a look would be good again: nothing of it is believed any more.
    fs::write(paths.database(), good).unwrap();
    assert!(read().await.is_err());
}
