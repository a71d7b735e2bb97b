//! Calls that only privileged programs make, and those that open the kernel to attacks.

use std::{
    env, fs,
    fs::File,
    io,
    os::fd::AsRawFd,
    process::{Command, ExitCode},
};

use crate::{
    Verdict, none,
    raw::{at, call},
    refused,
};

const NONE: usize = 0;
const CWD: usize = libc::AT_FDCWD as usize;

fn name(text: &'static std::ffi::CStr) -> usize {
    at(text.to_bytes_with_nul())
}

/// Tries one of them; none where it knows no such name.
pub(crate) fn attempt(what: &str) -> Option<Verdict> {
    Some(match what {
        "user-namespace" => user_namespace(),
        "new-clone" => new_clone(),
        "enter-namespace" => enter_namespace(),
        "mount" => mount(),
        "new-mount" => new_mount(),
        "unmount" => unmount(),
        "pivot-root" => refused(call(libc::SYS_pivot_root, [name(c"/tmp"), name(c"/tmp")])),
        "chroot" => refused(call(libc::SYS_chroot, [name(c"/tmp")])),
        "capabilities" => capabilities(),
        "become-root" => become_root(),
        "keyring-add" => keyring_add(),
        "keyring-read" => keyring_read(),
        "io-uring" => io_uring(),
        "userfaultfd" => userfaultfd(),
        "bpf" => bpf(),
        "perf" => perf(),
        "modules" => modules(),
        "kexec" => refused(call(libc::SYS_kexec_load, [NONE, NONE, NONE, NONE])),
        "raw-io" => raw_io(),
        "kernel-log" => kernel_log(),
        "kernel-memory" => written(&["/dev/mem", "/dev/port", "/proc/kcore"]),
        "kernel-settings" => written(&[
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/modprobe",
            "/proc/sys/vm/overcommit_memory",
            "/proc/sys/fs/file-max",
            "/proc/sysrq-trigger",
        ]),
        "sys" => written(&[
            "/sys/power/state",
            "/sys/kernel/uevent_helper",
            "/sys/kernel/mm/ksm/run",
        ]),
        "control-groups" => control_groups(),
        "clock" => clock(),
        "host-name" => refused(call(libc::SYS_sethostname, [name(c"probe"), 5])),
        "reboot" => reboot(),
        "swap-quota-accounting" => none([
            (
                "swapon",
                refused(call(libc::SYS_swapon, [name(c"/app/data"), 0])),
            ),
            // Q_SYNC.
            (
                "quotactl",
                refused(call(libc::SYS_quotactl, [0x80_0001 << 8, NONE, NONE, NONE])),
            ),
            ("acct", refused(call(libc::SYS_acct, [name(c"/tmp/acct")]))),
        ]),
        "watch-files" => refused(call(libc::SYS_fanotify_init, [0, 0])),
        "personality" => {
            let data = libc::READ_IMPLIES_EXEC as usize;
            refused(call(libc::SYS_personality, [data]))
        }
        "x32" => by_other_rules("as-x32"),
        "i386" => by_other_rules("as-i386"),
        "terminal-input" => terminal_input(),
        _ => return None,
    })
}

/// The version of Landlock's interface; 0 where there is none.
pub(crate) fn landlock() -> i64 {
    // LANDLOCK_CREATE_RULESET_VERSION.
    call(libc::SYS_landlock_create_ruleset, [NONE, 0, 1]).unwrap_or(0)
}

fn user_namespace() -> Verdict {
    let all = [
        ("a user's", libc::CLONE_NEWUSER),
        ("mounts'", libc::CLONE_NEWNS),
        ("a network's", libc::CLONE_NEWNET),
    ];
    let unshared =
        all.map(|(what, flag)| (what, refused(call(libc::SYS_unshare, [flag as usize]))));
    let flags = (libc::CLONE_NEWUSER | libc::SIGCHLD) as usize;
    none(
        unshared
            .into_iter()
            .chain([("clone", child(call(libc::SYS_clone, [flags])))]),
    )
}

fn new_clone() -> Verdict {
    // `struct clone_args`, its first version.
    let arguments = [
        libc::CLONE_NEWUSER as u64,
        0,
        0,
        0,
        libc::SIGCHLD as u64,
        0,
        0,
        0,
    ];
    child(call(
        libc::SYS_clone3,
        [at(&arguments), size_of_val(&arguments)],
    ))
}

/// A child that was made ends at once.
fn child(made: io::Result<i64>) -> Verdict {
    if let Ok(0) = made {
        std::process::exit(0);
    }
    refused(made)
}

fn enter_namespace() -> Verdict {
    none(["user", "mnt", "net", "pid"].map(|kind| {
        let entered = File::open(format!("/proc/1/ns/{kind}"))
            .and_then(|file| call(libc::SYS_setns, [file.as_raw_fd() as usize, 0]));
        (kind, refused(entered))
    }))
}

fn mount() -> Verdict {
    let tmpfs = call(
        libc::SYS_mount,
        [name(c"tmpfs"), name(c"/tmp"), name(c"tmpfs"), 0, NONE],
    );
    let writable = (libc::MS_REMOUNT | libc::MS_BIND) as usize;
    let remounted = call(libc::SYS_mount, [NONE, name(c"/usr"), NONE, writable, NONE]);
    none([
        ("a tmpfs", refused(tmpfs)),
        ("/usr, to write", refused(remounted)),
    ])
}

fn new_mount() -> Verdict {
    // OPEN_TREE_CLONE.
    let tree = call(libc::SYS_open_tree, [CWD, name(c"/"), 1]);
    let moved = call(
        libc::SYS_move_mount,
        [CWD, name(c"/app"), CWD, name(c"/tmp"), 0],
    );
    none([
        (
            "fsopen",
            refused(call(libc::SYS_fsopen, [name(c"tmpfs"), 0])),
        ),
        ("open_tree", refused(tree)),
        ("move_mount", refused(moved)),
    ])
}

fn unmount() -> Verdict {
    let detach = libc::MNT_DETACH as usize;
    none([
        (
            "/proc/sys",
            refused(call(libc::SYS_umount2, [name(c"/proc/sys"), detach])),
        ),
        (
            "/app",
            refused(call(libc::SYS_umount2, [name(c"/app"), detach])),
        ),
    ])
}

fn capabilities() -> Verdict {
    let status = fs::read_to_string("/proc/self/status").expect("there is a /proc");
    for line in status.lines() {
        let (key, value) = line.split_once(":\t").unwrap_or((line, ""));
        let good = match key {
            "CapInh" | "CapPrm" | "CapEff" | "CapBnd" | "CapAmb" => value == "0000000000000000",
            "NoNewPrivs" => value == "1",
            // A filter.
            "Seccomp" => value == "2",
            _ => true,
        };
        if !good {
            return Verdict::Open(line.to_owned());
        }
    }
    Verdict::Held("none, and none to gain".into())
}

fn become_root() -> Verdict {
    none([
        ("setuid", refused(call(libc::SYS_setuid, [0]))),
        ("setresuid", refused(call(libc::SYS_setresuid, [0, 0, 0]))),
        (
            "setgroups",
            refused(call(libc::SYS_setgroups, [1, at(&[0u32])])),
        ),
    ])
}

fn keyring_add() -> Verdict {
    // KEY_SPEC_USER_KEYRING.
    let ring = -4isize as usize;
    refused(call(
        libc::SYS_add_key,
        [name(c"user"), name(c"wharf-probe"), name(c"x"), 1, ring],
    ))
}

fn keyring_read() -> Verdict {
    let user = -4isize as usize;
    let request = call(
        libc::SYS_request_key,
        [name(c"user"), name(c"wharf-probe"), NONE, user],
    );
    // ENOKEY is an answer: there are keyrings.
    let request = match request {
        Err(error) if error.raw_os_error() == Some(libc::ENOKEY) => {
            Verdict::Open(error.to_string())
        }
        result => refused(result),
    };
    none([
        // KEYCTL_GET_KEYRING_ID.
        ("keyctl", refused(call(libc::SYS_keyctl, [0, user, 0]))),
        ("request_key", request),
    ])
}

fn io_uring() -> Verdict {
    let parameters = [0u8; 256];
    refused(call(libc::SYS_io_uring_setup, [1, at(&parameters)]))
}

fn userfaultfd() -> Verdict {
    none([
        ("any", refused(call(libc::SYS_userfaultfd, [0]))),
        // UFFD_USER_MODE_ONLY.
        ("user mode", refused(call(libc::SYS_userfaultfd, [1]))),
    ])
}

fn bpf() -> Verdict {
    // BPF_MAP_CREATE of an array of one number; BPF_PROG_LOAD of a socket filter that returns 0.
    let map = [2u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    refused(call(libc::SYS_bpf, [0, at(&map), size_of_val(&map)]))
}

fn perf() -> Verdict {
    // A software event of this process in user mode: type 1, its size, cpu-clock, exclude_kernel.
    let mut event = [0u64; 16];
    event[0] = 1 | (128 << 32);
    event[5] = 1 | (1 << 5) | (1 << 6);
    refused(call(
        libc::SYS_perf_event_open,
        [at(&event), 0, -1isize as usize, -1isize as usize, 0],
    ))
}

fn modules() -> Verdict {
    let file = File::open("/dev/null").expect("there is a /dev/null");
    let number = file.as_raw_fd() as usize;
    let empty = name(c"");
    none([
        (
            "init_module",
            permitted(call(libc::SYS_init_module, [empty, 0, empty])),
        ),
        (
            "finit_module",
            permitted(call(libc::SYS_finit_module, [number, empty, 0])),
        ),
        (
            "delete_module",
            permitted(call(libc::SYS_delete_module, [name(c"wharf_probe"), 0])),
        ),
    ])
}

/// A call that cannot succeed as it is made: another refusal than this one means that it may be made.
pub(crate) fn permitted(result: io::Result<i64>) -> Verdict {
    let number = result.as_ref().err().and_then(io::Error::raw_os_error);
    match number {
        Some(libc::EPERM | libc::ENOSYS | libc::EACCES) => refused(result),
        _ => Verdict::Open(format!("it is looked at: {result:?}")),
    }
}

fn raw_io() -> Verdict {
    #[cfg(target_arch = "x86_64")]
    return none([
        ("iopl", refused(call(libc::SYS_iopl, [3]))),
        ("ioperm", refused(call(libc::SYS_ioperm, [0x80, 1, 1]))),
    ]);
    #[cfg(not(target_arch = "x86_64"))]
    Verdict::Held("this processor has no ports".into())
}

fn kernel_log() -> Verdict {
    let buffer = [0u8; 64];
    none([
        // SYSLOG_ACTION_READ_ALL.
        (
            "syslog",
            refused(call(libc::SYS_syslog, [3, at(&buffer), buffer.len()])),
        ),
        ("/dev/kmsg", refused(File::open("/dev/kmsg"))),
    ])
}

fn written(paths: &[&'static str]) -> Verdict {
    none(
        paths
            .iter()
            .map(|path| (*path, refused(File::options().write(true).open(path)))),
    )
}

fn control_groups() -> Verdict {
    let below = "/sys/fs/cgroup";
    none([
        (
            "a directory",
            refused(fs::create_dir(format!("{below}/wharf-probe"))),
        ),
        (
            "its processes",
            refused(
                File::options()
                    .write(true)
                    .open(format!("{below}/cgroup.procs")),
            ),
        ),
    ])
}

fn clock() -> Verdict {
    // To what it says, so that nothing happens where it can be done.
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is after 1970");
    let time = [now.as_secs(), u64::from(now.subsec_nanos())];
    let short = [now.as_secs(), u64::from(now.subsec_micros())];
    none([
        (
            "clock_settime",
            refused(call(libc::SYS_clock_settime, [0, at(&time)])),
        ),
        (
            "settimeofday",
            refused(call(libc::SYS_settimeofday, [at(&short), NONE])),
        ),
    ])
}

fn reboot() -> Verdict {
    // Where it can be done, Ctrl-Alt-Delete does what init wants: nothing happens.
    let [first, second, command] = [0xfee1_deadusize, 672_274_793, 0];
    refused(call(libc::SYS_reboot, [first, second, command, NONE]))
}

/// A child of [`by_other_rules`].
pub(crate) fn as_x32() -> ExitCode {
    match call(libc::SYS_getpid | 0x4000_0000, []) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The other one.
pub(crate) fn as_i386() -> ExitCode {
    #[cfg(target_arch = "x86_64")]
    if crate::raw::process_id_of_i386() > 0 {
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Asks for its id in a process of its own, since it may be ended for it.
fn by_other_rules(how: &str) -> Verdict {
    let own = env::current_exe().expect("it knows its own program");
    match Command::new(own).arg(how).status() {
        Ok(status) if status.success() => Verdict::Open("it gave a process id".into()),
        Ok(status) => Verdict::Held(status.to_string()),
        Err(error) => Verdict::Held(error.to_string()),
    }
}

fn terminal_input() -> Verdict {
    let letter = b'x';
    none(
        [("TIOCSTI", libc::TIOCSTI), ("TIOCLINUX", libc::TIOCLINUX)].map(|(what, number)| {
            // Also with more than 32 bits, of which the kernel looks at 32 only.
            let high = number as usize | (1 << 32);
            let tried = [number as usize, high].map(|number| {
                (
                    what,
                    permitted(call(libc::SYS_ioctl, [0, number, at(&letter)])),
                )
            });
            (what, none(tried))
        }),
    )
}
