//! The ways out of a sandbox that the program `escape` tries, and which of them are open. The page
//! `docs/isolation.md` has its table from here; `tests/live/escapes.rs` holds that it is true of
//! bubblewrap with one user for all, `tests/booted/escapes.rs` of units.

use std::collections::BTreeSet;

/// One way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Its name.
    pub name: &'static str,
    /// What is tried.
    pub tries: &'static str,
    /// What comes of it.
    pub outcome: Outcome,
}

/// What comes of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It gets nowhere.
    Held,
    /// It gets there, and why.
    Open(&'static str),
    /// It gets there, and why, unless its network is its own.
    OpenWhereShared(&'static str),
    /// The same, where the kernel's Landlock has no scopes besides.
    OpenWithoutScopes(&'static str),
}

/// Which network a probe finds itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The host's.
    Shared,
    /// Its own.
    Private,
}

impl Probe {
    /// Whether it gets there from this network, on a kernel with this version of Landlock's
    /// interface.
    pub fn is_open(&self, network: Network, landlock: u32) -> bool {
        match self.outcome {
            Outcome::Held => false,
            Outcome::Open(_) => true,
            Outcome::OpenWhereShared(_) => network == Network::Shared,
            Outcome::OpenWithoutScopes(_) => network == Network::Shared && landlock < SCOPES,
        }
    }

    /// The same for the page.
    pub fn said(&self) -> String {
        match self.outcome {
            Outcome::Held => "held".into(),
            Outcome::Open(why) => format!("**open**: {why}"),
            Outcome::OpenWhereShared(why) => {
                format!("held with `network = \"private\"`, else **open**: {why}")
            }
            Outcome::OpenWithoutScopes(why) => format!(
                "held with `network = \"private\"`, and where Linux is 6.12 or newer and has \
                 Landlock, else **open**: {why}"
            ),
        }
    }
}

/// Ways that are open to a user of its own without any sandbox, on every Linux: what a sandbox is for.
pub(crate) const OPEN_ALONE: [&str; 19] = [
    "neighbour-process",
    "tracing",
    "host-processes",
    "configuration",
    "shared-memory",
    "setuid-file",
    "setuid-otherwise",
    "capabilities",
    "keyring-add",
    "keyring-read",
    "personality",
    "netlink",
    "other-sockets",
    "abstract-socket",
    "localhost",
    "forks",
    "big-file",
    "memory",
    "disk",
];

/// Asserts of what the program `escape` said as a user of its own without a sandbox, a probe at a time, that
/// all were tried and `OPEN_ALONE` are open.
#[track_caller]
pub fn assert_open_alone(said: &str) {
    for probe in PROBES {
        let lines = ["held", "open"].map(|word| format!("{word} {}: ", probe.name));
        let is_said = lines.iter().any(|line| said.contains(line));
        assert!(is_said, "{}\n{said}", probe.name);
    }
    let found = open_ones(said);
    for name in OPEN_ALONE {
        assert!(found.contains(name), "{name}\n{said}");
    }
}

fn open_ones(said: &str) -> BTreeSet<&str> {
    said.lines()
        .filter_map(|line| line.strip_prefix("open "))
        .filter_map(|line| line.split(':').next())
        .collect()
}

/// Asserts of what the program `escape` said that it came to its end, and that what it found open from
/// this network is what the list says, no more and no less.
#[track_caller]
pub fn assert_open_as_listed(said: &str, network: Network) {
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), PROBES.len() + 2, "{said}");
    assert_eq!(lines.last(), Some(&"done"), "{said}");
    let landlock = lines[0].strip_prefix("landlock ");
    let landlock = landlock.and_then(|version| version.parse().ok());
    let landlock = landlock.expect("the first line has the version");
    let open: BTreeSet<&str> = PROBES
        .iter()
        .filter(|probe| probe.is_open(network, landlock))
        .map(|probe| probe.name)
        .collect();
    assert_eq!(open_ones(said), open, "{said}");
}

/// The first version of Landlock's interface that has them: Linux 6.12.
const SCOPES: u32 = 6;

const fn held(name: &'static str, tries: &'static str) -> Probe {
    let outcome = Outcome::Held;
    Probe {
        name,
        tries,
        outcome,
    }
}

const fn open(name: &'static str, tries: &'static str, why: &'static str) -> Probe {
    let outcome = Outcome::Open(why);
    Probe {
        name,
        tries,
        outcome,
    }
}

/// All of them, in the order in which they are tried.
pub const PROBES: &[Probe] = &[
    // What is around.
    held("neighbour-files", "read a mount of another environment"),
    held(
        "neighbour-process",
        "see a process of another environment in `/proc`",
    ),
    held("neighbour-memory", "`process_vm_readv` of it"),
    held(
        "neighbour-signal",
        "send it a signal, by its id and by `pidfd_open`",
    ),
    held(
        "neighbour-variables",
        "find its secret in any `/proc/*/environ`",
    ),
    held("tracing", "`ptrace`"),
    held(
        "daemon-socket",
        "connect to the daemon's and the router's sockets",
    ),
    held("daemon-state", "read the state directory"),
    held("daemon-variables", "find the daemon's own variables"),
    held("host-processes", "see any process of the host"),
    held(
        "command-line",
        "find variables in the arguments of the sandbox's processes",
    ),
    held("descriptors", "use a descriptor that was left open"),
    held("repository", "read the git repository"),
    held("hooks", "write a hook into it"),
    held(
        "configuration",
        "read `/etc/wharf`, `/etc/shadow`, private keys, home directories",
    ),
    held(
        "run-directory",
        "find D-Bus, Docker or anything else below `/run`",
    ),
    held("shared-memory", "read the host's `/dev/shm`"),
    held(
        "terminal",
        "open the terminal of whoever started the daemon",
    ),
    // Files.
    held(
        "setuid-file",
        "`chmod` a file on the host's disk to run as its owner",
    ),
    held(
        "setuid-otherwise",
        "the same by `fchmod`, `open`, `O_TMPFILE`, `mknod` and their kin",
    ),
    held("hard-link", "link a file of the host into the tree"),
    held("symbolic-link", "read the state through a link"),
    held("read-only", "write to `/usr`, `/etc` and `/`"),
    held("devices", "make a device, or open one that matters"),
    held(
        "file-handle",
        "open a file by its handle, past all directories",
    ),
    // The kernel.
    held("user-namespace", "`unshare` and `clone` a user namespace"),
    held(
        "new-clone",
        "the same by `clone3`, whose flags no filter sees",
    ),
    held("enter-namespace", "`setns`"),
    held("mount", "`mount`"),
    held("new-mount", "`fsopen`, `open_tree`, `move_mount`"),
    held("unmount", "take away what covers the host's files"),
    held("pivot-root", "`pivot_root`"),
    held("chroot", "`chroot`"),
    held(
        "capabilities",
        "have any capability, or gain one by a setuid program",
    ),
    held("become-root", "`setuid(0)`, `setgroups`"),
    held("keyring-add", "`add_key` into the keyring of the user"),
    held("keyring-read", "`keyctl`, `request_key`"),
    held("io-uring", "`io_uring_setup`"),
    held("userfaultfd", "`userfaultfd`, also for user mode only"),
    held("bpf", "`bpf`"),
    held("perf", "`perf_event_open`"),
    held("modules", "load or remove a kernel module"),
    held("kexec", "`kexec_load`"),
    held("raw-io", "`iopl`, `ioperm`"),
    held("kernel-log", "`syslog`, `/dev/kmsg`"),
    held("kernel-memory", "`/dev/mem`, `/proc/kcore`"),
    held(
        "kernel-settings",
        "write to `/proc/sys`, `core_pattern` among it, or `/proc/sysrq-trigger`",
    ),
    held("sys", "write below `/sys`"),
    held("control-groups", "leave the control group, or make one"),
    held("clock", "set the clock"),
    held("host-name", "set the host's name"),
    held("reboot", "`reboot`"),
    held("swap-quota-accounting", "`swapon`, `quotactl`, `acct`"),
    held("watch-files", "`fanotify_init`"),
    held("personality", "`personality` with executable data"),
    held("x32", "a call by the numbers of x32"),
    held("i386", "a call by the rules of 32-bit programs"),
    held("terminal-input", "`TIOCSTI`, `TIOCLINUX`"),
    // Sockets.
    held(
        "netlink",
        "netlink sockets for audit, events and packet filters",
    ),
    held("packet-socket", "packet and raw sockets"),
    held(
        "other-sockets",
        "`AF_ALG`, `AF_VSOCK`, Bluetooth and other families",
    ),
    held("low-port", "listen on a port below 1024"),
    Probe {
        name: "abstract-socket",
        tries: "connect to an abstract Unix socket of the host",
        outcome: Outcome::OpenWithoutScopes(
            "these names belong to the network, which is the host's",
        ),
    },
    Probe {
        name: "localhost",
        tries: "connect to a port of a neighbour on the loopback interface",
        outcome: Outcome::OpenWhereShared(
            "the network is the host's; let a service that matters ask for a password or listen on \
             a Unix socket",
        ),
    },
    // Limits.
    held("forks", "have 6,000 threads"),
    held("big-file", "make a file of 1 TB"),
    held(
        "scratch",
        "make `/tmp`, `/dev/shm` or the home larger than 1 GiB",
    ),
    held("core-file", "leave a core file"),
    open(
        "memory",
        "take as much memory as there is",
        "unless `memory` is limited; a program that hides its memory, in a `memfd` that it never \
         maps, is not seen even then",
    ),
    open(
        "disk",
        "fill the disk with many files",
        "unless `disk` is limited the disk is everybody's; what a build leaves is measured \
         when it ends, and `keep.min_free` refuses pushes before it is full",
    ),
];
