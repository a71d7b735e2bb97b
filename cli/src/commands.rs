//! Which part does which command.

use std::{env, path::PathBuf};

use wharf_wire::outcome::Exit;

use crate::{
    admin,
    args::{self, Command, Project, Wharf},
    ask, check, daemon, doctor,
    failure::{self, Failure},
    hooks, init, key, project, schema, show, start,
};

/// Does what the command line says; returns the exit status.
///
/// # Errors
/// The command's own.
pub fn run(wharf: &Wharf) -> Result<u8, Failure> {
    let here = env::current_dir()
        .map_err(|error| Failure::usage("the current directory is gone").because(error))?;
    let json = wharf.global.json;
    let exit = match &wharf.command {
        Command::Init { name } => init::run(&here, name.as_deref(), json),
        Command::Project(Project::Add { name, repository }) => {
            project::add(&here.join(repository), name)
        }
        Command::Check { directory } => check::run(directory, json),
        Command::Hook(hook) => hooks::run(hook, json),
        Command::Key(key) => key::run(key, json),
        Command::Start { detached: true } => Err(start::become_daemon()),
        Command::Start { detached: false } => begin(),
        Command::Admin(admin) => admin::run(admin),
        Command::Doctor => doctor::run(&here, &wharf.global),
        Command::Schema { answer } => schema::print(*answer),
        Command::Completions { shell } => completions(*shell),
        Command::Man { directory } => manual(directory.clone()),
        Command::Status
        | Command::Environments
        | Command::Activities { .. }
        | Command::Activity(_)
        | Command::Log(_)
        | Command::Url { .. }
        | Command::Releases
        | Command::Crons { .. }
        | Command::Slugs
        | Command::Slug(_)
        | Command::Mount(_)
        | Command::Snapshot(_)
        | Command::Project(Project::List)
        | Command::Run { .. }
        | Command::Shell
        | Command::Db(_)
        | Command::Rollback { .. }
        | Command::Deploy { .. }
        | Command::Redeploy { .. }
        | Command::Activate
        | Command::Deactivate
        | Command::Pause
        | Command::Resume
        | Command::Maintenance { .. }
        | Command::Seed
        | Command::Data(_)
        | Command::Approve { .. }
        | Command::Cancel { .. }
        | Command::Branch(_)
        | Command::Merge
        | Command::Promote
        | Command::Sync { .. }
        | Command::Delete { .. }
        | Command::Info { .. }
        | Command::Variable(_)
        | Command::Config(_)
        | Command::Cleanup { .. }
        | Command::Notify(_)
        | Command::Reload => return ask::run(&here, &wharf.global, &wharf.command),
    };
    exit.map(Exit::code)
}

fn begin() -> Result<Exit, Failure> {
    failure::note(match start::ensure(&daemon::place()?)? {
        start::Started::Now => "the daemon runs",
        start::Started::Before => "the daemon runs already",
    });
    Ok(Exit::Ok)
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "wharf", &mut script);
    show::data(&script)?;
    Ok(Exit::Ok)
}

fn manual(directory: PathBuf) -> Result<Exit, Failure> {
    clap_mangen::generate_to(args::command(), &directory).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot write to {}", directory.display()),
        )
        .because(error)
    })?;
    Ok(Exit::Ok)
}
