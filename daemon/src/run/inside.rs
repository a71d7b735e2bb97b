//! `wharf-keeper exec`: becomes bubblewrap for the job on its standard input, or in a file.
//!
//! A program of its own between the daemon and bubblewrap, since it has one thread and nothing
//! inherited: it can set limits, the death signal and descriptors without a race.

use std::{
    convert::Infallible,
    fs::File,
    io::{self, Seek, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::Path,
    process::Command,
};

use rustix::{
    fs::{MemfdFlags, Mode, OFlags, memfd_create, open},
    process::{Resource, Rlimit, Signal},
};

use super::{
    bubblewrap::{Bubblewrap, Filters, Forks},
    calls::{self, Calls},
    descriptors, forwarder,
    holder::{self, HoldError},
    host_root::{GROUP, HostRoot, PASSWD},
    isolation::Isolation,
    job::{self, Job, JobError},
    processors,
    sandbox::{Limits, Setup, bubblewrap, environment},
    within::UNLIMITED,
};

/// Why a sandbox was not entered.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    /// The job cannot be read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Whoever started this is dead already.
    #[error("the parent process is gone")]
    Orphan,
    /// There is no filter for this processor, though the daemon found that there is.
    #[error("cannot filter system calls")]
    Calls(#[from] seccompiler::BackendError),
    /// The helper does not run it.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The system refused something.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
}

fn cannot<E: Into<io::Error>>(verb: &'static str) -> impl FnOnce(E) -> InsideError {
    move |error| InsideError::System(verb, error.into())
}

/// Where the job is that is to be run.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// On the standard input, which the command finds empty.
    Input,
    /// In this file, which goes once it is read: the standard input is the command's own.
    File(&'a Path),
}

/// Becomes bubblewrap with the job's command, under the name `mark`. Returns only when that fails.
///
/// # Errors
/// [`InsideError`].
pub fn become_sandbox(
    parent: u32,
    mark: &str,
    isolation: &Isolation,
    source: Source<'_>,
) -> Result<Infallible, InsideError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(cannot("set the death signal"))?;
    let now = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if u32::try_from(now) != Ok(parent) {
        return Err(InsideError::Orphan);
    }
    let job = match source {
        Source::Input => {
            let job = job::read(&mut io::stdin().lock(), Path::new("of the standard input"))?;
            let null = File::open("/dev/null").map_err(cannot("open /dev/null"))?;
            rustix::stdio::dup2_stdin(&null).map_err(cannot("close the standard input"))?;
            job
        }
        Source::File(path) => job::take(path)?,
    };
    if let Some(door) = job.door_alone() {
        // It is ours, and speaks with what no sandbox may see.
        let files = job.sandbox.limits.open_files;
        limit(Limits {
            open_files: files,
            ..Limits::default()
        })?;
        return Err(InsideError::System("keep a door", forwarder::keep(door)));
    }
    let program = match isolation {
        Isolation::Bubblewrap(program) => program,
        Isolation::Units => return Ok(holder::hold(&job)?),
    };
    rustix::process::umask(Mode::from_raw_mode(0o022));
    limit(job.sandbox.limits)?;
    give_way().map_err(cannot("set oom_score_adj"))?;
    let pinned = match job.sandbox.limits.cpus {
        Some(cpus)
            if processors::keep_to(cpus, &job.id).map_err(cannot("choose processors"))? =>
        {
            Pinned::Kept
        }
        _ => Pinned::Free,
    };

    let mut command = render(&job, program, pinned)?;
    command.arg0(mark);
    Err(InsideError::System("start bubblewrap", command.exec()))
}

/// Whether the command may choose its processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pinned {
    /// It keeps those that it was given.
    Kept,
    /// It has all.
    Free,
}

fn render(job: &Job, program: &Bubblewrap, pinned: Pinned) -> Result<Command, InsideError> {
    let passwd = in_memory(PASSWD.as_bytes())?;
    let group = in_memory(GROUP.as_bytes())?;
    let wanted = match program.filters {
        Filters::Work => job.sandbox.calls,
        Filters::Missing => Calls::All,
    };
    let mut filters = calls::programs(wanted)?;
    if (pinned, program.filters) == (Pinned::Kept, Filters::Work) {
        filters.push(calls::keeps_processors()?);
    }
    let filters: Vec<File> = filters
        .iter()
        .map(|filter| in_memory(filter))
        .collect::<Result<_, _>>()?;
    let numbers: Vec<i32> = filters.iter().map(AsRawFd::as_raw_fd).collect();
    let setup = Setup {
        passwd: passwd.as_raw_fd(),
        group: group.as_raw_fd(),
        user_namespaces: program.user_namespaces,
        filters: &numbers,
    };
    let mut words = Vec::new();
    for word in bubblewrap(&job.sandbox, &HostRoot::probe(), setup) {
        words.extend_from_slice(word.as_bytes());
        words.push(0);
    }
    let args = in_memory(&words)?;
    let mut command = Command::new(&program.program);
    command.arg("--args").arg(args.as_raw_fd().to_string());
    command.env_clear().arg("--");
    let mut kept = vec![passwd, group, args];
    kept.extend(filters);
    let processes = match (program.forks, job.sandbox.limits.processes) {
        (Forks::Counted, Some(processes)) => processes.to_string(),
        _ => UNLIMITED.to_owned(),
    };
    let own = File::from(own_program()?);
    command.arg(format!("/proc/self/fd/{}", own.as_raw_fd()));
    let variables = in_memory(&environment(&job.sandbox))?;
    command.args(["within", &processes, &variables.as_raw_fd().to_string()]);
    command
        .arg(serde_json::to_string(&job.sandbox.forwards).map_err(cannot("name what to forward"))?);
    kept.extend([own, variables]);
    command.args(["/bin/sh", "-c", &job.command]);
    if !job.arguments.is_empty() {
        command.arg("sh").args(&job.arguments);
    }
    let numbers: Vec<i32> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    descriptors::close_at_exec(&numbers).map_err(cannot("close what was inherited"))?;
    // They stay open until exec: bubblewrap reads and closes all but our own program.
    for descriptor in kept {
        std::mem::forget(descriptor);
    }
    Ok(command)
}

/// This very program, to be run inside, where its file is not to be seen. Survives the next exec, and
/// no other: process 1 closes what it has, and the first program gives it up before the command
/// begins, which could open it anew to write.
fn own_program() -> Result<OwnedFd, InsideError> {
    let flags = OFlags::RDONLY;
    open("/proc/self/exe", flags, Mode::empty()).map_err(cannot("open this program"))
}

/// A file in memory that survives the next exec.
pub(super) fn in_memory(bytes: &[u8]) -> Result<File, InsideError> {
    let failed = || cannot::<io::Error>("write to memory");
    let file = memfd_create("wharf", MemfdFlags::empty()).map_err(cannot("write to memory"))?;
    let mut file = File::from(file);
    file.write_all(bytes).map_err(failed())?;
    file.rewind().map_err(failed())?;
    Ok(file)
}

/// Where the host's memory ends, the kernel takes from applications before it takes from the daemon
/// and the router.
pub(super) fn give_way() -> io::Result<()> {
    const FIRST: i32 = 500;
    let file = "/proc/self/oom_score_adj";
    let given = std::fs::read_to_string(file)?;
    // Never less: only a privileged process could say so.
    if given.trim().parse().is_ok_and(|score: i32| score < FIRST) {
        std::fs::write(file, FIRST.to_string())?;
    }
    Ok(())
}

fn limit(limits: Limits) -> Result<(), InsideError> {
    let all = [
        (Resource::Core, Some(0)),
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, limits.file_bytes),
    ];
    for (resource, wanted) in all {
        if let Some(wanted) = wanted {
            // What the daemon itself may not exceed cannot be raised, only lowered.
            let allowed = rustix::process::getrlimit(resource)
                .maximum
                .unwrap_or(u64::MAX);
            let value = Some(wanted.min(allowed));
            rustix::process::setrlimit(
                resource,
                Rlimit {
                    current: value,
                    maximum: value,
                },
            )
            .map_err(cannot("set a limit"))?;
        }
    }
    Ok(())
}
