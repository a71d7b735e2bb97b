//! Databases in instances that the operator runs: one for each environment, with a user of the same name that
//! owns it and may do nothing else.
//!
//! Wharf's own user there makes them and takes them away, by statements of ours alone. What an application has
//! stored comes out and in as its own user: what stands in a dump is never done by anybody who may do more.

use std::collections::BTreeMap;

use wharf_config::application::{Provider, Service, ServiceKind};
use wharf_config::host::{Instance, Reach};
use wharf_config::name::{EnvironmentId, ProcessName, ProjectName};

use super::{Command, Content, Load, RUN, Recipe, Setting, Start, mariadb, postgresql};

/// Characters of a name that are by chance, so that no two databases of any host have one name.
pub const CHANCE: usize = 8;
/// Seconds in which an instance has to answer.
const PATIENCE: &str = "20";
/// Where PostgreSQL's own databases are told from.
const POSTGRES: &str = "postgres";
/// A program of the host's that speaks with an instance as Wharf's own user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// It and its arguments.
    pub words: Vec<String>,
    /// Its variables, the password among them.
    pub variables: BTreeMap<&'static str, String>,
}

/// The instance that a service is to be in.
///
/// # Errors
/// Why there is none: a message, and what to do.
pub fn choose<'a>(
    service: &Service,
    declared: &'a [Instance],
) -> Result<&'a Instance, (String, String)> {
    let kind = service.kind.as_str();
    let fits: Vec<&Instance> = declared
        .iter()
        .filter(|one| one.kind == service.kind)
        .collect();
    let names = || {
        let names: Vec<&str> = fits.iter().map(|one| one.name.as_str()).collect();
        names.join(", ")
    };
    let wanted = match &service.provider {
        Provider::External { instance } => instance.as_ref(),
        Provider::Own => None,
    };
    match (wanted, fits.as_slice()) {
        (_, []) => Err((
            format!("the host's operator names no instance of {kind}"),
            "ask the operator for one, or leave `provider` out".to_owned(),
        )),
        (None, [one]) => Ok(one),
        (None, _) => Err((
            format!("the host has several instances of {kind}"),
            format!("write provider = \"external:NAME\" with one of {}", names()),
        )),
        (Some(name), _) => fits
            .iter()
            .find(|one| one.name == *name)
            .copied()
            .ok_or_else(|| {
                (
                    format!("the host has no instance of {kind} that is called {name}"),
                    format!("write provider = \"external:NAME\" with one of {}", names()),
                )
            }),
    }
}

/// A new database's name: whose it is, as far as that fits, and something that nothing else has.
pub fn name(
    kind: ServiceKind,
    (project, environment, service): (&ProjectName, &EnvironmentId, &ProcessName),
    chance: &str,
) -> String {
    // What the name of a user may have.
    let most = match kind {
        ServiceKind::Postgresql => 63,
        _ => 32,
    };
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '_',
    };
    let whose = format!("w_{project}_{environment}_{service}");
    let whose = whose.chars().map(plain).take(most - 1 - chance.len());
    format!("{}_{chance}", whose.collect::<String>())
}

/// Whether a text could be one of [`name`]'s: then it stands in statements as it is.
pub fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    text.starts_with("w_") && text.len() <= 63 && text.bytes().all(plain)
}

/// The client of an instance, which does what its standard input says.
pub fn client(instance: &Instance, program: String, password: String) -> Client {
    let (mut words, mut variables) = (vec![program], BTreeMap::new());
    let mut say = |word: &str| words.push(word.to_owned());
    match instance.kind {
        ServiceKind::Postgresql => {
            for word in ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"] {
                say(word);
            }
            say("--set=ON_ERROR_STOP=1");
            say("--no-password");
            let (host, port) = match &instance.reach {
                Reach::Tcp { host, port } => (host.clone(), *port),
                Reach::Socket(path) => {
                    let place = Reach::postgresql(path);
                    let (directory, port) = place.expect("its name was looked at when it was read");
                    (directory.display().to_string(), port)
                }
            };
            variables.insert("PGHOST", host);
            variables.insert("PGPORT", port.to_string());
            variables.insert("PGUSER", instance.user.clone());
            variables.insert("PGPASSWORD", password);
            variables.insert("PGDATABASE", POSTGRES.to_owned());
            variables.insert("PGCONNECT_TIMEOUT", PATIENCE.to_owned());
        }
        _ => {
            say("--no-defaults");
            for word in mariadb::PLAIN {
                say(word);
            }
            say(&format!("--connect-timeout={PATIENCE}"));
            say(&format!("--user={}", instance.user));
            match &instance.reach {
                Reach::Socket(path) => say(&format!("--socket={}", path.display())),
                Reach::Tcp { host, port } => {
                    say("--protocol=tcp");
                    say(&format!("--host={host}"));
                    say(&format!("--port={port}"));
                }
            }
            variables.insert("MYSQL_PWD", password);
        }
    }
    Client { words, variables }
}

/// Asks which version an instance has.
pub fn ask_version(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Postgresql => "SHOW server_version;\n",
        _ => "SELECT VERSION();\n",
    }
}

/// What an instance answers to that: `10.11.14-MariaDB-0+deb12u2` or `15.14 (Debian 15.14-1)`; none where it is
/// another program.
pub fn version(kind: ServiceKind, said: &str) -> Option<String> {
    let said = said.trim();
    if kind == ServiceKind::Mariadb && !said.contains("MariaDB") {
        return None;
    }
    let numbers = said
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()?;
    let good = numbers.starts_with(|c: char| c.is_ascii_digit());
    good.then(|| numbers.trim_end_matches('.').to_owned())
}

/// Makes a database and its user, or gives both again what they are to have.
pub fn make(instance: &Instance, name: &str, password: &str) -> String {
    match instance.kind {
        ServiceKind::Postgresql => [
            // What fails says no password then.
            "\\set VERBOSITY terse".to_owned(),
            format!(
                "SELECT 'CREATE ROLE {name}' WHERE NOT EXISTS \
                 (SELECT FROM pg_roles WHERE rolname = '{name}') \\gexec"
            ),
            format!("ALTER ROLE {name} LOGIN PASSWORD '{password}';"),
            // Who makes roles and is no superuser gives a database only to a role that it is a member of.
            format!("GRANT {name} TO CURRENT_USER;"),
            // Everybody may connect to a new one, and stay.
            format!(
                "SELECT 'CREATE DATABASE {name} OWNER {name} TEMPLATE template0 ENCODING ''UTF8'' \
                 ALLOW_CONNECTIONS false' WHERE NOT EXISTS \
                 (SELECT FROM pg_database WHERE datname = '{name}') \\gexec"
            ),
            format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC;"),
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true;\n"),
        ]
        .join("\n"),
        _ => {
            let user = user(instance, name);
            // An underscore stands for any character there, which would be another's.
            let pattern = name.replace('_', "\\_");
            [
                format!("CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4;"),
                format!("CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{password}';"),
                format!("ALTER USER {user} IDENTIFIED BY '{password}';"),
                format!("GRANT ALL ON `{pattern}`.* TO {user};\n"),
            ]
            .join("\n")
        }
    }
}

/// Takes a database away, with its user and whoever is at work in it.
pub fn drop(instance: &Instance, name: &str) -> String {
    match instance.kind {
        ServiceKind::Postgresql => {
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE);\nDROP ROLE IF EXISTS {name};\n")
        }
        _ => {
            let user = user(instance, name);
            format!("DROP DATABASE IF EXISTS `{name}`;\nDROP USER IF EXISTS {user};\n")
        }
    }
}

/// A user of MariaDB's, from where its connections come: an instance that is asked by its socket may have somebody
/// without a name who is at `localhost`, and is taken for anybody that comes from there.
fn user(instance: &Instance, name: &str) -> String {
    match instance.reach {
        Reach::Socket(_) => format!("`{name}`@`localhost`"),
        Reach::Tcp { .. } => format!("`{name}`@`%`"),
    }
}

/// How a service is run whose server is the operator's: none where it is not.
pub(super) fn recipe(setting: &Setting<'_>) -> Option<Recipe> {
    if setting.service.provider.is_own() {
        return None;
    }
    let (socket, ready, content) = match setting.service.kind {
        ServiceKind::Postgresql => (
            postgresql::SOCKET,
            postgresql::ready(setting),
            postgresql::content(setting),
        ),
        _ => {
            let ask = mariadb_words(setting, "mariadb", setting.passwords.user());
            let ask = Command::new(RUN, [ask, vec!["--execute=SELECT 1".to_owned()]].concat());
            let ask = ask.with("MYSQL_PWD", &setting.passwords.application);
            (mariadb::SOCKET, ask, mariadb_content(setting))
        }
    };
    Some(Recipe {
        make: None,
        start: Start::Door { socket },
        ready: Some(ready),
        upgrade: None,
        content: Some(content),
    })
}

fn mariadb_words(setting: &Setting<'_>, program: &str, user: &str) -> Vec<String> {
    let socket = mariadb::socket(setting.name);
    [
        program.to_owned(),
        "--no-defaults".to_owned(),
        format!("--socket={socket}"),
        format!("--user={user}"),
    ]
    .into()
}

fn mariadb_content(setting: &Setting<'_>) -> Content {
    let passwords = setting.passwords;
    let words = |program: &str, more: &[&str]| {
        let own = mariadb_words(setting, program, passwords.user());
        let more = more.iter().copied().chain([passwords.database()]);
        own.into_iter()
            .chain(more.map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let password = |command: Command| command.with("MYSQL_PWD", &passwords.application);
    let command = |text: &str, words: Vec<String>| password(Command::new(text, words));
    Content {
        dump: command(RUN, words("mariadb-dump", &mariadb::DUMP)),
        load: Load::Served(password(mariadb::load(
            words("mariadb", &mariadb::PLAIN),
            "CURRENT_USER",
        ))),
        shell: Some(command(RUN, words("mariadb", &[]))),
        count: Some(command(mariadb::COUNT, words("mariadb", &mariadb::PLAIN))),
    }
}

/// Commands that must not end well: they come to the instance without a password, as the application's own user and
/// as these others. Whoever sees a door may say any name there.
pub fn shut(setting: &Setting<'_>, others: &[String]) -> Vec<Command> {
    let own = setting.passwords.user();
    let users = [own].into_iter().chain(others.iter().map(String::as_str));
    let command = |user: &str| match setting.service.kind {
        ServiceKind::Postgresql => {
            let database = match user == own {
                true => setting.passwords.database(),
                false => POSTGRES,
            };
            let words = [
                &setting.beside("psql"),
                "--no-psqlrc",
                "--no-password",
                "--command=SELECT 1",
            ];
            Command::new(RUN, words)
                .with("PGHOST", setting.directory())
                .with("PGUSER", user)
                .with("PGDATABASE", database)
        }
        _ => {
            let ask = mariadb_words(setting, "mariadb", user);
            Command::new(RUN, [ask, vec!["--execute=SELECT 1".to_owned()]].concat())
        }
    };
    users.map(command).collect()
}

#[cfg(test)]
mod tests;
