//! What an instance is told, word by word.

use super::super::{Passwords, Server, variables};
use super::*;

fn word(text: &str) -> ProcessName {
    ProcessName::parse(text).unwrap()
}

fn instance(name: &str, kind: ServiceKind, reach: Reach) -> Instance {
    Instance {
        name: word(name),
        kind,
        reach,
        user: "wharf".into(),
        password_file: "/etc/wharf/password".into(),
    }
}

fn service(kind: ServiceKind, instance: Option<&str>) -> Service {
    Service {
        kind,
        version: None,
        provider: Provider::External {
            instance: instance.map(word),
        },
        memory: None,
        custom: None,
        at: Default::default(),
    }
}

const KINDS: [ServiceKind; 2] = [ServiceKind::Mariadb, ServiceKind::Postgresql];

#[test]
fn a_name_fits_says_whose_it_is_and_is_one() {
    let project = ProjectName::parse("shop").unwrap();
    let short = EnvironmentId::parse("main").unwrap();
    let long = EnvironmentId::parse("feature-with-a-long-name-123456").unwrap();
    let database = word("my-database");
    let name = |kind, environment, chance| name(kind, (&project, environment, &database), chance);
    assert_eq!(
        name(ServiceKind::Postgresql, &short, "abcdefgh"),
        "w_shop_main_my_database_abcdefgh"
    );
    for kind in KINDS {
        let [one, two] = ["abcdefgh", "abcdefgi"].map(|chance| name(kind, &long, chance));
        assert!(one.len() <= 63 && is_name(&one), "{one}");
        assert_ne!(one, two);
    }
    assert_eq!(name(ServiceKind::Mariadb, &long, "abcdefgh").len(), 32);
    for text in ["", "mysql", "w_a`b", "w_a'b", "W_A", "w_a-b"] {
        assert!(!is_name(text), "{text}");
    }
}

#[test]
fn an_instance_is_the_only_one_of_its_kind_or_the_one_that_is_named() {
    let socket = || Reach::Socket("/run/x.sock".into());
    let all = [
        instance("a", ServiceKind::Mariadb, socket()),
        instance("b", ServiceKind::Mariadb, socket()),
        instance("c", ServiceKind::Postgresql, socket()),
    ];
    let chosen = |kind, name| choose(&service(kind, name), &all).map(|one| one.name.to_string());
    assert_eq!(chosen(ServiceKind::Postgresql, None), Ok("c".into()));
    assert_eq!(chosen(ServiceKind::Mariadb, Some("b")), Ok("b".into()));
    let (why, hint) = chosen(ServiceKind::Mariadb, None).unwrap_err();
    assert!(
        why.contains("several") && hint.contains("one of a, b"),
        "{why} {hint}"
    );
    let (why, hint) = chosen(ServiceKind::Mariadb, Some("c")).unwrap_err();
    assert!(
        why.contains("called c") && hint.contains("one of a, b"),
        "{why} {hint}"
    );
    let (why, _) = choose(&service(ServiceKind::Mariadb, None), &[]).unwrap_err();
    assert!(why.contains("names no instance"), "{why}");
}

#[test]
fn a_user_may_do_everything_in_its_own_database_and_nothing_elsewhere() {
    let socket = instance(
        "a",
        ServiceKind::Mariadb,
        Reach::Socket("/run/x.sock".into()),
    );
    let made = make(&socket, "w_shop_1", "PW");
    // As a pattern `w_shop_1` would fit `w-shop-1`, and `wxshopy1`.
    assert!(
        made.contains("GRANT ALL ON `w\\_shop\\_1`.* TO `w_shop_1`@`localhost`;"),
        "{made}"
    );
    let far = Reach::Tcp {
        host: "db".into(),
        port: 3306,
    };
    let far = instance("a", ServiceKind::Mariadb, far);
    assert!(make(&far, "w_shop_1", "PW").contains("TO `w_shop_1`@`%`;"));
    let postgres = Reach::Socket("/run/postgresql/.s.PGSQL.5433".into());
    let postgres = instance("a", ServiceKind::Postgresql, postgres);
    let made = make(&postgres, "w_shop_1", "PW");
    let place = |text: &str| made.find(text).unwrap_or_else(|| panic!("{text}: {made}"));
    let revoked = place("REVOKE ALL ON DATABASE w_shop_1 FROM PUBLIC");
    assert!(place("ALLOW_CONNECTIONS false") < revoked);
    assert!(revoked < place("ALLOW_CONNECTIONS true"));
    let client = client(&postgres, "psql".into(), "SECRET".into());
    assert_eq!(client.variables["PGHOST"], "/run/postgresql");
    assert_eq!(client.variables["PGPORT"], "5433");
}

#[test]
fn no_password_is_an_argument() {
    let passwords = Passwords {
        admin: "ADMINS".into(),
        application: "APPS".into(),
        external: Some("w_shop_1".into()),
        port: None,
    };
    for kind in KINDS {
        let socket = instance("a", kind, Reach::Socket("/run/.s.PGSQL.5432".into()));
        let client = client(&socket, "client".into(), "SECRET".into());
        assert!(!client.words.join(" ").contains("SECRET"));
        let (name, service) = (word("db"), service(kind, None));
        let setting = Setting {
            name: &name,
            service: &service,
            server: &Server {
                program: "/usr/bin/server".into(),
                version: "1".into(),
            },
            passwords: &passwords,
        };
        let Recipe { ready, content, .. } = recipe(&setting).unwrap();
        let Content {
            dump,
            load,
            shell,
            count,
        } = content.unwrap();
        let (Load::Served(load) | Load::Files(load)) = load;
        for command in [Some(dump), Some(load), shell, count, ready]
            .into_iter()
            .flatten()
        {
            let words = [vec![command.text], command.arguments].concat().join(" ");
            assert!(
                !words.contains("APPS") && !words.contains("ADMINS"),
                "{words}"
            );
            // All of it is done by the application's user, of which no more is known there.
            let said = command.variables.values().chain([&words]);
            let said: Vec<&str> = said.map(String::as_str).collect();
            assert!(said.join(" ").contains("w_shop_1") && !said.contains(&"ADMINS"));
        }
        for command in shut(&setting, &["wharf".into()]) {
            assert!(!command.variables.values().any(|value| value == "APPS"));
        }
        let all = variables([(&name, &service, &passwords)]);
        assert_eq!(all["DB_USER"], "w_shop_1");
        assert_eq!(all["DB_NAME"], "w_shop_1");
        assert!(
            all["DB_URL"].contains("w_shop_1:APPS@"),
            "{}",
            all["DB_URL"]
        );
        assert!(all["DB_URL"].contains("/w_shop_1?"), "{}", all["DB_URL"]);
    }
}

#[test]
fn a_server_s_answer_has_its_version() {
    let (mariadb, postgresql) = (ServiceKind::Mariadb, ServiceKind::Postgresql);
    for (kind, said, wanted) in [
        (mariadb, "10.11.14-MariaDB-0+deb12u2\n", Some("10.11.14")),
        (mariadb, "8.0.36\n", None),
        (
            postgresql,
            "15.14 (Debian 15.14-0+deb12u1)\n",
            Some("15.14"),
        ),
        (postgresql, "17beta1", Some("17")),
        (postgresql, "", None),
    ] {
        assert_eq!(version(kind, said).as_deref(), wanted, "{said}");
    }
}
