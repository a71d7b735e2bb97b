//! A real sshd, with its own keys and people.
//!
//! It is started for each connection, as inetd did: the port is ours before sshd exists, so that no
//! other test can take it in between.

use std::{
    fs,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{fs::DirBuilderExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::{LIMIT, Tree, World, bin, programs, run, said};

/// An sshd on a port of its own, which gives `wharf-shell` to everybody whose key it knows.
#[derive(Debug)]
pub struct Sshd<'world> {
    world: &'world World,
    directory: PathBuf,
    keys: PathBuf,
    address: SocketAddr,
    ending: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
    connections: Arc<Mutex<Vec<Child>>>,
}

/// A person's access: how git and wharf run ssh.
#[derive(Debug, Clone)]
pub struct Laptop {
    /// For `GIT_SSH_COMMAND`.
    pub ssh: String,
    /// The beginning of URLs: `ssh://user@127.0.0.1:port`.
    pub host: String,
}

impl<'world> Sshd<'world> {
    /// Starts listening.
    pub fn start(world: &'world World) -> Sshd<'world> {
        let keys = world.path("sshd/authorized_keys");
        Sshd::serving(world, "sshd", keys, "")
    }

    /// The same for an account that has its own list of keys, with more in its surroundings, such as
    /// `HOME=/srv/git`.
    pub fn serving(
        world: &'world World,
        name: &str,
        keys: PathBuf,
        surroundings: &str,
    ) -> Sshd<'world> {
        let directory = world.path(name);
        fs::create_dir_all(&directory).expect("a directory can be made");
        if rustix::process::geteuid().is_root() {
            // Without it an sshd of root does not start; packages make it at boot.
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create("/run/sshd")
                .expect("root can make /run/sshd");
        }
        key(world, &directory.join("host"));
        let configuration = directory.join("sshd_config");
        fs::write(
            &configuration,
            configure(world, &directory, &keys, surroundings),
        )
        .expect("a file can be written");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let ending = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (end, children) = (Arc::clone(&ending), Arc::clone(&connections));
        let log = directory.join("log");
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let child = serve(stream.expect("a connection"), &configuration, &log);
                children.lock().expect("nobody panics with it").push(child);
            }
        });
        Sshd {
            world,
            directory,
            keys,
            address,
            ending,
            accepting: Some(accepting),
            connections,
        }
    }

    /// Makes a key for a person and lets it in, as an operator does: with `wharf key add`.
    pub fn admit(&self, person: &str) -> Laptop {
        let laptop = self.stranger(person);
        let public = self.directory.join(format!("{person}.pub"));
        let mut add = self.world.command("wharf");
        add.args(["key", "add", person, "--authorized-keys"]);
        run(add.arg(&self.keys).arg(public)).ok();
        laptop
    }

    /// The access of somebody who has a key already.
    pub fn laptop(&self, person: &str) -> Laptop {
        let file = self.directory.join(format!("{person}.conf"));
        Laptop {
            ssh: format!("ssh -F {}", file.display()),
            host: format!("ssh://{}@{}", user(self.world), self.address),
        }
    }

    /// The same without a name: who it is says the key, whose fingerprint is returned as well.
    pub fn admit_key(&self, person: &str) -> (Laptop, String) {
        let laptop = self.stranger(person);
        let public = self.directory.join(format!("{person}.pub"));
        let key = fs::read_to_string(&public).expect("there is a key");
        let shell = bin().join("wharf-shell");
        let line = format!(
            "command=\"{} --home {}\",restrict {key}",
            shell.display(),
            self.world.home().display()
        );
        let mut keys = fs::read_to_string(&self.keys).unwrap_or_default();
        keys.push_str(&line);
        fs::write(&self.keys, keys).expect("a file can be written");
        let mut keygen = self.world.command("ssh-keygen");
        let said = run(keygen.args(["-l", "-f"]).arg(public)).ok().out;
        let fingerprint = said.split(' ').nth(1).expect("a fingerprint");
        (laptop, fingerprint.to_owned())
    }

    /// Makes a key for a person whom nobody lets in.
    pub fn stranger(&self, person: &str) -> Laptop {
        key(self.world, &self.directory.join(person));
        let host_key =
            fs::read_to_string(self.directory.join("host.pub")).expect("the host has a key");
        let known = format!("[127.0.0.1]:{} {host_key}", self.address.port());
        let at = self.directory.display();
        fs::write(self.directory.join("known_hosts"), known).expect("a file can be written");
        let file = self.directory.join(format!("{person}.conf"));
        let text = format!(
            "IdentityFile {at}/{person}\nIdentitiesOnly yes\nIdentityAgent none\n\
             UserKnownHostsFile {at}/known_hosts\nGlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking yes\nBatchMode yes\nLogLevel ERROR\n"
        );
        fs::write(&file, text).expect("a file can be written");
        self.laptop(person)
    }

    /// Makes a work tree a laptop's: its remote `wharf` is an ssh URL, and there is no daemon.
    pub fn give(&self, laptop: &Laptop, tree: &mut Tree<'_>, project: &str) {
        let url = format!(
            "{}{}",
            laptop.host,
            self.world.repository(project).display()
        );
        let change = tree.git(&["remote", "set-url", "wharf", &url]);
        if change.code != 0 {
            tree.git(&["remote", "add", "wharf", &url]).ok();
        }
        tree.set_ssh(&laptop.ssh);
    }

    /// Cuts the newest connection, without a word to either side.
    #[track_caller]
    pub fn cut(&self) {
        let connections = self.connections();
        said::kill(connections.last().expect("somebody is connected"));
        drop(connections);
        self.wait_until_left();
    }

    /// Waits until the newest connection has ended.
    #[track_caller]
    pub fn wait_until_left(&self) {
        let newest = self.connections().pop();
        let mut newest = newest.expect("somebody was connected");
        let left = said::wait(&newest, LIMIT);
        assert!(left, "still connected\n{}", self.log());
        newest.wait().expect("a child can be waited for");
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Child>> {
        self.connections.lock().expect("nobody panics with it")
    }

    /// What sshd wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The public key of a person who has one.
    pub fn public_key(&self, person: &str) -> PathBuf {
        self.directory.join(format!("{person}.pub"))
    }
}

impl Drop for Sshd<'_> {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it should end.
        if let Ok(stream) = TcpStream::connect(self.address)
            && let Err(error) = stream.shutdown(Shutdown::Both)
        {
            eprintln!("sshd's listener: {error}");
        }
        if let Some(accepting) = self.accepting.take()
            && accepting.join().is_err()
        {
            eprintln!("sshd's listener ended badly");
        }
        let children = std::mem::take(&mut *self.connections());
        for mut child in children {
            // Whoever is still connected now is not waited for.
            if matches!(child.try_wait(), Ok(None)) {
                said::kill(&child);
            }
            if let Err(error) = child.wait() {
                eprintln!("an sshd cannot be waited for: {error}");
            }
        }
        if thread::panicking() {
            eprintln!("--- sshd\n{}", self.log());
        }
    }
}

fn configure(world: &World, directory: &Path, keys: &Path, surroundings: &str) -> String {
    let (at, keys) = (directory.display(), keys.display());
    format!(
        "HostKey {at}/host\nAuthorizedKeysFile {keys}\nPidFile none\n\
         UsePAM no\nExposeAuthInfo yes\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nPrintMotd no\nLogLevel VERBOSE\n\
         Subsystem sftp internal-sftp\n\
         SetEnv PATH={} TMPDIR={} GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null {surroundings}\n",
        world.search_path(),
        world.path("tmp").display(),
    )
}

/// One connection's sshd, in its own group.
fn serve(stream: TcpStream, configuration: &Path, log: &Path) -> Child {
    let input = OwnedFd::from(stream);
    let output = input.try_clone().expect("a socket can be shared");
    // sshd wants its own absolute path, for it runs itself again.
    Command::new(programs::find("sshd"))
        .arg("-i")
        .arg("-f")
        .arg(configuration)
        .arg("-E")
        .arg(log)
        .env_clear()
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sshd can be run")
}

fn key(world: &World, path: &Path) {
    let mut keygen = world.command("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]);
    run(keygen.arg(path)).ok();
}

/// Who runs the tests, and so who is logged in as.
fn user(world: &World) -> String {
    run(world.command("id").arg("-un"))
        .ok()
        .out
        .trim_end()
        .to_owned()
}
