//! The sandboxes of services and of the commands that work with them.

use std::path::PathBuf;
use std::time::Duration;

use wharf_config::name::ProcessName;

use crate::execute::activity::Act;
use crate::execute::bound::granted;
use crate::execute::command::{Quiet, quietly};
use crate::execute::failure::Failure;
use crate::execute::release::{account, label};
use crate::plan::services::Command;
use crate::run::runner::Exit;
use crate::run::sandbox::{Access, Bind, Limits, Network, SERVICES, Sandbox, User};

/// Bytes of what a command of ours prints that are read.
const MOST: usize = 64 << 10;

/// Where a service stands.
#[derive(Debug, Clone)]
pub(super) struct Stand {
    /// What it holds.
    pub(super) data: PathBuf,
    /// The directory that has one for its socket, by its name.
    pub(super) sockets: PathBuf,
}

impl Stand {
    /// The place of an environment's own service.
    pub(super) fn own(act: &Act, name: &ProcessName) -> Stand {
        let (paths, project, id) = (&act.world.paths, &act.project.name, &act.key().id);
        Stand {
            data: paths.service(project, id, name),
            sockets: paths.service_sockets(project, id),
        }
    }

    /// What the service itself sees.
    pub(super) fn server(&self, act: &Act, command: &Command) -> Sandbox {
        let sockets = Some((&self.sockets, Access::Write));
        sandbox(act, (self.data.clone(), Access::Write), sockets, command)
    }

    /// What a command sees that works with the service.
    pub(super) fn client(&self, act: &Act, command: &Command) -> Sandbox {
        let sockets = Some((&self.sockets, Access::Read));
        sandbox(act, (self.data.clone(), Access::Read), sockets, command)
    }
}

/// What a command sees that works with a service's data alone.
pub(super) fn alone(act: &Act, data: PathBuf, command: &Command) -> Sandbox {
    sandbox(act, (data, Access::Write), None, command)
}

/// Data as its own place, and the sockets of services. It reaches nothing else.
fn sandbox(
    act: &Act,
    (data, access): (PathBuf, Access),
    sockets: Option<(&PathBuf, Access)>,
    command: &Command,
) -> Sandbox {
    let mut sandbox = Sandbox::new(data, access);
    sandbox.user = User::Environment(account(act));
    sandbox.label = Some(label(act));
    sandbox.network = Network::None;
    sandbox.binds.extend(sockets.map(|(source, access)| Bind {
        source: source.clone(),
        target: SERVICES.into(),
        access,
    }));
    sandbox.environment.extend(command.variables.clone());
    sandbox
}

/// What a service may take: what the operator grants processes, and no more memory than it was to have.
pub(super) fn limited(act: &Act, limits: Limits, memory: Option<u64>) -> Limits {
    let limits = granted(limits, &act.settings.host.processes);
    Limits {
        memory: [limits.memory, memory].into_iter().flatten().min(),
        ..limits
    }
}

/// Runs one of our commands; what it printed, where it failed.
///
/// # Errors
/// That it was stopped, or could not be run.
pub(super) async fn run(
    act: &Act,
    words: &str,
    sandbox: Sandbox,
    command: &Command,
    limit: Duration,
) -> Result<Result<(), String>, Failure> {
    let asked = ask(act, words, sandbox, command, limit).await?;
    Ok(asked.map(drop))
}

/// The same, for what it prints.
///
/// # Errors
/// As [`run`].
pub(super) async fn ask(
    act: &Act,
    words: &str,
    sandbox: Sandbox,
    command: &Command,
    limit: Duration,
) -> Result<Result<String, String>, Failure> {
    let quiet = Quiet {
        words,
        text: &command.text,
        arguments: command.arguments.clone(),
        sandbox,
        limit,
        most: MOST,
    };
    let (exit, printed) = quietly(act, quiet).await?;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    Ok(match exit {
        Exit::Code(0) => Ok(printed),
        Exit::TimedOut(_) => Err(format!("it took longer than {} s", limit.as_secs())),
        _ => Err(printed),
    })
}
