//! A job's sandbox as properties of a transient unit: the second rendering of the one value.
//!
//! What each property does: systemd.exec(5), systemd.resource-control(5), systemd.service(5). Their
//! names on the bus: org.freedesktop.systemd1(5).

use std::path::Path;

use crate::{
    ask::{JOB, Root, Start},
    host_root::HostRoot,
    id::Id,
    place,
    sandbox::{APP, Network},
};

pub mod bus;
pub mod end;
pub mod git;
pub mod name;

/// The calls that there are: those of a service, and those by which the first program sets our own
/// lists and locks, which then refuse these.
const ALLOWED: [&str; 5] = [
    "@system-service",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "seccomp",
];
/// The calls that `@system-service` has and nobody needs here: the kernel's newest and largest doors.
const REFUSED: [&str; 7] = [
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "userfaultfd",
    "@keyring",
    "process_vm_readv",
    "process_vm_writev",
];
/// Families of sockets that there are. `getifaddrs` asks by the last: Node ends where it is refused; of its
/// protocols our own list of calls leaves routes only, as in bubblewrap.
const FAMILIES: [&str; 4] = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"];
/// Mounts with all that is mounted below.
const RECURSIVE: u64 = libc::MS_REC;
/// Microseconds that a hundredth of a processor has in a second.
const PERCENT: u64 = 10_000;
/// How long systemd waits for what a job left running, once it is killed.
const PATIENCE: u64 = 5_000_000;

/// A property: its name on the bus, and its value.
pub type Property = (&'static str, Value);

/// A value of the kinds that systemd's properties have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A signal, an error number.
    Signed(i32),
    /// A mode.
    Mode(u32),
    /// A limit, a time, a set of flags.
    Number(u64),
    /// A word, a path.
    Text(String),
    /// Some of them.
    Words(Vec<String>),
    /// Those that are allowed, or with `false` refused.
    Listed(bool, Vec<String>),
    /// Programs, each with its arguments, its own name first, and whether its failure is let pass.
    Commands(Vec<(String, Vec<String>, bool)>),
    /// What is seen where: source, target, whether it may be missing, flags of `mount`.
    Binds(Vec<(String, String, bool, u64)>),
    /// File systems in memory: where, and the options of `mount`.
    Memory(Vec<(String, String)>),
    /// Fields of journal entries, each `NAME=VALUE`.
    Fields(Vec<Vec<u8>>),
}

/// Renders a job for systemd, with the number of its user and the program that begins it.
#[must_use]
pub fn properties(start: &Start, user: u32, host: &HostRoot, keeper: &Path) -> Vec<Property> {
    let mut all = vec![
        ("Description", text(format!("Wharf: {}", start.job))),
        // What fails stays until it was asked how.
        ("CollectMode", text("inactive")),
    ];
    all.extend(labels(
        start.label.as_ref().map(|label| &label.project),
        start.label.as_ref().map(|label| &label.environment),
    ));
    all.extend(life(keeper));
    all.extend(privileges(user, user));
    all.extend([
        ("RestrictSUIDSGID", Value::Flag(true)),
        ("SystemCallFilter", calls(true, &ALLOWED)),
        ("SystemCallFilter", calls(false, &REFUSED)),
    ]);
    all.extend(files(start, host));
    all.extend(network(start.network));
    all.extend(limits(start));
    all
}

/// Where a unit belongs, and what all entries of the journal about it say.
fn labels(project: Option<&Id>, environment: Option<&Id>) -> Vec<Property> {
    let fields = [
        ("WHARF_PROJECT", project),
        ("WHARF_ENVIRONMENT", environment),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(name, id)| Some(format!("{name}={}", id?).into_bytes()));
    vec![
        ("Slice", text(name::slice(project))),
        ("LogExtraFields", Value::Fields(fields.collect())),
    ]
}

/// How it begins and ends.
fn life(keeper: &Path) -> Vec<Property> {
    let keeper = shown(keeper);
    let begin = (keeper.clone(), vec![keeper, "unit".to_owned()], false);
    vec![
        ("Type", text("exec")),
        ("ExecStart", Value::Commands(vec![begin])),
        ("KillMode", text("control-group")),
        // What is left when the first program has ended was asked before.
        ("KillSignal", Value::Signed(libc::SIGKILL)),
        ("TimeoutStopUSec", Value::Number(PATIENCE)),
        ("OOMPolicy", text("kill")),
        ("UMask", Value::Mode(0o022)),
        ("WorkingDirectory", text(APP)),
    ]
}

fn privileges(user: u32, group: u32) -> Vec<Property> {
    let yes = |name| (name, Value::Flag(true));
    vec![
        ("User", text(user.to_string())),
        ("Group", text(group.to_string())),
        ("CapabilityBoundingSet", Value::Number(0)),
        ("AmbientCapabilities", Value::Number(0)),
        yes("NoNewPrivileges"),
        yes("PrivateUsers"),
        yes("PrivateIPC"),
        yes("RemoveIPC"),
        yes("LockPersonality"),
        yes("RestrictRealtime"),
        // None of the kinds may be made.
        ("RestrictNamespaces", Value::Number(0)),
        ("KeyringMode", text("private")),
        ("SystemCallArchitectures", Value::Words(words(&["native"]))),
        ("SystemCallErrorNumber", Value::Signed(libc::EPERM)),
    ]
}

fn files(start: &Start, host: &HostRoot) -> Vec<Property> {
    let mut seen: Vec<(String, String, bool, u64)> = Vec::new();
    for path in host.directories.iter().chain(&host.etc) {
        seen.push((shown(path), shown(path), true, RECURSIVE));
    }
    let [passwd, group] = place::accounts(&start.job);
    seen.push((shown(&passwd), "/etc/passwd".into(), false, 0));
    seen.push((shown(&group), "/etc/group".into(), false, 0));
    seen.push((shown(&place::command(&start.job)), JOB.into(), false, 0));
    let laid = Root::ALL
        .into_iter()
        .filter(|root| *root == Root::Home || start.shows.iter().any(|show| show.root == *root));
    let own: Vec<(String, String, bool, u64)> = laid
        .map(|root| {
            let from = shown(&place::laid(&start.job, root));
            (from, root.path().to_owned(), false, RECURSIVE)
        })
        .collect();
    let size = start.scratch;
    let memory = |path: &str, mode: &str| {
        let options = format!("mode={mode},size={size},nr_inodes=1m,nosuid,nodev");
        (path.to_owned(), options)
    };
    let scratch = vec![
        memory("/tmp", "1777"),
        memory("/dev/shm", "1777"),
        // Only root may write there, and is not there.
        ("/run".to_owned(), "mode=0755,nosuid,nodev".to_owned()),
    ];
    let mut all = vec![
        ("RootDirectory", text(shown(&place::root()))),
        ("MountAPIVFS", Value::Flag(true)),
        ("BindReadOnlyPaths", Value::Binds(seen)),
        ("BindPaths", Value::Binds(own)),
        ("TemporaryFileSystem", Value::Memory(scratch)),
        ("InaccessiblePaths", Value::Words(words(&["/sys"]))),
        ("ProtectSystem", text("strict")),
        ("ProtectProc", text("invisible")),
        ("PrivateDevices", Value::Flag(true)),
    ];
    all.extend(kernel());
    all
}

/// What belongs to the kernel and to the whole host.
fn kernel() -> [Property; 6] {
    [
        "ProtectClock",
        "ProtectControlGroups",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
    ]
    .map(|name| (name, Value::Flag(true)))
}

fn network(network: Network) -> Vec<Property> {
    vec![
        ("PrivateNetwork", Value::Flag(network == Network::None)),
        ("RestrictAddressFamilies", calls(true, &FAMILIES)),
    ]
}

fn limits(start: &Start) -> Vec<Property> {
    let limits = start.limits;
    let mut all = vec![
        ("LimitCORE", Value::Number(0)),
        ("MemorySwapMax", Value::Number(0)),
    ];
    let each = [
        ("LimitNOFILE", limits.open_files),
        ("LimitFSIZE", limits.file_bytes),
        ("TasksMax", limits.processes),
        ("MemoryMax", limits.memory),
        ("CPUQuotaPerSecUSec", limits.cpus.map(|cpus| cpus * PERCENT)),
        // Also where the kernel has no controller for tasks: the user is the environment's own. Where it
        // has one that refuses first, and counts it.
        ("LimitNPROC", limits.processes.map(|most| most + 1)),
    ];
    all.extend(
        each.into_iter()
            .filter_map(|(name, limit)| Some((name, Value::Number(limit?)))),
    );
    all
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().copied().map(str::to_owned).collect()
}

/// A list that allows, or one that refuses.
fn calls(allows: bool, names: &[&str]) -> Value {
    Value::Listed(allows, words(names))
}

#[cfg(test)]
mod tests {
    use crate::{
        id::Id,
        sandbox::{Access, Bind, Label, SOCKETS, Sandbox, User},
    };

    use super::*;

    #[test]
    fn the_rendering_is_known_property_by_property() {
        let mut sandbox = Sandbox::new("/var/lib/wharf/slugs/ab".into(), Access::Read);
        sandbox.user = User::Environment(Id::parse("shop.main").unwrap());
        sandbox.label = Some(Label {
            project: Id::parse("shop").unwrap(),
            environment: Id::parse("main").unwrap(),
        });
        for (source, target) in [
            ("/var/lib/wharf/mounts/data", "/app/data"),
            ("/var/lib/wharf/apps/x", SOCKETS),
        ] {
            sandbox.binds.push(Bind {
                source: source.into(),
                target: target.into(),
                access: Access::Write,
            });
        }
        sandbox.environment = [("SECRET".to_owned(), "--bind / /".to_owned())].into();
        sandbox.network = Network::None;
        sandbox.limits.memory = Some(2 << 30);
        sandbox.limits.cpus = Some(150);
        let job = Id::parse("shop.main.r1-web").unwrap();
        let start = Start::new(&job, &sandbox, Path::new("/var/lib/wharf")).unwrap();
        let host = HostRoot {
            directories: vec!["/usr".into()],
            links: vec![("/bin".into(), "usr/bin".into())],
            etc: vec!["/etc/hosts".into(), "/etc/ssl/certs".into()],
        };
        let keeper = Path::new("/usr/bin/wharf-keeper");
        let all = properties(&start, 200_001, &host, keeper);
        let lines: Vec<String> = all
            .iter()
            .map(|(name, value)| format!("{name} = {value:?}"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
