//! Backups hold all that was committed, are private, and do not grow without bound.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use wharf_config::place::Place;

use super::*;

fn place() -> (tempfile::TempDir, Paths) {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::new(&Place::below(directory.path()));
    paths.make().unwrap();
    drop(open::connection(&paths).unwrap());
    (directory, paths)
}

#[test]
fn a_backup_beside_a_writer_holds_what_is_committed_and_no_more() {
    let (_directory, paths) = place();
    let writer = open::connect(&paths.database(), OpenFlags::empty()).unwrap();
    let add = "INSERT INTO secret VALUES ('shop', 'main', ?1, 'x')";
    writer.execute(add, ["committed"]).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.execute(add, ["not yet"]).unwrap();
    let backup = take(&paths, Kind::Daily).unwrap();
    writer.execute_batch("COMMIT").unwrap();
    let mode = fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let copy = open::connect(&backup, OpenFlags::empty()).unwrap();
    let names: String = copy
        .query_row("SELECT group_concat(name) FROM secret", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(names, "committed");
    let version: usize = copy
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, crate::store::migrate::VERSION);
    drop(copy);
    assert_eq!(fs::read_dir(paths.backups()).unwrap().count(), 1);
}

#[test]
fn seven_daily_ones_and_one_an_upgrade_are_kept() {
    let (_directory, paths) = place();
    for day in 1..=9 {
        let name = format!("daily-2026-01-0{day}T000000Z.db");
        fs::write(paths.backups().join(name), "").unwrap();
    }
    for name in ["v1-2025-01-01", "v1-2025-01-02", "v2-2025-01-01"] {
        let name = format!("upgrade-{name}T000000Z.db");
        fs::write(paths.backups().join(name), "").unwrap();
    }
    let others = [".new-daily-2026-01-01T000000Z.db", "mine.db", "daily-x.db"];
    for name in others {
        fs::write(paths.backups().join(name), "").unwrap();
    }
    let newest = take(&paths, Kind::Daily).unwrap();
    assert_eq!(list(&paths)[0].1, newest);
    let mut names: Vec<_> = fs::read_dir(paths.backups())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected: Vec<String> = (4..=9)
        .map(|day| format!("daily-2026-01-0{day}T000000Z.db"))
        .collect();
    let newest = newest.file_name().unwrap().to_str().unwrap();
    expected.push(newest.into());
    expected.push("daily-x.db".into());
    expected.push("mine.db".into());
    expected.push("upgrade-v1-2025-01-02T000000Z.db".into());
    expected.push("upgrade-v2-2025-01-01T000000Z.db".into());
    assert_eq!(names, expected);
}

#[test]
fn the_next_one_is_due_a_day_after_the_newest_whatever_the_clock_says() {
    let (_directory, paths) = place();
    let now = time("daily-2026-01-02T120000Z.db").unwrap();
    assert_eq!(due(&paths, now), Duration::ZERO);
    let with = |name: &str| {
        fs::write(paths.backups().join(name), "").unwrap();
        due(&paths, now).as_secs() / 3600
    };
    assert_eq!(with("upgrade-v1-2026-01-02T110000Z.db"), 0);
    assert_eq!(with("daily-2025-12-31T000000Z.db"), 0);
    assert_eq!(with("daily-2026-01-02T100000Z.db"), 22);
    assert_eq!(with("daily-2033-01-02T100000Z.db"), 24);
}

#[test]
fn a_damaged_database_is_no_backup() {
    let (_directory, paths) = place();
    let mut bytes = fs::read(paths.database()).unwrap();
    bytes[4096..].fill(0x5a);
    fs::write(paths.database(), bytes).unwrap();
    let error = take(&paths, Kind::Daily).unwrap_err();
    assert_eq!(error.damage().unwrap().code(), "store-damaged");
    assert_eq!(fs::read_dir(paths.backups()).unwrap().count(), 0);
}
