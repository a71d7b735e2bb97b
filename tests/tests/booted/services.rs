//! Services as units: as their environment's user, in a network of their own, over releases and deaths.

use crate::machine::Machine;

const CONFIG: &str = r#"
public = "."
[services]
database = "mariadb:10.11"
[deploy]
run = "sh orders.sh"
"#;
const ORDERS: &str = r#"set -e
export MYSQL_PWD="$DATABASE_PASSWORD"
mariadb --no-defaults -S "$DATABASE_SOCKET" -u app main <<SQL
CREATE TABLE IF NOT EXISTS orders (what TEXT);
INSERT INTO orders VALUES ('r$WHARF_RELEASE');
SELECT concat('orders: ', group_concat(what)) FROM orders;
SQL
"#;

const SCRUB: &str = r#"set -e
export MYSQL_PWD="$DATABASE_PASSWORD"
mariadb --no-defaults -S "$DATABASE_SOCKET" -u app main -e "DELETE FROM orders; INSERT INTO orders VALUES ('hidden')"
"#;

/// For each server of the machine's, its process id as `$pid`.
const SERVERS: &str = "for comm in /proc/[0-9]*/comm; do [ \"$(cat $comm 2>/dev/null)\" = mariadbd ] || continue; \
                       pid=${comm%/comm}; pid=${pid#/proc/};";

#[test]
fn a_database_is_its_environment_s_alone() {
    let machine = Machine::boot();
    let files = [("wharf.toml", CONFIG), ("orders.sh", ORDERS)];
    machine.pushes("shop", &files).ok().has("| orders: r1");
    machine.pushes("blog", &files).ok().has("| orders: r1");
    // Each server is another user's, and has no device but its own loopback.
    let users = machine
        .runs(&format!("{SERVERS} stat -c %u /proc/$pid; done | sort -u"))
        .out;
    let users: Vec<u32> = users.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(users.len(), 2, "{users:?}");
    assert!(users.iter().all(|user| *user >= 0x7000_0000), "{users:?}");
    machine
        .runs(&format!("{SERVERS} tail -n +3 /proc/$pid/net/dev; done"))
        .has("lo:")
        .lacks("host0")
        .lacks("eth0");
    // On the disk all of it is the daemon's.
    let others = machine.runs("find /var/lib/wharf ! -user wharf").out;
    assert_eq!(others, "");

    // It goes on where the daemon dies, and is started again where it dies itself.
    machine.runs(
        "systemctl kill -s KILL wharfd; systemctl reset-failed wharfd; systemctl start wharfd",
    );
    machine
        .changes("shop", &[("other", "1")])
        .ok()
        .has("| orders: r1,r2");
    machine.runs(&format!("{SERVERS} kill -KILL $pid; done"));
    machine.waits_for(&format!("{SERVERS} echo $pid; done | wc -l | grep -qx 2"));
    machine
        .changes("shop", &[("other", "2")])
        .ok()
        .has("| orders: r1,r2,r3");

    // A branch begins with a scrubbed copy: on servers that are its own, which do not stay.
    machine.runs(
        "printf '\\n[data]\\nsanitize = \"sh scrub.sh\"\\n' >>/etc/wharf/projects.d/shop.toml; wharf reload",
    );
    machine.changes("shop", &[("scrub.sh", SCRUB)]).ok();
    machine
        .runs("wharf branch -p shop feature main 2>&1")
        .has("database: 1 table, 4 rows before, 1 table, 1 row after: orders 4 -> 1")
        .has("| orders: hidden,r1")
        .has("feature now serves r1");
    machine
        .runs("wharf sync data -p shop -e feature 2>&1")
        .has("| orders: hidden,r2")
        .has("feature serves r2 with it");
    machine.runs(&format!("{SERVERS} echo $pid; done | wc -l | grep -qx 3"));
    // It goes with all of it, and the others stay.
    machine
        .runs("wharf delete -p shop -e feature 2>&1; ls /var/lib/wharf/services")
        .has("feature is deleted")
        .has("shop.main")
        .lacks("shop.feature");
    machine.runs(&format!("{SERVERS} echo $pid; done | wc -l | grep -qx 2"));
    let others = machine.runs("find /var/lib/wharf ! -user wharf").out;
    assert_eq!(others, "");
}

const SEARCH: &str = r#"
public = "."
[services.search]
type = "custom"
port = 9200
start = "cd $DATA && echo found >index.html && exec python3 -m http.server --bind 127.0.0.1 $PORT"
[deploy]
run = "curl -sS http://$SEARCH_HOST:$SEARCH_PORT/"
"#;

#[test]
fn a_service_that_knows_no_sockets_is_led_to() {
    let machine = Machine::boot();
    for network in ["shared", "private"] {
        let config = format!("network = \"{network}\"{SEARCH}");
        machine
            .pushes(network, &[("wharf.toml", &config)])
            .ok()
            .has("search: custom answers")
            .has("| found");
        // The way to it is its keeper's, which a daemon's death does not end.
        machine.runs(
            "systemctl kill -s KILL wharfd; systemctl reset-failed wharfd; systemctl start wharfd",
        );
        machine
            .changes(network, &[("other", "1")])
            .ok()
            .lacks("search: custom answers")
            .has("| found");
    }
    // Only who shares the machine's network needs a port there.
    let listens =
        "tail -n +2 /proc/net/tcp | awk '$4 == \"0A\" && $2 ~ /^0100007F:7[5-9A-F]/' | wc -l";
    assert_eq!(machine.runs(listens).out.trim(), "1");
}

/// A MariaDB that the operator runs, where Wharf's own user may make databases.
const OPERATORS: &str = r#"set -e
install -d -o nobody -m 755 /run/operators /var/lib/operators
cat >/run/operators/setup.sql <<SQL
CREATE USER IF NOT EXISTS wharf@localhost IDENTIFIED BY 'Of-Wharf-9';
GRANT ALL ON *.* TO wharf@localhost WITH GRANT OPTION;
ALTER USER root@localhost ACCOUNT LOCK;
SQL
setpriv --reuid=nobody --regid=nogroup --clear-groups mariadb-install-db --no-defaults \
    --datadir=/var/lib/operators --auth-root-authentication-method=normal --skip-test-db >/dev/null
systemd-run --quiet --unit=operators --property=User=nobody mariadbd --no-defaults \
    --datadir=/var/lib/operators --socket=/run/operators/db.sock --skip-networking \
    --innodb-use-native-aio=0 --init-file=/run/operators/setup.sql
install -D -m 640 -g wharf /dev/stdin /etc/wharf/main.password <<PASSWORD
Of-Wharf-9
PASSWORD
install -D -m 644 /dev/stdin /etc/wharf/wharfd.d/services.toml <<TOML
[services]
main = { type = "mariadb", socket = "/run/operators/db.sock", password_file = "/etc/wharf/main.password" }
TOML
"#;

#[test]
fn a_database_in_the_operator_s_server_is_reached_through_a_door() {
    let machine = Machine::boot();
    machine.runs(OPERATORS);
    machine.waits_for("test -S /run/operators/db.sock");
    machine.runs("wharf reload");
    let config = CONFIG.replace(
        "\"mariadb:10.11\"",
        "{ type = \"mariadb:10.11\", provider = \"external\" }",
    );
    let orders = ORDERS.replace("-u app main", "-u $DATABASE_USER $DATABASE_NAME");
    let files = [("wharf.toml", config.as_str()), ("orders.sh", &orders)];
    for project in ["shop", "blog"] {
        machine
            .pushes(project, &files)
            .ok()
            .has("of instance main answers")
            .has("| orders: r1");
    }
    let others = machine.runs("find /var/lib/wharf ! -user wharf").out;
    assert_eq!(others, "");

    // The door stays where the daemon dies, and leads to a server that is started again.
    machine.runs(
        "systemctl kill -s KILL wharfd; systemctl reset-failed wharfd; systemctl start wharfd",
    );
    machine
        .changes("shop", &[("other", "1")])
        .ok()
        .lacks("answers")
        .has("| orders: r1,r2");
    machine.runs("systemctl kill --signal=KILL operators; systemctl stop operators; systemctl reset-failed operators || :");
    machine.runs(&format!("rm -f /run/operators/db.sock\n{OPERATORS}"));
    machine.waits_for("test -S /run/operators/db.sock");
    machine
        .changes("shop", &[("other", "2")])
        .ok()
        .lacks("answers")
        .has("| orders: r1,r2,r3");
}
