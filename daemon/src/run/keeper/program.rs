//! The program `wharf-keeper`, from its arguments to its end.

use std::{
    convert::Infallible,
    error::Error,
    fs::{self, File},
    io::{self, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::ExitCode,
};

use rustix::fs::Mode;

use super::{output::Output, reach, serve::Keeper};
use crate::journal::Application;
use crate::run::{
    forwarder, holder, host,
    inside::{self, Source},
    isolation::Isolation,
    job::{self, Job, Kind, Process},
    orphans::Mark,
    sandbox::Forward,
    unit, within,
};

type AnyError = Box<dyn Error>;

/// The whole life of the program.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["exec", parent, mark, isolation] => {
            become_sandbox(parent, mark, isolation, Source::Input).map(|never| match never {})
        }
        ["exec", parent, mark, isolation, job] => {
            let job = Source::File(Path::new(job));
            become_sandbox(parent, mark, isolation, job).map(|never| match never {})
        }
        ["within", processes, variables, forwards, words @ ..] => {
            match run_command(processes, variables, forwards, words) {
                Ok(code) => return code,
                Err(error) => Err(error),
            }
        }
        ["host", parent, words @ ..] => host::become_program(parent, words)
            .map(|never| match never {})
            .map_err(Into::into),
        ["unit"] => match unit::live() {
            Ok(code) => return ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
            Err(error) => Err(error.into()),
        },
        ["git", asked] => holder::hold_git(asked)
            .map(|never| match never {})
            .map_err(Into::into),
        [job, mark, isolation] => keep(Path::new(job), mark, isolation).inspect_err(tell),
        _ => Err("usage: wharf-keeper JOBFILE MARK ISOLATION".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wharf-keeper: {}", chain(&*error));
            if matches!(words.first(), Some(&("exec" | "unit" | "git"))) {
                holder::lost();
            }
            ExitCode::from(125)
        }
    }
}

/// Where the daemon wants its output to go besides the file. One that has no journal serves as well.
fn journal(job: &Job, process: &Process) -> Option<Application> {
    let (label, secrets) = (job.sandbox.label.as_ref()?, process.journal.as_ref()?);
    Application::open(label, secrets).ok()
}

/// Says it to whoever waits for `ready`, too; afterwards that is /dev/null.
fn tell(error: &AnyError) {
    if let Err(error) = writeln!(io::stdout(), "{}", chain(&**error)) {
        eprintln!("wharf-keeper: nobody waits for it: {error}");
    }
}

fn become_sandbox(
    parent: &str,
    mark: &str,
    isolation: &str,
    source: Source<'_>,
) -> Result<Infallible, AnyError> {
    Ok(inside::become_sandbox(
        parent.parse()?,
        mark,
        &serde_json::from_str(isolation)?,
        source,
    )?)
}

fn run_command(
    processes: &str,
    variables: &str,
    forwards: &str,
    words: &[&str],
) -> Result<ExitCode, AnyError> {
    let processes = match processes {
        within::UNLIMITED => None,
        number => Some(number.parse()?),
    };
    let forwards: Vec<Forward> = serde_json::from_str(forwards)?;
    Ok(within::run_command(processes, variables, forwards, words)?)
}

fn keep(path: &Path, mark: &str, isolation: &str) -> Result<(), AnyError> {
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    let isolation: Isolation = serde_json::from_str(isolation)?;
    let job = job::read(&mut File::open(path)?, path)?;
    let Kind::Process(process) = job.kind.clone() else {
        return Err(format!("job {} is no process", job.id).into());
    };
    let (told_to_end, signal) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, signal)?;
    let output = Output::open(&process.output)?;
    let journal = journal(&job, &process);
    if let Some(door) = job.door_beside() {
        forwarder::beside(door.clone())
            .map_err(|error| format!("cannot open its door: {error}"))?;
    }
    let listener = listen(&process.socket)?;

    if let Err(gone) = say_ready() {
        // The daemon died meanwhile, and the next one has looked for its keepers already.
        remove(&process.socket)?;
        remove(&process.output)?;
        return Err(gone.into());
    }
    rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;

    let (socket, record) = (process.socket.clone(), process.record.clone());
    let keeper = Keeper {
        job,
        mark: Mark::from_argument(mark),
        process,
        isolation,
        listener,
        told_to_end,
        output,
        journal,
    };
    let clients = keeper.run()?;
    remove(&socket)?;
    remove(&record)?;
    drop(clients);
    Ok(())
}

fn say_ready() -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(b"ready\n")?;
    stdout.flush()
}

/// Listens at a path that only this user may reach; in place of a keeper that is dead.
fn listen(socket: &Path) -> Result<UnixListener, AnyError> {
    let (_directory, path) = reach(socket)?;
    use io::ErrorKind::{ConnectionRefused, NotFound};
    match UnixStream::connect(&path) {
        Err(error) if matches!(error.kind(), ConnectionRefused | NotFound) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            return Err(format!("another keeper answers at {}", socket.display()).into());
        }
    }
    remove(socket)?;
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(&path)?;
    rustix::process::umask(before);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn remove(path: &Path) -> Result<(), AnyError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
