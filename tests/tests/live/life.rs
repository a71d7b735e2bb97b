//! The life of much data: a migration of all of it, one that fails half-way, a snapshot, an accident, a restore, a
//! branch that begins with a scrubbed copy, a promotion, a failure whose data comes back; and somebody who writes all
//! the time through the application and loses nothing that it said is stored.
//!
//! A few megabytes here, a gigabyte in `make test-long`: `WHARF_LIFE_MB`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wharf_tests::{Said, Tree, Visitor, World, pause, run_for};

use crate::app::host;
use crate::downward::rule;

/// Megabytes of data, unless `WHARF_LIFE_MB` says otherwise.
const SIZE: usize = 4;
/// Characters of a row.
const ROW: usize = 1_024;
/// A gigabyte takes its time.
const LONG: Duration = Duration::from_secs(60 * 60);

const FPM: (&str, &str) = (
    "fpm.conf",
    "[global]\nerror_log = /dev/stderr\ndaemonize = no\n[www]\nlisten = ${SOCKET}\npm = static\n\
     pm.max_children = 2\nclear_env = no\n",
);

/// Stores a number, and says so once the database has; shows all that are stored.
const APP: (&str, &str) = (
    "pub/index.php",
    r#"<?php
[$socket, $host, $name] = array_map(getenv(...), ['DATABASE_SOCKET', 'DATABASE_HOST', 'DATABASE_NAME']);
$address = str_starts_with(getenv('DATABASE_URL'), 'mysql')
    ? "mysql:unix_socket=$socket;dbname=$name"
    : "pgsql:host=$host;dbname=$name";
$database = new PDO($address, getenv('DATABASE_USER'), getenv('DATABASE_PASSWORD'));
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $number = file_get_contents('php://input');
    $database->prepare('INSERT INTO entry (number) VALUES (?)')->execute([$number]);
    exit("stored\n");
}
foreach ($database->query('SELECT number FROM entry') as [$number]) {
    echo "$number\n";
}
"#,
);

/// A kind of database, and how it says what is done here with each.
struct Database {
    kind: &'static str,
    /// Runs the migration.
    migrate: &'static str,
    /// So many rows, each of `ROW` characters; `#` is another number in each of its digests.
    rows: fn(usize) -> String,
    digest: &'static str,
    /// Takes away what nobody but production may have.
    scrub: &'static str,
    /// What of all rows says whether one of them is another.
    sum: &'static str,
    /// Prints the numbers that a directory of its data has, without a server.
    look: &'static str,
}

const MARIADB: Database = Database {
    kind: "mariadb",
    migrate: "MYSQL_PWD=$DATABASE_PASSWORD mariadb --no-defaults -S $DATABASE_SOCKET -u app main <migrate.sql",
    rows: |count| format!("seq_1_to_{count}"),
    digest: "SHA2(CONCAT(seq, '-', #), 512)",
    scrub: "MYSQL_PWD=$DATABASE_PASSWORD mariadb --no-defaults -S $DATABASE_SOCKET -u app main -e 'DELETE FROM entry'",
    sum: "SELECT COUNT(*), SUM(CRC32(text)) FROM item;",
    look: "echo \"SELECT number FROM main.entry INTO OUTFILE '$2/numbers';\" | \
           mariadbd --no-defaults --bootstrap --datadir=$1 >&2; cat $2/numbers",
};

const POSTGRESQL: Database = Database {
    kind: "postgresql",
    migrate: "psql -q $DATABASE_URL -v ON_ERROR_STOP=1 -f migrate.sql",
    rows: |count| format!("generate_series(1, {count}) AS seq"),
    digest: "encode(sha512((seq || '-#')::bytea), 'hex')",
    scrub: "psql -q $DATABASE_URL -c 'DELETE FROM entry'",
    sum: "SELECT COUNT(*), SUM(hashtext(text)) FROM item;",
    look: "echo 'COPY entry TO STDOUT' | $(ls -d /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1) \
           --single -D $1 main | grep -x '[0-9][0-9]*'",
};

/// Somebody who stores one number after the other, and notes what the application said.
#[derive(Default)]
struct Writer {
    stored: Mutex<Vec<u64>>,
    refused: Mutex<Vec<String>>,
    done: AtomicBool,
}

impl Writer {
    fn write(&self, port: u16) {
        let visitor = Visitor::new(port);
        for number in 1.. {
            if self.done.load(Ordering::Relaxed) {
                break;
            }
            match visitor.post(&host("shop"), "/", number.to_string().as_bytes()) {
                Ok(page) if page.status == 200 && page.body == "stored\n" => {
                    self.stored.lock().unwrap().push(number);
                }
                Ok(page) => self.refuse(format!("{} {}", page.status, page.body)),
                Err(error) => self.refuse(error.to_string()),
            }
            pause();
        }
    }

    fn refuse(&self, why: String) {
        self.refused.lock().unwrap().push(why);
    }

    /// What is stored by now.
    fn stored(&self) -> Vec<u64> {
        self.stored.lock().unwrap().clone()
    }

    /// Waits until more is stored.
    fn goes_on(&self) {
        let (before, began) = (self.stored().len(), Instant::now());
        while self.stored().len() < before + 3 {
            assert!(began.elapsed() < wharf_tests::LIMIT, "nothing is stored");
            pause();
        }
    }

    /// That nothing was refused up to here.
    #[track_caller]
    fn was_never_refused(&self) {
        let refused = self.refused.lock().unwrap();
        assert!(refused.is_empty(), "{:?}", refused[0]);
    }
}

/// Tells how long each step took.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    println!("{what}: {:.1} s", began.elapsed().as_secs_f64());
    done
}

fn sh(shop: &Tree<'_>, line: &str) -> Said {
    run_for(shop.command("sh").args(["-c", line]), LONG)
}

fn sql(shop: &Tree<'_>, text: &str) -> String {
    sql_in(shop, "main", text)
}

fn sql_in(shop: &Tree<'_>, environment: &str, text: &str) -> String {
    shop.write("../typed.sql", text);
    let line = format!("wharf db shell database -e {environment} <../typed.sql");
    sh(shop, &line).ok().out
}

fn push(shop: &Tree<'_>, migration: &str) -> Said {
    shop.write("migrate.sql", migration);
    shop.commit("Migrate");
    timed("push", || sh(shop, "git push wharf main"))
}

/// What the application shows.
fn shown(shop: &Tree<'_>) -> BTreeSet<u64> {
    numbers(&shop.get("/").ok())
}

fn numbers(text: &str) -> BTreeSet<u64> {
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// What is in the data that a restore put aside, as its server would read it.
fn kept(world: &World, shop: &Tree<'_>, database: &Database) -> BTreeSet<u64> {
    let line = "ls -d $WHARF_HOME/state/kept/*/services/database";
    let place = sh(shop, line).ok().out;
    // No server of theirs runs as root.
    let mut look = world.command("bwrap");
    look.args(["--unshare-user", "--uid", "1000", "--gid", "1000"])
        .args(["--dev-bind", "/", "/", "sh", "-c", database.look, "look"])
        .args([Path::new(place.trim()), &world.path("tmp")]);
    numbers(&run_for(&mut look, LONG).ok().out)
}

fn all_in(wanted: &[u64], there: &BTreeSet<u64>) -> bool {
    wanted.iter().all(|number| there.contains(number))
}

fn lives(database: &Database) {
    let world = World::new();
    let config = format!(
        "public = \"pub\"\nfront = \"index.php\"\n\
         web = \"exec $(ls /usr/sbin/php-fpm* | head -n 1) -F -y fpm.conf\"\n\
         [services]\ndatabase = \"{}\"\n[deploy]\nrun = \"{}\"\n",
        database.kind, database.migrate
    );
    let shop = world.site("shop", &[("wharf.toml", &config), FPM, APP]);
    shop.init();
    let tables = "CREATE TABLE entry (number BIGINT PRIMARY KEY);\n\
                  CREATE TABLE item (id INT PRIMARY KEY, text VARCHAR(1024));\n";
    push(&shop, tables).ok().has("main now serves r1.");
    let megabytes: usize =
        std::env::var("WHARF_LIFE_MB").map_or(SIZE, |text| text.parse().unwrap());
    let text = (0..ROW / 128).map(|number| database.digest.replace('#', &number.to_string()));
    let rows = (database.rows)(megabytes * 1_000_000 / ROW);
    let text = text.collect::<Vec<_>>().join(", ");
    timed("fill", || {
        sql(
            &shop,
            &format!("INSERT INTO item SELECT seq, CONCAT({text}) FROM {rows};"),
        )
    });
    let whole = sql(&shop, database.sum);

    let writer = Writer::default();
    thread::scope(|scope| {
        scope.spawn(|| writer.write(world.port()));
        // Whatever panics here must not leave it writing for ever.
        let done = Done(&writer.done);
        writer.goes_on();
        push(
            &shop,
            "ALTER TABLE item ADD COLUMN size INT;\nUPDATE item SET size = LENGTH(text);\n",
        )
        .ok()
        .has("main now serves r2 (was r1).");
        push(
            &shop,
            "ALTER TABLE item ADD COLUMN half INT;\nUPDATE item SET half = size / 2;\nSELECT nonsense;\n",
        )
        .has("deploy failed in command 1 of 1")
        .has("main still serves r2; deploy commands may have changed its data.");
        assert_eq!(sql(&shop, database.sum), whole);
        writer.goes_on();

        let before = writer.stored();
        timed("snapshot", || sh(&shop, "wharf snapshot create")).ok();
        writer.goes_on();
        writer.was_never_refused();
        sql(&shop, "DELETE FROM item WHERE id > 7;");
        let restore = "wharf snapshot restore $(wharf snapshot list --json | jq -r .[0].id)";
        timed("restore", || sh(&shop, restore))
            .ok()
            .has("what was there is kept on the host as ")
            .has("main serves r2 with it.");
        let restored = writer.stored().len();
        let kept = kept(&world, &shop, database);
        writer.goes_on();

        let scrubbed = format!("[data]\nsanitize = \"{}\"\n", database.scrub);
        rule(&world, &scrubbed);
        push(&shop, "SELECT 1;\n")
            .ok()
            .has("main now serves r4 (was r2).");
        timed("branch", || sh(&shop, "wharf branch feature main"))
            .ok()
            .has("it begins with main's data");
        assert_eq!(sql_in(&shop, "feature", database.sum), whole);
        let any = "SELECT CASE WHEN EXISTS (SELECT 1 FROM entry) THEN 'some' ELSE 'none' END;";
        assert!(sql_in(&shop, "feature", any).contains("none"));
        assert!(sql(&shop, any).contains("some"));
        shop.write("migrate.sql", "SELECT 2;\n");
        shop.commit("Feature");
        sh(&shop, "git push wharf HEAD:feature")
            .ok()
            .has("feature now serves r2");
        sh(&shop, "wharf promote -e feature")
            .ok()
            .has("main now serves r5");
        writer.goes_on();

        let back = "[environments.main]\ntype = \"production\"\nrestore_on_failure = true\n";
        rule(&world, &format!("{back}{scrubbed}"));
        push(&shop, "DELETE FROM item;\nSELECT nonsense;\n")
            .has("as before the deploy commands; r5 serves again")
            .has("main still serves r5; its data is as it was before the deploy commands.");
        writer.goes_on();
        drop(done);

        assert_eq!(sql(&shop, database.sum), whole);
        let stored = writer.stored();
        let shown = shown(&shop);
        assert!(all_in(&before, &shown), "of before the snapshot");
        assert!(all_in(&stored[restored..], &shown), "of after the restore");
        // What the restore took back is in what it kept.
        let either = &shown | &kept;
        assert!(all_in(&stored, &either), "of what was told stored");
        let refused = writer.refused.lock().unwrap();
        // Whoever is held for longer than they wait is told nothing.
        let kept_away = |why: &String| why.starts_with("503") || why.starts_with("timeout");
        let others: Vec<&String> = refused.iter().filter(|why| !kept_away(why)).collect();
        assert!(others.is_empty(), "{others:?}");
        println!(
            "{megabytes} MB, {} stored, {} taken back and kept, {} refused while data was swapped",
            stored.len(),
            stored
                .iter()
                .filter(|number| !shown.contains(number))
                .count(),
            refused.len(),
        );
    });
}

/// Ends the writing with its scope.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_mariadb_lives_through_it_all() {
    lives(&MARIADB);
}

#[test]
fn a_postgresql_lives_through_it_all() {
    lives(&POSTGRESQL);
}
