use super::*;
use ServiceKind::{Custom, Mariadb, Postgresql, Redis};

const SQL: &str = "-- MariaDB dump 10.19\nCREATE TABLE a (b INT);\n-- Dump completed\n";

fn mark() -> Mark {
    Mark {
        project: "shop".into(),
        environment: "cart".into(),
        kind: Type::Development,
        service: "database".into(),
    }
}

fn look(bytes: &[u8], piece: usize) -> Look {
    let mut look = Look::default();
    for piece in bytes.chunks(piece) {
        look.take(piece);
    }
    look
}

fn judge(kind: ServiceKind, bytes: &[u8]) -> Result<Vec<Mark>, NotOne> {
    look(bytes, 7).ends(kind)
}

#[test]
fn a_dump_says_whose_it_is_at_its_beginning_or_its_end() {
    let text = format!("{}\n{SQL}", mark());
    assert_eq!(
        judge(Mariadb, text.as_bytes()).unwrap(),
        [mark(), mark()],
        "it is short, so its end is its beginning"
    );
    let long = format!("{}\r\n{}{SQL}", mark(), "x\n".repeat(9000));
    assert_eq!(judge(Mariadb, long.as_bytes()).unwrap(), [mark()]);
    let mut rdb = b"REDIS0010\xff\0\n".repeat(900);
    rdb.extend(format!("\n{}\n", mark()).bytes());
    assert_eq!(judge(Redis, &rdb).unwrap(), [mark()]);
    assert_eq!(judge(Mariadb, SQL.as_bytes()).unwrap(), []);
    for bad in [
        "-- wharf-dump: a",
        "-- wharf-dump: a/b production",
        "-- wharf-dump:",
    ] {
        assert_eq!(judge(Mariadb, bad.as_bytes()), Err(NotOne::Mark), "{bad}");
    }
    // In the middle of a line it is somebody's text.
    let quoted = format!("INSERT '{}'", mark());
    assert_eq!(judge(Mariadb, quoted.as_bytes()).unwrap(), []);
}

#[test]
fn what_a_server_would_not_read_is_told_from_its_first_bytes() {
    assert_eq!(judge(Custom, b""), Err(NotOne::Empty));
    assert_eq!(judge(Custom, b"\x28\xb5\x2f\xfd").unwrap(), []);
    assert_eq!(
        judge(Postgresql, b"\x28\xb5\x2f\xfdxx"),
        Err(NotOne::Packed("zstd"))
    );
    for (kind, bytes, said) in [
        (Mariadb, b"REDIS0010".as_slice(), "an RDB file of Redis"),
        (Postgresql, b"PGDMP\x01", "pg_restore"),
        (Mariadb, b"a\0b", "no text"),
        (Redis, b"SELECT 1", "something else"),
    ] {
        let error = judge(kind, bytes).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_dump_without_its_end_is_not_read_in() {
    for (kind, bytes) in [
        (Mariadb, SQL),
        (
            Mariadb,
            "-- MySQL dump 8\n-- Dump completed on 2026-01-01\n",
        ),
        (
            Postgresql,
            "--\n-- PostgreSQL database dump\n--\nx\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict a\n",
        ),
    ] {
        assert_eq!(judge(kind, bytes.as_bytes()).unwrap(), []);
        let short = bytes.rfind("omplete").unwrap();
        assert_eq!(judge(kind, &bytes.as_bytes()[..short]), Err(NotOne::CutOff));
    }
    // Somebody's own statements have no such end.
    assert_eq!(judge(Mariadb, b"CREATE TABLE a (b INT);").unwrap(), []);
}

#[test]
fn a_dump_goes_where_a_snapshot_would() {
    let parents = [
        ("main", None),
        ("staging", Some("main")),
        ("cart", Some("staging")),
    ];
    let mut family = Family {
        project: "shop".into(),
        parents: parents
            .map(|(id, parent)| (id.to_owned(), parent.map(str::to_owned)))
            .into(),
        kinds: [
            ("main".to_owned(), Type::Production),
            ("staging".to_owned(), Type::Staging),
            ("cart".to_owned(), Type::Development),
        ]
        .into(),
        sanitize: Sanitize::Unsaid,
    };
    let of = |environment: &str, kind| Mark {
        environment: environment.into(),
        kind,
        ..mark()
    };
    let cart = of("cart", Type::Development);
    assert_eq!(family.may(&cart, "cart"), Ok(()));
    for into in ["staging", "main"] {
        assert_eq!(family.may(&cart, into), Err(NotThere::Upward));
    }
    assert_eq!(family.may(&of("staging", Type::Staging), "cart"), Ok(()));
    let main = of("main", Type::Production);
    assert_eq!(family.may(&main, "main"), Ok(()));
    assert_eq!(family.may(&main, "cart"), Err(NotThere::Unscrubbed));
    // What calls itself less than it is, is what it is.
    let less = of("main", Type::Development);
    assert_eq!(family.may(&less, "cart"), Err(NotThere::Unscrubbed));
    // What was more than it is, is guarded as it was.
    let was = of("staging", Type::Production);
    assert_eq!(family.may(&was, "cart"), Err(NotThere::Unscrubbed));
    family.sanitize = Sanitize::Needless;
    assert_eq!(family.may(&main, "cart"), Ok(()));
    for elsewhere in [
        of("gone", Type::Production),
        Mark {
            project: "other".into(),
            ..main
        },
    ] {
        assert_eq!(family.may(&elsewhere, "main"), Err(NotThere::Upward));
    }
}

#[test]
fn marks_are_written_before_sql_and_behind_what_redis_reads() {
    let dump = Command {
        text: "exec \"$@\"".into(),
        ..Command::default()
    };
    let sql = marked(Mariadb, &dump, &mark());
    assert_eq!(
        sql.text,
        "printf '%s\\n' \"$WHARF_MARK\" || exit; exec \"$@\""
    );
    assert_eq!(sql.variables["WHARF_MARK"], mark().to_string());
    let rdb = marked(Redis, &dump, &mark());
    assert_eq!(
        rdb.text,
        "( exec \"$@\" ) && printf '\\n%s\\n' \"$WHARF_MARK\""
    );
    assert_eq!(marked(Custom, &dump, &mark()), dump);
}
