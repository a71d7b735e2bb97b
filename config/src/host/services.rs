//! `[services]`: instances of databases that the operator runs, in which environments have theirs.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::read::Merge;
use crate::{
    application::ServiceKind, name::ProcessName, place::MAX_SOCKET, project::read::absolute,
    reader::Item,
};

const MOST: usize = 64;
/// Who Wharf is to an instance, unless that is said.
const USER: &str = "wharf";
/// How a socket of PostgreSQL's is called; its port is behind it.
const POSTGRESQL: &str = ".s.PGSQL.";

/// An instance that the operator runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// What the operator calls it.
    pub name: ProcessName,
    /// What it is: MariaDB or PostgreSQL.
    pub kind: ServiceKind,
    /// Where it answers.
    pub reach: Reach,
    /// Who Wharf is to it: somebody who may make databases and users.
    pub user: String,
    /// A file with that user's password alone.
    pub password_file: PathBuf,
}

/// Where an instance answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// At a Unix socket of this host.
    Socket(PathBuf),
    /// At a port, of this host or another.
    Tcp {
        /// A name or an address.
        host: String,
        /// Its port.
        port: u16,
    },
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Tcp { host, port } => write!(f, "{host}, port {port}"),
        }
    }
}

impl Reach {
    /// The directory and the number of a socket of PostgreSQL's.
    pub fn postgresql(path: &Path) -> Option<(&Path, u16)> {
        let name = path.file_name()?.to_str()?;
        let number = name.strip_prefix(POSTGRESQL)?.parse().ok()?;
        Some((path.parent()?, number))
    }
}

/// How `wharfd check` prints what counts where nobody wrote anything.
pub(super) const SHOWN: [(&str, &str); 1] = [("services", "none")];

/// Reads the section: an instance a name, of which a later file replaces an earlier one's.
pub(super) fn merge(item: &Item<'_>, m: &mut Merge<'_>) {
    let Some(table) = item.table("") else { return };
    let entries = table.entries();
    if entries.len() > MOST {
        let why = format!("more than {MOST} instances");
        return item.bad_key("bad-value", why, "leave some out");
    }
    let found: Vec<Instance> = entries.iter().filter_map(instance).collect();
    m.instances(item.key_spot().line(), found);
}

fn instance(item: &Item<'_>) -> Option<Instance> {
    let name = item.key_as("main = { type = \"mariadb\" }", ProcessName::parse);
    let table = item.table("{ type = \"mariadb\", socket = \"/run/mysqld/mysqld.sock\" }")?;
    let kinds = [ServiceKind::Mariadb, ServiceKind::Postgresql].map(|kind| (kind.as_str(), kind));
    let [kind, socket, host, port] = ["type", "socket", "host", "port"].map(|key| table.get(key));
    let password_file = table.get("password_file");
    let absent: Vec<&'static str> = [
        ("type", kind.is_none()),
        ("socket", socket.is_none() && host.is_none()),
        ("password_file", password_file.is_none()),
    ]
    .into_iter()
    .filter_map(|(key, absent)| absent.then_some(key))
    .collect();
    if !absent.is_empty() {
        let message = format!("instance {} has no `{}`", item.key(), absent.join("`, `"));
        let hint = "write type, socket or host, and password_file below it";
        table.missing(&absent, message, hint);
    }
    let kind = kind.and_then(|item| item.one_of(&kinds));
    let user = match table.get("user") {
        Some(item) => item.parsed("\"wharf\"", user),
        None => Some(USER.to_owned()),
    };
    let reach = match (socket, host) {
        (Some(socket), None) => {
            if let Some(port) = port {
                port.bad("a socket has no port", "leave it out");
            }
            kind.and_then(|kind| path_of_socket(&socket, kind))
        }
        (Some(socket), Some(_)) => {
            socket.bad(
                "an instance is reached by one of `socket` and `host`",
                "leave one out",
            );
            if let Some(port) = port {
                port.number(1..=65_535);
            }
            None
        }
        (None, Some(host)) => {
            let usual = match kind {
                Some(ServiceKind::Postgresql) => Some(5432),
                _ => Some(3306),
            };
            let port = match port {
                Some(port) => port
                    .number(1..=65_535)
                    .and_then(|port| u16::try_from(port).ok()),
                None => usual,
            };
            let host = host.parsed("\"db.internal\"", host_name);
            host.zip(port).map(|(host, port)| Reach::Tcp { host, port })
        }
        (None, None) => None,
    };
    let password_file = password_file.and_then(|item| absolute(&item));
    table.finish();
    Some(Instance {
        name: name?,
        kind: kind?,
        reach: reach?,
        user: user?,
        password_file: password_file?,
    })
}

fn path_of_socket(item: &Item<'_>, kind: ServiceKind) -> Option<Reach> {
    let path = absolute(item)?;
    if path.as_os_str().len() > MAX_SOCKET {
        item.bad(
            "the path of a Unix socket has at most 107 bytes",
            "let it listen at a shorter one",
        );
        return None;
    }
    if kind == ServiceKind::Postgresql && Reach::postgresql(&path).is_none() {
        let hint = "write the socket itself: \"/run/postgresql/.s.PGSQL.5432\"";
        item.bad("is no socket of PostgreSQL's", hint);
        return None;
    }
    Some(Reach::Socket(path))
}

/// It stands in statements and arguments.
fn user(text: &str) -> Result<String, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match begins && text.len() <= 32 && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("must be letters, digits and _, at most 32, a letter first"),
    }
}

fn host_name(text: &str) -> Result<String, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:".contains(&b);
    let good = (1..=253).contains(&text.len()) && !text.starts_with('-');
    match good && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("must be a host's name or address"),
    }
}

#[cfg(test)]
mod tests {
    use crate::{host::Host, place::Place};

    fn load(files: &[(&str, &str)]) -> Result<Host, String> {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::below(dir.path());
        std::fs::create_dir_all(place.drop_ins_dir()).unwrap();
        for (name, text) in files {
            std::fs::write(place.config.join(name), text).unwrap();
        }
        Host::load(&place).map_err(|problems| problems.render(100))
    }

    #[test]
    fn an_instance_is_reached_by_its_socket_or_its_port() {
        let text = "[services]\n\
            main = { type = \"mariadb\", socket = \"/run/a.sock\", password_file = \"/etc/a\" }\n\
            far = { type = \"postgresql\", host = \"db.internal\", user = \"root_1\", password_file = \"/etc/b\" }\n";
        let later = "[services.main]\ntype = \"mariadb\"\nhost = \"::1\"\nport = 3307\npassword_file = \"/c\"\n";
        let host = load(&[("wharfd.toml", text), ("wharfd.d/later.toml", later)]).unwrap();
        let all: Vec<(&str, &str, String)> = host
            .services
            .iter()
            .map(|one| (one.name.as_str(), one.user.as_str(), one.reach.to_string()))
            .collect();
        let wanted = [
            ("far", "root_1", "db.internal, port 5432".to_owned()),
            ("main", "wharf", "::1, port 3307".to_owned()),
        ];
        assert_eq!(all, wanted);
        let setting = host.settings.iter().find(|one| one.key == "services");
        let shown = &setting.unwrap().value;
        assert_eq!(
            shown,
            "far (postgresql: db.internal, port 5432), main (mariadb: ::1, port 3307)"
        );
    }

    #[test]
    fn what_is_wrong_with_an_instance_is_said() {
        let text = "[services]\n\
            a = { type = \"redis\", socket = \"/run/a\", password_file = \"/etc/a\" }\n\
            b = { type = \"mariadb\" }\n\
            c = { type = \"postgresql\", socket = \"/run/postgresql\", password_file = \"x\" }\n\
            d = { type = \"mariadb\", socket = \"/run/d\", port = 1, user = \"a'b\", password_file = \"/d\" }\n\
            e = { type = \"mariadb\", socket = \"/run/e\", host = \"-h\", password = \"secret\", password_file = \"/e\" }\n";
        let said = load(&[("wharfd.toml", text)]).unwrap_err();
        for wanted in [
            "`redis` is not one of its values",
            "instance b has no `socket`, `password_file`",
            "is no socket of PostgreSQL's",
            "must be an absolute path",
            "a socket has no port",
            "must be letters, digits and _",
            "one of `socket` and `host`",
            "unknown key",
        ] {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
    }
}
