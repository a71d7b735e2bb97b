//! MariaDB: reached through its socket only. Its users are made anew at each start, by a file that it reads
//! before it answers, so that data which came from elsewhere has this environment's passwords.

use wharf_config::name::ProcessName;

use super::{
    ADMIN, APP, APPLICATION, Command, Content, DATABASE, Load, Passwords, RUN, Recipe,
    Relationship, SERVE, SETUP, SETUP_TEXT, Setting, Start, directory,
};

/// Asks for the exact number of each table's rows: one question makes the other.
pub(super) const COUNT: &str = "set -e; ask=$(\"$@\" --raw --execute=\"SELECT concat('SELECT ', quote(table_name), \
                     ', count(*) FROM ', char(96), replace(table_name, char(96), char(96, 96)), \
                     char(96), ';') FROM information_schema.tables \
                     WHERE table_schema = database() AND table_type = 'BASE TABLE' ORDER BY 1\"); \
                     printf '%s\\n' \"$ask\" | \"$@\"";

/// Reads a dump, whose views, triggers, routines and events become the reader's own application's: who they were of is
/// nobody here, and only who may do anything may make some for another.
const LOAD: &str = "umask 077; { LC_ALL=C sed -E \"$WHARF_DEFINERS\" || echo >/tmp/broken; } | \"$@\" && \
                    [ ! -e /tmp/broken ]";
/// What makes the client print values alone.
pub(super) const PLAIN: [&str; 2] = ["--batch", "--skip-column-names"];
/// What a dump is written with, before the database.
pub(super) const DUMP: [&str; 8] = [
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--skip-dump-date",
    "--default-character-set=utf8mb4",
];
/// What its socket is called.
pub(super) const SOCKET: &str = "mariadb.sock";

pub(super) fn socket(name: &ProcessName) -> String {
    format!("{}/{SOCKET}", directory(name))
}

pub(super) fn relationship(name: &ProcessName, passwords: &Passwords) -> Relationship {
    let socket = socket(name);
    Relationship {
        scheme: "mysql",
        host: "localhost".to_owned(),
        rest: format!("localhost/{}?unix_socket={socket}", passwords.database()),
        socket: Some(socket),
        port: None,
        user: Some(passwords.user().to_owned()),
        password: Some(passwords.application.clone()),
        database: Some(passwords.database().to_owned()),
    }
}

pub(super) fn recipe(setting: &Setting<'_>) -> Recipe {
    let socket = format!("--socket={}", socket(setting.name));
    let mut start = vec![
        setting.program(),
        "--no-defaults".to_owned(),
        format!("--datadir={APP}"),
        socket.clone(),
        "--skip-networking".to_owned(),
        "--pid-file=/tmp/mariadb.pid".to_owned(),
        format!("--init-file={SETUP}"),
        "--character-set-server=utf8mb4".to_owned(),
        // The sandbox has no io_uring.
        "--innodb-use-native-aio=0".to_owned(),
    ];
    // Half of what it may take: the rest is for connections and what they sort.
    let memory = setting.service.memory;
    start.extend(memory.map(|bytes| format!("--innodb-buffer-pool-size={}", bytes / 2)));
    let admin = |program: &str| {
        let words = [
            program,
            "--no-defaults",
            &socket,
            &format!("--user={ADMIN}"),
        ];
        words.map(str::to_owned).to_vec()
    };
    let plain = || [admin("mariadb"), PLAIN.map(str::to_owned).to_vec()].concat();
    let dump = DUMP.iter().chain(&[DATABASE]);
    let dump = dump.map(|word| (*word).to_owned()).collect();
    let password = |command: Command| command.with("MYSQL_PWD", &setting.passwords.admin);
    Recipe {
        make: Some(Command::new(
            RUN,
            [
                "mariadb-install-db",
                "--no-defaults",
                &format!("--datadir={APP}"),
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
        )),
        start: Start::Server(Command::new(SERVE, start).with(SETUP_TEXT, users(setting.passwords))),
        ready: Some(password(Command::new(
            RUN,
            [
                plain(),
                vec!["--execute=SELECT 1".to_owned(), DATABASE.to_owned()],
            ]
            .concat(),
        ))),
        upgrade: Some(password(Command::new(RUN, admin("mariadb-upgrade")))),
        content: Some(Content {
            dump: password(Command::new(RUN, [admin("mariadb-dump"), dump].concat())),
            load: Load::Served(password(load(
                [plain(), vec![DATABASE.to_owned()]].concat(),
                &format!("`{APPLICATION}`@`localhost`"),
            ))),
            shell: Some(
                Command::new(
                    RUN,
                    [
                        "mariadb",
                        "--no-defaults",
                        &socket,
                        &format!("--user={APPLICATION}"),
                        DATABASE,
                    ],
                )
                .with("MYSQL_PWD", &setting.passwords.application),
            ),
            count: Some(password(Command::new(
                COUNT,
                [plain(), vec![DATABASE.to_owned()]].concat(),
            ))),
        }),
    }
}

/// Reads a dump by this client, with all of it that has a definer for this one.
pub(super) fn load(client: Vec<String>, definer: &str) -> Command {
    // How statements of mariadb-dump's begin a line, and no line of data does.
    let begin = [
        r"/\*![0-9]+ ",
        r"/\*![0-9]+ CREATE\*/ /\*![0-9]+ ",
        "CREATE ",
    ];
    let replace =
        |begin: &str| format!("s,^({begin})DEFINER=`[^`]*`@`[^`]*`,\\1DEFINER={definer},");
    let definers: Vec<String> = begin.into_iter().map(replace).collect();
    // Nearly all of it are rows, which are not looked at.
    let definers = format!("/^INSERT /b;{}", definers.join(";"));
    Command::new(LOAD, client).with("WHARF_DEFINERS", definers)
}

/// Who may come in: Wharf, the application, nobody else. A statement a line.
fn users(passwords: &Passwords) -> String {
    let Passwords {
        admin, application, ..
    } = passwords;
    [
        format!("CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4;"),
        format!("CREATE USER IF NOT EXISTS {ADMIN}@localhost;"),
        format!("ALTER USER {ADMIN}@localhost IDENTIFIED BY '{admin}';"),
        format!("GRANT ALL ON *.* TO {ADMIN}@localhost WITH GRANT OPTION;"),
        format!("CREATE USER IF NOT EXISTS {APPLICATION}@localhost;"),
        format!("ALTER USER {APPLICATION}@localhost IDENTIFIED BY '{application}';"),
        format!("GRANT ALL ON {DATABASE}.* TO {APPLICATION}@localhost;"),
        "ALTER USER IF EXISTS root@localhost ACCOUNT LOCK;".to_owned(),
    ]
    .join("\n")
}
