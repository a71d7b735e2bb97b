//! What repository code may see and use, and its rendering for bubblewrap.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{host_root::HostRoot, id::Id};

/// Where the code is, in every build and every release.
pub const APP: &str = "/app";
/// The application's home: empty, in memory, of a limited size.
pub const HOME: &str = "/home/app";
/// Where the directory of an application's Unix socket is.
pub const SOCKETS: &str = "/run/app";
/// Where the directories of services' sockets are, one a service by its name.
pub const SERVICES: &str = "/run/services";
/// Where builds keep what the next one may use.
pub const CACHE: &str = "/cache";
/// Where patches are while they are applied.
pub const PATCHES: &str = "/patches";
/// Where commands are looked for.
pub const PATH: &str =
    "/app/.venv/bin:/app/node_modules/.bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// Bytes that `/tmp` and the home may each take, unless the sandbox says otherwise.
const SCRATCH: u64 = 1 << 30;
/// Processes and threads of a sandbox: enough for each build, and too few to take the host along.
const PROCESSES: u64 = 4096;
/// Bytes of one file: more than a database has that runs beside others, less than a disk.
const FILE: u64 = 256 << 30;

/// All that a stage or a process may see and use. A value: [`bubblewrap`] renders it, and so does the
/// helper, as a unit of systemd's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// Whose it is, where there is a user for each environment.
    #[serde(default)]
    pub user: User,
    /// Whom it is for, as operators look for it.
    #[serde(default)]
    pub label: Option<Label>,
    /// What is visible of the host besides its programs, in the order in which it is mounted.
    pub binds: Vec<Bind>,
    /// The variables, complete: nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Which network there is.
    pub network: Network,
    /// What leads into a network of its own, or out of it.
    #[serde(default)]
    pub forwards: Vec<Forward>,
    /// Bytes that `/tmp`, the home and `/dev/shm` may each take, in memory.
    pub scratch: u64,
    /// What its processes may take.
    pub limits: Limits,
    /// Which system calls there are.
    #[serde(default)]
    pub calls: Calls,
}

/// Whose processes a sandbox has. Without root they are all the daemon's own user's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum User {
    /// Nobody's: a user that nothing else has meanwhile.
    #[default]
    Build,
    /// The user of this environment, by the environment's name on the host.
    Environment(Id),
}

/// What something runs for: its unit, its resources and what it prints are found by that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The project's name.
    pub project: Id,
    /// The environment's id.
    pub environment: Id,
}

/// A directory, file or socket of the host inside the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// Where it is on the host: absolute.
    pub source: PathBuf,
    /// Where it appears: absolute. Inside a read-only bind it must exist there already.
    pub target: PathBuf,
    /// Whether it may be written.
    pub access: Access,
}

/// Whether something may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

/// Which network a sandbox has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The host's.
    Shared,
    /// Only its own loopback device.
    None,
}

/// Which system calls there are in a sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calls {
    /// Those that builds and services need: the daemon's lists.
    #[default]
    Ordinary,
    /// All that the kernel has: to show what the lists are good for.
    All,
}

/// What the first program in a sandbox connects for as long as the command runs. Paths and ports are
/// those inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Forward {
    /// Who connects to the socket reaches the port, once something listens there.
    In {
        /// Of the forwarder.
        socket: PathBuf,
        /// Of the application.
        port: u16,
        /// Where the application may listen instead: then nobody has to wait for its port.
        #[serde(default)]
        instead: Option<PathBuf>,
    },
    /// Who connects to the port reaches the socket.
    Out {
        /// Of the forwarder.
        port: u16,
        /// Of somebody outside.
        socket: PathBuf,
    },
}

/// What a sandbox may take; what is none is not limited. Core files are never written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open descriptors of each process.
    pub open_files: Option<u64>,
    /// Bytes of the largest file that can be written.
    pub file_bytes: Option<u64>,
    /// Processes and threads of the sandbox at a time.
    pub processes: Option<u64>,
    /// Bytes of memory of all its processes, and of its files in memory.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Processors of all its processes, in hundredths of one.
    #[serde(default)]
    pub cpus: Option<u64>,
    /// Bytes in the directories that it may write to.
    #[serde(default)]
    pub disk: Option<u64>,
}

/// What a rendering needs besides: bubblewrap's abilities, and descriptors of files to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup<'a> {
    /// A descriptor of `/etc/passwd`'s content.
    pub passwd: i32,
    /// A descriptor of `/etc/group`'s content.
    pub group: i32,
    /// Whether the code inside may make user namespaces of its own.
    pub user_namespaces: UserNamespaces,
    /// Descriptors of the programs that filter system calls, in their order.
    pub filters: &'a [i32],
}

/// Whether the code inside may make user namespaces: they open much of the kernel to attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserNamespaces {
    /// It cannot.
    Disabled,
    /// It can: bubblewrap or the kernel does not know how to forbid it.
    Allowed,
}

impl Sandbox {
    /// A sandbox with `app` at [`APP`], the base environment and the host's network.
    #[must_use]
    pub fn new(app: PathBuf, access: Access) -> Self {
        let environment = [
            ("HOME", HOME),
            ("LANG", "C.UTF-8"),
            ("LOGNAME", "app"),
            ("PATH", PATH),
            ("SHELL", "/bin/sh"),
            ("TMPDIR", "/tmp"),
            ("USER", "app"),
        ];
        Self {
            user: User::Build,
            label: None,
            binds: vec![Bind {
                source: app,
                target: APP.into(),
                access,
            }],
            environment: environment
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            network: Network::Shared,
            forwards: Vec::new(),
            scratch: SCRATCH,
            limits: Limits {
                open_files: Some(65_536),
                file_bytes: Some(FILE),
                processes: Some(PROCESSES),
                ..Limits::default()
            },
            calls: Calls::Ordinary,
        }
    }
}

/// Renders a sandbox as bubblewrap's options, without the program's name and the command.
///
/// The variables are not among them: neither bubblewrap nor the first program inside may see them
/// (`LD_PRELOAD` of a project would be run there). [`environment`] is for that program to read.
///
/// `--die-with-parent` is always there: the parent is a permanent thread, or a keeper.
#[must_use]
pub fn bubblewrap(sandbox: &Sandbox, host: &HostRoot, setup: Setup<'_>) -> Vec<OsString> {
    let mut argv = Argv::default();
    argv.push(["--unshare-user", "--unshare-all"]);
    if sandbox.network == Network::Shared {
        argv.push(["--share-net"]);
    }
    if setup.user_namespaces == UserNamespaces::Disabled {
        argv.push(["--disable-userns"]);
    }
    argv.push(["--new-session", "--die-with-parent", "--cap-drop", "ALL"]);
    for filter in setup.filters {
        argv.push(["--add-seccomp-fd", &filter.to_string()]);
    }
    argv.push(["--uid", "1000", "--gid", "1000", "--hostname", "app"]);

    for directory in &host.directories {
        argv.bind("--ro-bind", directory, directory);
    }
    for (link, target) in &host.links {
        argv.bind("--symlink", target, link);
    }
    argv.push(["--perms", "0755", "--dir", "/etc"]);
    for path in &host.etc {
        argv.bind("--ro-bind", path, path);
    }
    argv.push([
        "--perms",
        "0644",
        "--file",
        &setup.passwd.to_string(),
        "/etc/passwd",
    ]);
    argv.push([
        "--perms",
        "0644",
        "--file",
        &setup.group.to_string(),
        "/etc/group",
    ]);

    argv.push(["--proc", "/proc", "--dev", "/dev"]);
    let scratch = sandbox.scratch.to_string();
    argv.push(["--perms", "1777", "--size", &scratch, "--tmpfs", "/dev/shm"]);
    argv.push(["--remount-ro", "/dev"]);
    argv.push(["--perms", "1777", "--size", &scratch, "--tmpfs", "/tmp"]);
    argv.push(["--perms", "0700", "--size", &scratch, "--tmpfs", HOME]);
    for bind in &sandbox.binds {
        let option = match bind.access {
            Access::Read => "--ro-bind",
            Access::Write => "--bind",
        };
        argv.bind(option, &bind.source, &bind.target);
    }
    argv.push(["--remount-ro", "/", "--chdir", APP]);
    argv.0
}

/// The variables as `execve` has them, each `NAME=value` with a NUL.
#[must_use]
pub fn environment(sandbox: &Sandbox) -> Vec<u8> {
    let pairs = sandbox.environment.iter();
    let texts = pairs.map(|(name, value)| format!("{name}={value}\0"));
    texts.collect::<String>().into_bytes()
}

#[derive(Default)]
struct Argv(Vec<OsString>);

impl Argv {
    fn push<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(OsString::from));
    }

    fn bind(&mut self, option: &str, source: &Path, target: &Path) {
        let words = [OsStr::new(option), source.as_os_str(), target.as_os_str()];
        self.0.extend(words.map(OsStr::to_os_string));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rendering_is_known_word_by_word() {
        let host = HostRoot {
            directories: vec!["/usr".into()],
            links: vec![("/bin".into(), "usr/bin".into())],
            etc: vec!["/etc/hosts".into(), "/etc/ssl/certs".into()],
        };
        let mut sandbox = Sandbox::new("/state/slugs/ab".into(), Access::Read);
        let (source, target) = ("/state/mounts/data".into(), "/app/data".into());
        sandbox.binds.push(Bind {
            source,
            target,
            access: Access::Write,
        });
        sandbox.environment = [("SECRET".to_owned(), "--bind / /".to_owned())].into();
        sandbox.network = Network::None;
        let setup = Setup {
            passwd: 10,
            group: 11,
            user_namespaces: UserNamespaces::Disabled,
            filters: &[12, 13],
        };
        let words = bubblewrap(&sandbox, &host, setup);
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        // One option a line.
        let text = words.join(" ").replace(" --", "\n--");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_host_s_network_is_shared_where_it_is_allowed() {
        let sandbox = Sandbox::new("/x".into(), Access::Read);
        let host = HostRoot {
            directories: vec![],
            links: vec![],
            etc: vec![],
        };
        let setup = Setup {
            passwd: 10,
            group: 11,
            user_namespaces: UserNamespaces::Allowed,
            filters: &[],
        };
        let words = bubblewrap(&sandbox, &host, setup);
        let has = |word: &str| words.iter().any(|w| w == word);
        assert!(has("--share-net") && !has("--disable-userns"));
    }
}
