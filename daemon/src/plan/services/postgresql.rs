//! PostgreSQL: reached through its socket only. Its users are made anew before each start, in single-user
//! mode, so that data which came from elsewhere has this environment's passwords.

use wharf_config::name::ProcessName;

use super::{
    ADMIN, APP, APPLICATION, Command, Content, DATABASE, Load, Passwords, RUN, Recipe,
    Relationship, SETUP_TEXT, Setting, directory,
};

/// Makes the data; the superuser's password comes in a file.
const MAKE: &str = "umask 077; printf '%s' \"$PGPASSWORD\" >/tmp/password; exec \"$@\"";
/// Makes users and database, each line a statement of its own, of which those fail that were done before; then
/// starts the server. Nothing else uses the data: a keeper sees to it, and a process id that an earlier sandbox
/// left says nothing in this one.
const SERVE: &str = "umask 077; rm -f postmaster.pid; setup=$WHARF_SETUP; unset WHARF_SETUP; \
                     printf '%s\\n' \"$setup\" | \"$1\" --single -D \"$3\" postgres >/tmp/setup 2>&1; \
                     unset setup; exec \"$@\"";
/// Asks for the exact number of each table's rows.
const COUNT: &str = "exec \"$@\" --dbname=main --no-align --tuples-only --field-separator='\t' --command=\"\
                     SELECT format('%I.%I', table_schema, table_name), \
                     (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I.%I', \
                     table_schema, table_name), false, true, '')))[1]::text \
                     FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
                     AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1\"";

pub(super) fn relationship(name: &ProcessName, passwords: &Passwords) -> Relationship {
    let directory = directory(name);
    Relationship {
        scheme: "postgresql",
        rest: format!("/{DATABASE}?host={directory}"),
        socket: format!("{directory}/.s.PGSQL.5432"),
        host: directory,
        user: Some(APPLICATION),
        password: Some(passwords.application.clone()),
        database: Some(DATABASE),
    }
}

pub(super) fn recipe(setting: &Setting<'_>) -> Recipe {
    let directory = setting.directory();
    let mut start = vec![setting.program(), "-D".to_owned(), APP.to_owned()];
    let mut say =
        |key: &str, value: &str| start.extend(["-c".to_owned(), format!("{key}={value}")]);
    say("listen_addresses", "");
    say("unix_socket_directories", &directory);
    say("logging_collector", "off");
    if let Some(bytes) = setting.service.memory {
        // A quarter of what it may take, as its manual advises; in units of 8 KiB.
        say("shared_buffers", &(bytes / 4 / 8192).max(16).to_string());
    }
    let as_application = |command: Command| {
        command
            .with("PGHOST", &directory)
            .with("PGUSER", APPLICATION)
            .with("PGPASSWORD", &setting.passwords.application)
    };
    let psql = [
        &setting.beside("psql"),
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
    ];
    let psql = psql.map(str::to_owned).to_vec();
    let ask = [
        psql.clone(),
        vec![
            format!("--dbname={DATABASE}"),
            "--command=SELECT 1".to_owned(),
        ],
    ];
    let dump = [
        &setting.beside("pg_dump"),
        "--no-owner",
        "--no-privileges",
        &format!("--dbname={DATABASE}"),
    ];
    Recipe {
        make: Some(
            Command::new(
                MAKE,
                [
                    &setting.beside("initdb"),
                    &format!("--pgdata={APP}"),
                    &format!("--username={ADMIN}"),
                    "--pwfile=/tmp/password",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    // What is made is synced as a whole.
                    "--no-sync",
                ],
            )
            .with("PGPASSWORD", &setting.passwords.admin),
        ),
        start: Command::new(SERVE, start).with(SETUP_TEXT, users(setting.passwords)),
        ready: Some(as_application(Command::new(RUN, ask.concat()))),
        upgrade: None,
        content: Some(Content {
            dump: as_application(Command::new(RUN, dump)),
            load: Load::Served(as_application(Command::new(
                RUN,
                [psql.clone(), vec![format!("--dbname={DATABASE}")]].concat(),
            ))),
            shell: Some(as_application(Command::new(
                RUN,
                [&setting.beside("psql"), &format!("--dbname={DATABASE}")],
            ))),
            count: Some(as_application(Command::new(COUNT, psql))),
        }),
    }
}

/// Who may come in: Wharf, the application, nobody else.
fn users(passwords: &Passwords) -> String {
    let Passwords { admin, application } = passwords;
    [
        format!("CREATE ROLE {APPLICATION} LOGIN"),
        format!("ALTER ROLE {APPLICATION} LOGIN PASSWORD '{application}'"),
        format!("ALTER ROLE {ADMIN} LOGIN PASSWORD '{admin}'"),
        format!("CREATE DATABASE {DATABASE} OWNER {APPLICATION}"),
    ]
    .join("\n")
}
