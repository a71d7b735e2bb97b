//! The hook that was there before Wharf.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::io::Errno;

use crate::input::Input;

/// Why a chained hook did not decide.
#[derive(Debug, thiserror::Error)]
#[error("the hook {} cannot be run", .path.display())]
pub(crate) struct ChainError {
    path: PathBuf,
    source: io::Error,
}

/// Runs the hook `name` beside the stub as git would: git's environment and output, and the same
/// input.
///
/// # Errors
/// [`ChainError`] when it cannot be started or waited for.
pub(crate) fn run(stub: &Path, name: &str, input: &Input) -> Result<ExitStatus, ChainError> {
    // A bare name would be looked for in PATH.
    let beside = stub.parent().filter(|dir| !dir.as_os_str().is_empty());
    let path = beside.unwrap_or(Path::new(".")).join(name);
    let run = || {
        let mut child = start(&path)?;
        let mut stdin = child.stdin.take().expect("it was asked for");
        let copied = input.copy_to(&mut stdin);
        drop(stdin);
        let status = child.wait()?;
        copied.map(|()| status)
    };
    run().map_err(|source| ChainError {
        path: path.clone(),
        source,
    })
}

fn start(path: &Path) -> io::Result<Child> {
    match Command::new(path).stdin(Stdio::piped()).spawn() {
        // git runs a hook without `#!` by the shell; not every C library does.
        Err(error) if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => {
            Command::new("/bin/sh")
                .arg(path)
                .stdin(Stdio::piped())
                .spawn()
        }
        other => other,
    }
}
