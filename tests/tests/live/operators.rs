//! Servers of databases that the operator runs, outside of all that Wharf starts.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use wharf_tests::{World, run};

/// Wharf's own password there.
pub(crate) const PASSWORD: &str = "Of-Wharf-9";
/// Who else there is in MariaDB, and that somebody may make databases.
pub(crate) const USERS: &str = "CREATE USER wharf@localhost IDENTIFIED BY 'Of-Wharf-9';
GRANT ALL ON *.* TO wharf@localhost WITH GRANT OPTION;
CREATE DATABASE IF NOT EXISTS operators;
";
/// Nobody comes in without a password.
pub(crate) const LOCK: &str = "ALTER USER root@localhost ACCOUNT LOCK;\n";

/// A server of the operator's, outside of all that Wharf starts.
pub(crate) struct Operators {
    directory: tempfile::TempDir,
    server: Child,
}

impl Drop for Operators {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

/// A program as an ordinary user, which servers insist on; it ends with the test.
fn ordinary(world: &World, program: &str) -> std::process::Command {
    let mut command = world.command("bwrap");
    command.args(["--die-with-parent", "--unshare-user", "--unshare-pid"]);
    command.args(["--uid", "1000", "--gid", "1000", "--dev-bind", "/", "/"]);
    command.args(["--proc", "/proc", program]);
    command
}

/// Waits until a server answers: a file says so.
fn wait_for(path: &Path, says: &str) {
    let begun = SystemTime::now();
    let said = || std::fs::read_to_string(path).is_ok_and(|text| text.contains(says));
    while !(path.exists() && (says.is_empty() || said())) {
        assert!(
            begun.elapsed().unwrap() < Duration::from_secs(60),
            "{path:?}"
        );
        std::thread::yield_now();
    }
}

impl Operators {
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    pub(crate) fn mariadb(world: &World, setup: &str) -> Operators {
        let directory = tempfile::Builder::new()
            .prefix("o.")
            .tempdir_in("/tmp")
            .unwrap();
        let at = |name: &str| directory.path().join(name);
        let data = format!("--datadir={}", at("data").display());
        let mut make = ordinary(world, "mariadb-install-db");
        make.args(["--no-defaults", &data, "--skip-test-db"]);
        run(make.arg("--auth-root-authentication-method=normal")).ok();
        std::fs::write(at("setup.sql"), setup).unwrap();
        let mut server = ordinary(world, "mariadbd");
        server.args([
            "--no-defaults",
            &data,
            "--skip-networking",
            "--innodb-use-native-aio=0",
        ]);
        server.arg(format!("--socket={}", at("db.sock").display()));
        server.arg(format!("--init-file={}", at("setup.sql").display()));
        let server = server
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(&at("db.sock"), "");
        Operators { directory, server }
    }

    /// It answers at a port, and Wharf is no superuser there.
    pub(crate) fn postgresql(world: &World, port: u16, auth: &str) -> Operators {
        let directory = tempfile::Builder::new()
            .prefix("o.")
            .tempdir_in("/tmp")
            .unwrap();
        let at = |name: &str| directory.path().join(name);
        let data = at("data").display().to_string();
        let programs = std::fs::read_dir("/usr/lib/postgresql").unwrap();
        let programs = programs.last().unwrap().unwrap().path().join("bin");
        let program = |name: &str| programs.join(name).display().to_string();
        std::fs::write(at("password"), "Of-the-operator").unwrap();
        let mut make = ordinary(world, &program("initdb"));
        make.arg(format!("--pwfile={}", at("password").display()));
        make.args([
            "-D",
            &data,
            "-U",
            "operator",
            &format!("--auth={auth}"),
            "--no-sync",
        ]);
        run(&mut make).ok();
        let mut server = ordinary(world, &program("postgres"));
        server.args([
            "-D",
            &data,
            "-p",
            &port.to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
        ]);
        server.arg("-k").arg(directory.path());
        let server = server
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(&at("data/postmaster.pid"), "ready");
        let role = format!("CREATE ROLE wharf LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'");
        let mut client = world.command(&program("psql"));
        client
            .env("PGPASSWORD", "Of-the-operator")
            .arg("-h")
            .arg(directory.path());
        client.args([
            "-U",
            "operator",
            "-p",
            &port.to_string(),
            "postgres",
            "-c",
            &role,
        ]);
        run(&mut client).ok();
        Operators { directory, server }
    }
}

/// Says in the host's file which instances there are.
pub(crate) fn declare(world: &World, instances: &[String]) {
    use std::os::unix::fs::PermissionsExt;
    let password = world.home().join("config/instances.password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&password, PermissionsExt::from_mode(0o640)).unwrap();
    let file = world.home().join("config/wharfd.d/services.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let file_of = format!("password_file = {password:?} }}");
    let lines: Vec<String> = instances
        .iter()
        .map(|one| format!("{one}, {file_of}\n"))
        .collect();
    std::fs::write(file, format!("[services]\n{}", lines.concat())).unwrap();
    world.wharf(&["reload"]).ok();
}

pub(crate) fn by_socket(name: &str, operators: &Operators) -> String {
    let socket = operators.path("db.sock");
    format!("{name} = {{ type = \"mariadb\", socket = {socket:?}")
}

pub(crate) fn by_port(name: &str, port: u16) -> String {
    format!("{name} = {{ type = \"postgresql\", host = \"localhost\", port = {port}")
}

/// A port that nothing listens at.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
