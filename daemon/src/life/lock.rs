//! One daemon a state directory: a lock that dies with its holder.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::sync::mpsc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::End;
use crate::store::Fault;
use crate::store::paths::Paths;

/// A daemon that was killed while it started a child leaves the lock to it until that is a program
/// of its own, some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Holds the state directory for this process; `else_do` is what to do where another holds it.
///
/// # Errors
/// Who holds it, or that it cannot be written.
pub(super) fn hold(paths: &Paths, else_do: &str) -> Result<File, End> {
    let path = paths.lock();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            let (path, why) = (path.clone(), error.to_string());
            End::fault(&Fault::ReadOnly { path, why }, paths)
        }
        _ => End::host(&path.display().to_string(), &error),
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    if !take(&file).map_err(failed)? {
        let mut holder = String::new();
        file.read_to_string(&mut holder).map_err(failed)?;
        // It may have taken the lock this moment and not said its name yet.
        let holder = match holder.trim() {
            "" => "of unknown pid",
            pid => &format!("pid {pid}"),
        };
        return Err(End::Host {
            message: format!(
                "another wharfd ({holder}) works on {}",
                paths.state().display()
            ),
            hint: format!("hint: {else_do}\n"),
        });
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// Takes the lock, unless a living process has it.
fn take(file: &File) -> std::io::Result<bool> {
    if file.try_lock().is_ok() {
        return Ok(true);
    }
    let mut named = file.try_clone()?;
    let mut holder = String::new();
    named.read_to_string(&mut holder)?;
    named.rewind()?;
    let pid = holder.trim().parse().ok().and_then(Pid::from_raw);
    if pid.is_none_or(|pid| test_kill_process(pid) != Err(Errno::SRCH)) {
        return Ok(false);
    }
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens any more once it took too long, and then this process ends.
        drop(tell.send(named.lock()));
    });
    Ok(matches!(told.recv_timeout(PATIENCE), Ok(Ok(()))))
}
