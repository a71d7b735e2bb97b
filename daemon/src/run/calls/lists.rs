//! The lists: what builds and services need, after systemd's `@system-service`.

use libc::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
    CLONE_NEWUTS, O_CREAT, S_ISGID, S_ISUID, TIOCLINUX, TIOCSTI,
};

use super::{Answer, Call, Filter, Is, Refuses, Row};

/// In the order in which they are loaded.
pub(super) const FILTERS: [Filter; 3] = [
    Filter {
        answer: Answer::NotThere,
        refuses: Refuses::AllBut(ORDINARY),
    },
    Filter {
        answer: Answer::NotPermitted,
        refuses: Refuses::These(PRIVILEGED),
    },
    Filter {
        answer: Answer::NoSuchFamily,
        refuses: Refuses::These(FAMILIES),
    },
];

/// The numbers, with those that `libc` does not name for each processor and library.
#[allow(non_upper_case_globals, reason = "they are named as libc's are")]
mod numbers {
    pub(super) use libc::*;

    pub(super) const SYS_fchmodat2: c_long = 452;
    #[cfg(target_arch = "x86_64")]
    pub(super) const SYS_io_pgetevents: c_long = 333;
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) const SYS_io_pgetevents: c_long = 292;
    #[cfg(target_arch = "aarch64")]
    mod aarch64 {
        use super::c_long;
        pub(in super::super) const SYS_renameat: c_long = 38;
        pub(in super::super) const SYS_sync_file_range: c_long = 84;
        pub(in super::super) const SYS_getrlimit: c_long = 163;
        pub(in super::super) const SYS_setrlimit: c_long = 164;
    }
    #[cfg(target_arch = "aarch64")]
    pub(super) use aarch64::{SYS_getrlimit, SYS_renameat, SYS_setrlimit, SYS_sync_file_range};
}

/// Names to calls; each may be there only on some processors.
macro_rules! calls {
    ($($(#[$on:meta])* $name:ident)*) => {
        &[$($(#[$on])* (stringify!($name), numbers::$name as i64)),*]
    };
}

/// The same, each with the rows in which it is refused.
macro_rules! refused {
    ($($(#[$on:meta])* $name:ident $rows:expr;)*) => {
        &[$($(#[$on])* ((stringify!($name), numbers::$name as i64), $rows)),*]
    };
}

/// What is there at all. Not among it, so that libraries do without: the calls of io_uring
/// (they pass by every filter), userfaultfd (it makes races in the kernel winnable), those of keyrings
/// (one user has one, whatever the sandbox), `clone3` and `openat2` (their flags are in memory, where
/// no filter can look), and whatever a newer kernel brings.
const ORDINARY: &[Call] = calls![
    // Processes and threads.
    SYS_capget SYS_capset SYS_clone SYS_execve SYS_execveat SYS_exit SYS_exit_group
    SYS_getegid SYS_geteuid SYS_getgid SYS_getgroups SYS_getpgid SYS_getpid SYS_getppid
    SYS_getresgid SYS_getresuid SYS_getrusage SYS_getsid SYS_gettid SYS_getuid SYS_kcmp SYS_kill
    SYS_landlock_add_rule SYS_landlock_create_ruleset SYS_landlock_restrict_self SYS_personality
    SYS_pidfd_open SYS_pidfd_send_signal SYS_prctl SYS_restart_syscall SYS_rseq
    SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_seccomp SYS_set_robust_list SYS_set_tid_address
    SYS_get_robust_list SYS_setfsgid SYS_setfsuid SYS_setgid SYS_setgroups SYS_setpgid
    SYS_setregid SYS_setresgid SYS_setresuid SYS_setreuid SYS_setsid SYS_setuid SYS_tgkill
    SYS_times SYS_tkill SYS_umask SYS_unshare SYS_wait4 SYS_waitid
    #[cfg(target_arch = "x86_64")] SYS_arch_prctl
    #[cfg(target_arch = "x86_64")] SYS_fork
    #[cfg(target_arch = "x86_64")] SYS_get_thread_area
    #[cfg(target_arch = "x86_64")] SYS_getpgrp
    #[cfg(target_arch = "x86_64")] SYS_set_thread_area
    #[cfg(target_arch = "x86_64")] SYS_vfork
    #[cfg(target_arch = "riscv64")] SYS_riscv_flush_icache
    // What they take.
    SYS_get_mempolicy SYS_getcpu SYS_getpriority SYS_getrlimit SYS_ioprio_get SYS_ioprio_set
    SYS_mbind SYS_migrate_pages SYS_move_pages SYS_prlimit64 SYS_sched_get_priority_max
    SYS_sched_get_priority_min SYS_sched_getaffinity SYS_sched_getattr SYS_sched_getparam
    SYS_sched_getscheduler SYS_sched_rr_get_interval SYS_sched_setaffinity SYS_sched_setattr
    SYS_sched_setparam SYS_sched_setscheduler SYS_sched_yield SYS_set_mempolicy SYS_setpriority
    SYS_setrlimit SYS_sysinfo SYS_uname
    // Memory.
    SYS_brk SYS_madvise SYS_membarrier SYS_memfd_create SYS_mincore SYS_mlock SYS_mlock2
    SYS_mlockall SYS_mmap SYS_mprotect SYS_mremap SYS_msync SYS_munlock SYS_munlockall SYS_munmap
    SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_process_madvise SYS_process_vm_readv
    SYS_process_vm_writev SYS_remap_file_pages
    // Waiting, signals and time.
    SYS_clock_getres SYS_clock_gettime SYS_clock_nanosleep SYS_epoll_create1 SYS_epoll_ctl
    SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_futex SYS_futex_waitv SYS_getitimer
    SYS_gettimeofday SYS_nanosleep SYS_ppoll SYS_pselect6 SYS_rt_sigaction SYS_rt_sigpending
    SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait SYS_setitimer
    SYS_sigaltstack SYS_signalfd4 SYS_timer_create SYS_timer_delete SYS_timer_getoverrun
    SYS_timer_gettime SYS_timer_settime SYS_timerfd_create SYS_timerfd_gettime SYS_timerfd_settime
    #[cfg(target_arch = "x86_64")] SYS_alarm
    #[cfg(target_arch = "x86_64")] SYS_epoll_create
    #[cfg(target_arch = "x86_64")] SYS_epoll_wait
    #[cfg(target_arch = "x86_64")] SYS_eventfd
    #[cfg(target_arch = "x86_64")] SYS_pause
    #[cfg(target_arch = "x86_64")] SYS_poll
    #[cfg(target_arch = "x86_64")] SYS_select
    #[cfg(target_arch = "x86_64")] SYS_signalfd
    #[cfg(target_arch = "x86_64")] SYS_time
    // Descriptors.
    SYS_close SYS_close_range SYS_copy_file_range SYS_dup SYS_dup3 SYS_fadvise64 SYS_fallocate
    SYS_fcntl SYS_fdatasync SYS_flock SYS_fsync SYS_ftruncate SYS_io_cancel SYS_io_destroy
    SYS_io_getevents SYS_io_pgetevents SYS_io_setup SYS_io_submit SYS_ioctl SYS_lseek SYS_pipe2
    SYS_pread64 SYS_preadv SYS_preadv2 SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_read
    SYS_readahead SYS_readv SYS_sendfile SYS_splice SYS_sync SYS_sync_file_range SYS_syncfs
    SYS_tee SYS_vmsplice SYS_write SYS_writev
    #[cfg(target_arch = "x86_64")] SYS_dup2
    #[cfg(target_arch = "x86_64")] SYS_pipe
    // Files.
    SYS_chdir SYS_faccessat SYS_faccessat2 SYS_fchdir SYS_fchmod SYS_fchmodat SYS_fchmodat2
    SYS_fchown SYS_fchownat SYS_fgetxattr SYS_flistxattr SYS_fremovexattr SYS_fsetxattr SYS_fstat
    SYS_fstatfs SYS_getcwd SYS_getdents64 SYS_getrandom SYS_getxattr SYS_inotify_add_watch
    SYS_inotify_init1 SYS_inotify_rm_watch SYS_lgetxattr SYS_linkat SYS_listxattr SYS_llistxattr
    SYS_lremovexattr SYS_lsetxattr SYS_mkdirat SYS_mknodat SYS_name_to_handle_at SYS_newfstatat
    SYS_openat SYS_readlinkat SYS_removexattr SYS_renameat2 SYS_setxattr SYS_statfs SYS_statx
    SYS_symlinkat SYS_truncate SYS_unlinkat SYS_utimensat
    #[cfg(target_arch = "x86_64")] SYS_access
    #[cfg(target_arch = "x86_64")] SYS_chmod
    #[cfg(target_arch = "x86_64")] SYS_chown
    #[cfg(target_arch = "x86_64")] SYS_creat
    #[cfg(target_arch = "x86_64")] SYS_futimesat
    #[cfg(target_arch = "x86_64")] SYS_getdents
    #[cfg(target_arch = "x86_64")] SYS_inotify_init
    #[cfg(target_arch = "x86_64")] SYS_lchown
    #[cfg(target_arch = "x86_64")] SYS_link
    #[cfg(target_arch = "x86_64")] SYS_lstat
    #[cfg(target_arch = "x86_64")] SYS_mkdir
    #[cfg(target_arch = "x86_64")] SYS_mknod
    #[cfg(target_arch = "x86_64")] SYS_open
    #[cfg(target_arch = "x86_64")] SYS_readlink
    #[cfg(target_arch = "x86_64")] SYS_rename
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))] SYS_renameat
    #[cfg(target_arch = "x86_64")] SYS_rmdir
    #[cfg(target_arch = "x86_64")] SYS_stat
    #[cfg(target_arch = "x86_64")] SYS_symlink
    #[cfg(target_arch = "x86_64")] SYS_unlink
    #[cfg(target_arch = "x86_64")] SYS_utime
    #[cfg(target_arch = "x86_64")] SYS_utimes
    // Talking: sockets, queues and shared memory, which are the sandbox's own.
    SYS_accept SYS_accept4 SYS_bind SYS_connect SYS_getpeername SYS_getsockname SYS_getsockopt
    SYS_listen SYS_mq_getsetattr SYS_mq_notify SYS_mq_open SYS_mq_timedreceive
    SYS_mq_timedsend SYS_mq_unlink SYS_msgctl SYS_msgget SYS_msgrcv SYS_msgsnd SYS_recvfrom
    SYS_recvmmsg SYS_recvmsg SYS_semctl SYS_semget SYS_semop SYS_semtimedop SYS_sendmmsg
    SYS_sendmsg SYS_sendto SYS_setsockopt SYS_shmat SYS_shmctl SYS_shmdt SYS_shmget SYS_shutdown
    SYS_socket SYS_socketpair
];

/// The second argument is a mode that makes a file run as its owner or its group.
const AS_OWNER_1: &[Row] = &[&[(1, Is::With(S_ISUID))], &[(1, Is::With(S_ISGID))]];
/// The same of the third.
const AS_OWNER_2: &[Row] = &[&[(2, Is::With(S_ISUID))], &[(2, Is::With(S_ISGID))]];

/// Makes a file: the bit of `O_TMPFILE` that `O_DIRECTORY` does not have, beside `O_CREAT`.
const CREATE: u32 = O_CREAT as u32;
const NAMELESS: u32 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;

/// A new namespace of a kind that `clone` and `unshare` share.
const NAMESPACES: &[Row] = &[
    &[(0, Is::With(CLONE_NEWUSER as u32))],
    &[(0, Is::With(CLONE_NEWNS as u32))],
    &[(0, Is::With(CLONE_NEWPID as u32))],
    &[(0, Is::With(CLONE_NEWIPC as u32))],
    &[(0, Is::With(CLONE_NEWUTS as u32))],
    &[(0, Is::With(CLONE_NEWCGROUP as u32))],
    &[(0, Is::With(CLONE_NEWNET as u32))],
];

/// The usual kind of process, with or without random addresses, or only the question.
const USUAL: &[Row] = &[&[
    (0, Is::Other(0)),
    (0, Is::Other(libc::ADDR_NO_RANDOMIZE as u32)),
    (0, Is::Other(u32::MAX)),
]];

/// What only privileged programs may, and what would outlive the sandbox: a file that runs as its
/// owner lies on the host's disk, where others may run it.
const PRIVILEGED: &[(Call, &[Row])] = refused![
    SYS_acct &[];
    SYS_adjtimex &[];
    SYS_bpf &[];
    SYS_chroot &[];
    SYS_clock_adjtime &[];
    SYS_clock_settime &[];
    SYS_clone NAMESPACES;
    SYS_delete_module &[];
    SYS_fanotify_init &[];
    SYS_fanotify_mark &[];
    SYS_fchmod AS_OWNER_1;
    SYS_fchmodat AS_OWNER_2;
    SYS_fchmodat2 AS_OWNER_2;
    SYS_finit_module &[];
    SYS_fsconfig &[];
    SYS_fsmount &[];
    SYS_fsopen &[];
    SYS_fspick &[];
    SYS_init_module &[];
    SYS_ioctl &[
        // Writes into somebody's terminal as if they typed it.
        &[(1, Is::Equal(TIOCSTI as u32))],
        &[(1, Is::Equal(TIOCLINUX as u32))],
    ];
    SYS_kexec_load &[];
    SYS_mknodat AS_OWNER_2;
    SYS_mount &[];
    SYS_mount_setattr &[];
    SYS_move_mount &[];
    SYS_open_by_handle_at &[];
    SYS_open_tree &[];
    SYS_openat &[
        &[(2, Is::With(CREATE)), (3, Is::With(S_ISUID))],
        &[(2, Is::With(CREATE)), (3, Is::With(S_ISGID))],
        &[(2, Is::With(NAMELESS)), (3, Is::With(S_ISUID))],
        &[(2, Is::With(NAMELESS)), (3, Is::With(S_ISGID))],
    ];
    SYS_perf_event_open &[];
    SYS_personality USUAL;
    SYS_pidfd_getfd &[];
    SYS_pivot_root &[];
    SYS_ptrace &[];
    SYS_quotactl &[];
    SYS_reboot &[];
    SYS_setdomainname &[];
    SYS_sethostname &[];
    SYS_setns &[];
    SYS_settimeofday &[];
    SYS_swapoff &[];
    SYS_swapon &[];
    SYS_syslog &[];
    SYS_umount2 &[];
    SYS_unshare NAMESPACES;
    SYS_vhangup &[];
    #[cfg(target_arch = "x86_64")] SYS_chmod AS_OWNER_1;
    #[cfg(target_arch = "x86_64")] SYS_creat AS_OWNER_1;
    #[cfg(target_arch = "x86_64")] SYS_ioperm &[];
    #[cfg(target_arch = "x86_64")] SYS_iopl &[];
    #[cfg(target_arch = "x86_64")] SYS_kexec_file_load &[];
    #[cfg(target_arch = "x86_64")] SYS_mknod AS_OWNER_1;
    #[cfg(target_arch = "x86_64")] SYS_open &[
        &[(1, Is::With(CREATE)), (2, Is::With(S_ISUID))],
        &[(1, Is::With(CREATE)), (2, Is::With(S_ISGID))],
        &[(1, Is::With(NAMELESS)), (2, Is::With(S_ISUID))],
        &[(1, Is::With(NAMELESS)), (2, Is::With(S_ISGID))],
    ];
];

const fn family(number: i32) -> Is {
    Is::Other(number as u32)
}

/// Sockets that are neither Unix nor internet sockets; of netlink only the kind that tells a
/// program its own addresses.
const SOCKETS: &[Row] = &[
    &[
        (0, family(libc::AF_UNIX)),
        (0, family(libc::AF_INET)),
        (0, family(libc::AF_INET6)),
        (0, family(libc::AF_NETLINK)),
    ],
    &[
        (0, Is::Equal(libc::AF_NETLINK as u32)),
        (2, Is::Other(libc::NETLINK_ROUTE as u32)),
    ],
];

const FAMILIES: &[(Call, &[Row])] = refused![
    SYS_socket SOCKETS;
    SYS_socketpair SOCKETS;
];

/// Where code is kept to some of the processors.
pub(super) const PROCESSORS: Filter = Filter {
    answer: Answer::NotPermitted,
    refuses: Refuses::These(refused![SYS_sched_setaffinity &[];]),
};
