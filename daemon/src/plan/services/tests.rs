//! What each kind is told, word by word where words matter.

use wharf_config::application::Custom;

use super::*;

fn name(text: &str) -> ProcessName {
    ProcessName::parse(text).unwrap()
}

fn service(kind: ServiceKind) -> Service {
    Service {
        kind,
        version: None,
        provider: Default::default(),
        memory: None,
        custom: None,
        at: Default::default(),
    }
}

fn passwords() -> Passwords {
    Passwords {
        admin: "ADMINS".into(),
        application: "APPS".into(),
        external: None,
        port: None,
    }
}

fn made(kind: ServiceKind, memory: Option<u64>) -> Recipe {
    let service = Service {
        memory,
        ..service(kind)
    };
    let setting = Setting {
        name: &name("db"),
        service: &service,
        server: &Server {
            program: "/usr/lib/x/bin/server".into(),
            version: "1.0".into(),
        },
        passwords: &passwords(),
    };
    recipe(&setting)
}

fn served(start: Start) -> Command {
    match start {
        Start::Server(command) => command,
        Start::Door { .. } => panic!("it has a server of its own"),
    }
}

#[test]
fn an_application_finds_each_service_by_its_name() {
    let (database, cache) = (name("database"), name("my-cache"));
    let (mariadb, redis) = (service(ServiceKind::Mariadb), service(ServiceKind::Redis));
    let passwords = passwords();
    let all = variables([
        (&database, &mariadb, &passwords),
        (&cache, &redis, &passwords),
    ]);
    let get = |name: &str| all.get(name).map(String::as_str);
    assert_eq!(
        get("DATABASE_URL"),
        Some("mysql://app:APPS@localhost/main?unix_socket=/run/services/database/mariadb.sock")
    );
    assert_eq!(get("DATABASE_USER"), Some("app"));
    assert_eq!(get("DATABASE_NAME"), Some("main"));
    assert_eq!(
        get("MY_CACHE_URL"),
        Some("unix://:APPS@/run/services/my-cache/redis.sock")
    );
    assert_eq!(get("MY_CACHE_USER"), None);
    let json: serde_json::Value =
        serde_json::from_str(get("WHARF_RELATIONSHIPS").unwrap()).unwrap();
    assert_eq!(json["database"]["path"], "main");
    assert_eq!(
        json["my-cache"]["socket"],
        "/run/services/my-cache/redis.sock"
    );
    // Nothing of what only Wharf may do.
    assert!(!all.values().any(|value| value.contains("ADMINS")));
    assert!(variables([]).is_empty());
}

#[test]
fn no_password_is_an_argument() {
    for kind in ServiceKind::ALL {
        let Recipe {
            make,
            start,
            ready,
            upgrade,
            content,
        } = made(*kind, Some(1 << 30));
        let mut all: Vec<Command> = vec![served(start)];
        all.extend([make, ready, upgrade].into_iter().flatten());
        if let Some(content) = content {
            let (Load::Served(load) | Load::Files(load)) = content.load;
            all.extend([content.dump, load]);
            all.extend([content.shell, content.count].into_iter().flatten());
        }
        for command in all {
            let words = [vec![command.text], command.arguments].concat().join(" ");
            assert!(
                !words.contains("APPS") && !words.contains("ADMINS"),
                "{kind:?}: {words}"
            );
        }
    }
}

#[test]
fn what_a_service_may_take_reaches_its_server() {
    let words = |kind| served(made(kind, Some(1 << 30)).start).arguments.join(" ");
    assert!(words(ServiceKind::Mariadb).contains("--innodb-buffer-pool-size=536870912"));
    assert!(words(ServiceKind::Postgresql).contains("shared_buffers=32768"));
    assert!(words(ServiceKind::Memcached).contains("-m 1008"));
    let redis = served(made(ServiceKind::Redis, Some(1 << 30)).start);
    let settings = &redis.variables[SETUP_TEXT];
    assert!(settings.contains("maxmemory 805306368"), "{settings}");
    let usual = served(made(ServiceKind::Mariadb, None).start)
        .arguments
        .join(" ");
    assert!(!usual.contains("buffer-pool"), "{usual}");
}

#[test]
fn what_knows_no_sockets_is_found_by_a_port() {
    let (queue, search) = (name("queue"), name("search"));
    let rabbitmq = service(ServiceKind::Rabbitmq);
    let own = Service {
        custom: Some(Custom {
            port: Some(9200),
            ..Custom::default()
        }),
        ..service(ServiceKind::Custom)
    };
    assert_eq!([&rabbitmq, &own].map(port), [Some(5672), Some(9200)]);
    assert_eq!(port(&service(ServiceKind::Redis)), None);
    let led = |port| Passwords {
        port: Some(port),
        ..passwords()
    };
    let (to_queue, to_search) = (led(30_001), led(30_002));
    let all = variables([(&queue, &rabbitmq, &to_queue), (&search, &own, &to_search)]);
    assert_eq!(all["QUEUE_URL"], "amqp://app:APPS@127.0.0.1:30001/main");
    assert_eq!(all["QUEUE_PORT"], "30001");
    assert_eq!(all["SEARCH_URL"], "tcp://:APPS@127.0.0.1:30002");
    assert!(!all.contains_key("QUEUE_SOCKET") && !all.contains_key("SEARCH_SOCKET"));
    let all: serde_json::Value = serde_json::from_str(&all["WHARF_RELATIONSHIPS"]).unwrap();
    assert_eq!(all["queue"]["port"], 30_001);
    assert_eq!(all["queue"]["socket"], serde_json::Value::Null);
}

#[test]
fn no_password_of_rabbitmq_s_is_an_argument() {
    let start = served(made(ServiceKind::Rabbitmq, Some(400 << 20)).start);
    assert!(!start.arguments.join(" ").contains("APPS") && !start.text.contains("APPS"));
    let setup = &start.variables[SETUP_TEXT];
    assert!(setup.contains("default_pass = APPS"), "{setup}");
    let most = 300u64 << 20;
    assert!(setup.contains(&format!("absolute = {most}")), "{setup}");
}
