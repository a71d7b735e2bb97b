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
/// The same of what Redis has, which makes whoever goes through all of them wait.
const ITEM: usize = 10_000;
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
if (str_starts_with(getenv('DATABASE_URL'), 'unix')) {
    $cache = new Redis();
    $cache->connect($socket);
    $cache->auth(getenv('DATABASE_PASSWORD'));
    if ($_SERVER['REQUEST_METHOD'] === 'POST') {
        $cache->rPush('entry', file_get_contents('php://input')) or exit("not stored\n");
        exit("stored\n");
    }
    exit(implode("\n", $cache->lRange('entry', 0, -1)) . "\n");
}
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
    /// Runs the file `migration`.
    migrate: &'static str,
    /// Makes what everything else is kept in.
    tables: &'static str,
    /// Brings so many megabytes of items.
    fill: fn(&Tree<'_>, usize),
    /// Goes through all of them, and adds to each.
    measure: &'static str,
    /// The same, and fails at the end.
    breaks: &'static str,
    /// Takes them all away, and fails.
    empties: &'static str,
    /// Does nothing.
    rests: &'static str,
    /// Takes most of them away.
    accident: &'static str,
    /// Takes away what nobody but production may have.
    scrub: &'static str,
    /// What of all items says whether one of them is another.
    sum: &'static str,
    /// Says `some` or `none`, as there are entries.
    any: &'static str,
    /// Prints the numbers that a directory of its data has, without the environment's server.
    look: &'static str,
}

const MARIADB: Database = Database {
    kind: "mariadb",
    migrate: "MYSQL_PWD=$DATABASE_PASSWORD mariadb --no-defaults -S $DATABASE_SOCKET -u app main <migration",
    fill: |shop, megabytes| {
        let rows = |count| format!("seq_1_to_{count}");
        insert(shop, megabytes, rows, "SHA2(CONCAT(seq, '-', #), 512)");
    },
    scrub: "MYSQL_PWD=$DATABASE_PASSWORD mariadb --no-defaults -S $DATABASE_SOCKET -u app main -e 'DELETE FROM entry'",
    sum: "SELECT COUNT(*), SUM(CRC32(text)) FROM item;",
    look: "echo \"SELECT number FROM main.entry INTO OUTFILE '$2/numbers';\" | \
           mariadbd --no-defaults --bootstrap --datadir=$1 >&2; cat $2/numbers",
    ..SQL
};

const POSTGRESQL: Database = Database {
    kind: "postgresql",
    migrate: "psql -q $DATABASE_URL -v ON_ERROR_STOP=1 -f migration",
    fill: |shop, megabytes| {
        let rows = |count| format!("generate_series(1, {count}) AS seq");
        insert(
            shop,
            megabytes,
            rows,
            "encode(sha512((seq || '-#')::bytea), 'hex')",
        );
    },
    scrub: "psql -q $DATABASE_URL -c 'DELETE FROM entry'",
    sum: "SELECT COUNT(*), SUM(hashtext(text)) FROM item;",
    look: "echo 'COPY entry TO STDOUT' | $(ls -d /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1) \
           --single -D $1 main | grep -x '[0-9][0-9]*'",
    ..SQL
};

/// What both say alike.
const SQL: Database = Database {
    kind: "",
    migrate: "",
    tables: "CREATE TABLE entry (number BIGINT PRIMARY KEY);
             CREATE TABLE item (id INT PRIMARY KEY, text VARCHAR(1024));",
    fill: |_, _| {},
    measure: "ALTER TABLE item ADD COLUMN size INT; UPDATE item SET size = LENGTH(text);",
    breaks: "ALTER TABLE item ADD COLUMN half INT; UPDATE item SET half = size / 2; SELECT nonsense;",
    empties: "DELETE FROM item; SELECT nonsense;",
    rests: "SELECT 1;",
    accident: "DELETE FROM item WHERE id > 7;",
    scrub: "",
    sum: "",
    any: "SELECT CASE WHEN EXISTS (SELECT 1 FROM entry) THEN 'some' ELSE 'none' END;",
    look: "",
};

/// Inserts rows; `#` is another number in each digest of a row.
fn insert(shop: &Tree<'_>, megabytes: usize, rows: fn(usize) -> String, digest: &str) {
    let text = (0..ROW / 128).map(|number| digest.replace('#', &number.to_string()));
    let text = text.collect::<Vec<_>>().join(", ");
    let rows = rows(megabytes * 1_000_000 / ROW);
    let insert = format!("INSERT INTO item SELECT seq, CONCAT({text}) FROM {rows};");
    typed(shop, "main", &insert);
}

const REDIS: Database = Database {
    kind: "redis",
    migrate: "REDISCLI_AUTH=$DATABASE_PASSWORD redis-cli -e -s $DATABASE_SOCKET --eval migration",
    tables: "return 1",
    fill: |shop, megabytes| {
        let line = format!(
            "wharf run -- sh -c 'python3 fill.py {} | \
             REDISCLI_AUTH=$DATABASE_PASSWORD redis-cli -s $DATABASE_SOCKET --pipe'",
            megabytes * 1_000_000 / ITEM
        );
        sh(shop, &line).ok().has("errors: 0");
    },
    measure: "for id = 1, tonumber(redis.call('get', 'items')) do
        redis.call('hset', 'item:' .. id, 'size', #redis.call('hget', 'item:' .. id, 'text'))
    end",
    breaks: "for id = 1, tonumber(redis.call('get', 'items')) do
        redis.call('hset', 'item:' .. id, 'half', redis.call('hget', 'item:' .. id, 'size') / 2)
    end
    error('nonsense')",
    empties:
        "for id = 1, tonumber(redis.call('get', 'items')) do redis.call('del', 'item:' .. id) end
    error('nonsense')",
    rests: "return 2",
    accident: "EVAL \"for id = 8, tonumber(redis.call('get', 'items')) do redis.call('del', 'item:' .. id) end\" 0",
    scrub: "REDISCLI_AUTH=$DATABASE_PASSWORD redis-cli -s $DATABASE_SOCKET del entry",
    sum: "EVAL \"local sum = 0; for id = 1, tonumber(redis.call('get', 'items')) do \
          local text = redis.call('hget', 'item:' .. id, 'text'); \
          if text then sum = sum + #text + tonumber(text:sub(-6), 16) end end; return tostring(sum)\" 0",
    any: "EVAL \"return redis.call('exists', 'entry') == 1 and 'some' or 'none'\" 0",
    look: "redis-server --port 0 --unixsocket $2/redis.sock --dir $1 --appendonly yes | { \
           grep -m 1 'ready to accept' >&2; redis-cli -s $2/redis.sock lrange entry 0 -1; \
           redis-cli -s $2/redis.sock shutdown >&2; cat >&2; }",
};

/// Prints, in Redis's protocol, so many items, each of which is another.
const FILL: (&str, &str) = (
    "fill.py",
    r#"import os, sys
count = int(sys.argv[1])
def say(*words):
    out = b"*%d\r\n" % len(words)
    sys.stdout.buffer.write(out + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
say(b"SET", b"items", b"%d" % count)
for number in range(1, count + 1):
    say(b"HSET", b"item:%d" % number, b"text", os.urandom(5000).hex().encode())
"#,
);

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

/// What an environment's database answers to this.
fn typed(shop: &Tree<'_>, environment: &str, text: &str) -> String {
    shop.write("../typed", text);
    let line = format!("wharf db shell database -e {environment} <../typed");
    sh(shop, &line).ok().out
}

fn push(shop: &Tree<'_>, migration: &str) -> Said {
    shop.write("migration", migration);
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
    let shop = world.site("shop", &[("wharf.toml", &config), FPM, APP, FILL]);
    shop.init();
    push(&shop, database.tables).ok().has("main now serves r1.");
    let megabytes: usize =
        std::env::var("WHARF_LIFE_MB").map_or(SIZE, |text| text.parse().unwrap());
    timed("fill", || (database.fill)(&shop, megabytes));
    let whole = typed(&shop, "main", database.sum);

    let writer = Writer::default();
    thread::scope(|scope| {
        scope.spawn(|| writer.write(world.port()));
        // Whatever panics here must not leave it writing for ever.
        let done = Done(&writer.done);
        writer.goes_on();
        push(&shop, database.measure)
            .ok()
            .has("main now serves r2 (was r1).");
        push(&shop, database.breaks)
            .has("deploy failed in command 1 of 1")
            .has("main still serves r2; deploy commands may have changed its data.");
        assert_eq!(typed(&shop, "main", database.sum), whole);
        writer.goes_on();

        let before = writer.stored();
        timed("snapshot", || sh(&shop, "wharf snapshot create")).ok();
        writer.goes_on();
        writer.was_never_refused();
        typed(&shop, "main", database.accident);
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
        push(&shop, database.rests)
            .ok()
            .has("main now serves r4 (was r2).");
        timed("branch", || sh(&shop, "wharf branch feature main"))
            .ok()
            .has("it begins with main's data");
        assert_eq!(typed(&shop, "feature", database.sum), whole);
        assert!(typed(&shop, "feature", database.any).contains("none"));
        assert!(typed(&shop, "main", database.any).contains("some"));
        shop.write("migration", &format!("{}\n", database.rests));
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
        push(&shop, database.empties)
            .has("as before the deploy commands; r5 serves again")
            .has("main still serves r5; its data is as it was before the deploy commands.");
        writer.goes_on();
        drop(done);

        assert_eq!(typed(&shop, "main", database.sum), whole);
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

#[test]
fn a_redis_lives_through_it_all() {
    lives(&REDIS);
}
