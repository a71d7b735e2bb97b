//! PostgreSQL: reached through its socket only. Its users are made anew before each start, in single-user
//! mode, so that data which came from elsewhere has this environment's passwords.

use wharf_config::name::ProcessName;

use super::{
    ADMIN, APP, APPLICATION, Command, Content, DATABASE, Load, Passwords, RUN, Recipe,
    Relationship, SETUP_TEXT, Setting, Start, directory,
};

/// What its socket is called.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";
/// Makes the data; the superuser's password comes in a file.
const MAKE: &str = "umask 077; printf '%s' \"$PGPASSWORD\" >/tmp/password; exec \"$@\"";
/// Makes users and database, each line a statement of its own, of which those fail that were done before; then
/// starts the server. Nothing else uses the data: a keeper sees to it, and a process id that an earlier sandbox
/// left says nothing in this one.
const SERVE: &str = "umask 077; rm -f postmaster.pid; setup=$WHARF_SETUP; unset WHARF_SETUP; \
                     printf '%s\\n' \"$setup\" | \"$1\" --single -D \"$3\" postgres >/tmp/setup 2>&1; \
                     unset setup; exec \"$@\"";
/// Asks for the exact number of each table's rows.
const COUNT: &str = "exec \"$@\" --no-align --tuples-only --field-separator='\t' --command=\"\
                     SELECT format('%I.%I', table_schema, table_name), \
                     (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I.%I', \
                     table_schema, table_name), false, true, '')))[1]::text \
                     FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
                     AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1\"";

pub(super) fn relationship(name: &ProcessName, passwords: &Passwords) -> Relationship {
    let directory = directory(name);
    Relationship {
        scheme: "postgresql",
        rest: format!("/{}?host={directory}", passwords.database()),
        socket: Some(format!("{directory}/{SOCKET}")),
        port: None,
        host: directory,
        user: Some(passwords.user().to_owned()),
        password: Some(passwords.application.clone()),
        database: Some(passwords.database().to_owned()),
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
        start: Start::Server(Command::new(SERVE, start).with(SETUP_TEXT, users(setting.passwords))),
        ready: Some(ready(setting)),
        upgrade: None,
        content: Some(content(setting)),
    }
}

/// A command as the application's user.
fn as_application(setting: &Setting<'_>, command: Command) -> Command {
    command
        .with("PGHOST", setting.directory())
        .with("PGUSER", setting.passwords.user())
        .with("PGPASSWORD", &setting.passwords.application)
}

fn psql(setting: &Setting<'_>) -> Vec<String> {
    let psql = [
        &setting.beside("psql"),
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        &of_database(setting),
    ];
    psql.map(str::to_owned).to_vec()
}

fn of_database(setting: &Setting<'_>) -> String {
    format!("--dbname={}", setting.passwords.database())
}

/// Ends well once its database answers.
pub(super) fn ready(setting: &Setting<'_>) -> Command {
    let mut ask = psql(setting);
    ask.push("--command=SELECT 1".to_owned());
    as_application(setting, Command::new(RUN, ask))
}

/// How its database comes out and in: as the application's user, who owns all that is in it.
pub(super) fn content(setting: &Setting<'_>) -> Content {
    let of_database = of_database(setting);
    let dump = [
        &setting.beside("pg_dump"),
        "--no-owner",
        "--no-privileges",
        &of_database,
    ];
    let shell = [&setting.beside("psql"), &of_database];
    let command = |command| as_application(setting, command);
    Content {
        dump: command(Command::new(RUN, dump)),
        load: Load::Served(command(Command::new(RUN, psql(setting)))),
        shell: Some(command(Command::new(RUN, shell))),
        count: Some(command(Command::new(COUNT, psql(setting)))),
    }
}

/// Who may come in: Wharf, the application, nobody else.
fn users(passwords: &Passwords) -> String {
    let Passwords {
        admin, application, ..
    } = passwords;
    [
        format!("CREATE ROLE {APPLICATION} LOGIN"),
        format!("ALTER ROLE {APPLICATION} LOGIN PASSWORD '{application}'"),
        format!("ALTER ROLE {ADMIN} LOGIN PASSWORD '{admin}'"),
        format!("CREATE DATABASE {DATABASE} OWNER {APPLICATION}"),
    ]
    .join("\n")
}
