//! The command line: one definition for help, completions, manual pages, and for what `wharf-shell`
//! lets through.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

pub use admin::Admin;
pub use answer::Answer;
pub use database::{Data, Database};
pub use mount::Mount;
pub use parts::{
    Activity, ActivityLog, Branch, Crons, Hook, Key, KeyFile, Log, Notify, Project, Repositories,
    Switch, What,
};
pub use slug::Slug;
pub use snapshot::Snapshot;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "wharf",
    version,
    about = "Every branch an environment, every push a deployment",
    after_help = "Exit status: 0 done, 1 failed, 2 usage, 3 deployment failed and the old release \
                  serves, 4 daemon unreachable, 5 not found, 6 refused.\n\
                  In a work tree, the project and the environment follow from its remote and branch.\n\
                  Commands of other platforms mean the same: environment:branch, activity:list.",
    disable_help_subcommand = true
)]
pub struct Wharf {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// The project, instead of the work tree's
    #[arg(short, long, global = true, value_name = "NAME")]
    pub project: Option<String>,
    /// The environment or branch, instead of the work tree's
    #[arg(short, long, global = true, value_name = "NAME")]
    pub environment: Option<String>,
    /// Print JSON: what was found, or what came of it
    #[arg(long, global = true)]
    pub json: bool,
    /// Ask this machine's daemon, wherever the remote points
    #[arg(long, global = true)]
    pub here: bool,
    /// The bare repository, as an ssh URL names it: what a laptop's `wharf` sends
    #[arg(id = "in-repository", long = "repository", global = true, hide = true, value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub repository: Option<String>,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Make this work tree deployable on this machine
    Init {
        /// The project's name [default: the directory's]
        name: Option<String>,
    },
    /// Register projects and list them
    #[command(subcommand)]
    Project(Project),
    /// Say what is wrong with wharf.toml, or what was detected
    Check {
        /// The application's directory
        #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// Put Wharf's hooks into a bare repository, look at them, take them out
    #[command(subcommand)]
    Hook(Hook),
    /// Let people's ssh keys push and ask
    #[command(subcommand)]
    Key(Key),

    /// Show what the daemon does
    Status,
    /// Show the project's environments and what serves
    Environments,
    /// Show what happened, newest first
    Activities {
        /// At most so many
        #[arg(short = 'n', long, default_value_t = LIMIT, value_name = "N",
              value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Look at one activity, wait for it, stop it
    #[command(subcommand)]
    Activity(Activity),
    /// Show the log of an activity, or the application's output
    Log(Log),
    /// Print the environment's address
    Url {
        /// Instead a link that opens it for so long, such as 1h, to whoever has the link
        #[arg(long, value_name = "TIME", value_parser = crate::grant::time)]
        grant: Option<Duration>,
    },
    /// Show the environment's releases, newest first
    Releases,
    /// Show the crons of what serves and how they ended, or run one now
    #[command(args_conflicts_with_subcommands = true)]
    Crons {
        /// What is done with one
        #[command(subcommand)]
        what: Option<Crons>,
    },
    /// Show the project's build results, newest first
    Slugs,
    /// Say why one was built; take one to another host
    #[command(subcommand)]
    Slug(Slug),
    /// See what is in mounts, take it, bring files into them
    #[command(subcommand)]
    Mount(Mount),

    /// Copy the environment's data, bring a copy back
    #[command(subcommand)]
    Snapshot(Snapshot),

    /// Run a command in what serves, with its variables and on its data
    #[command(
        after_help = "It sees the code read-only, the mounts, and nothing of other environments. It goes on in \
                      its release while\nanother one is deployed. At a terminal it gets one; else its input, \
                      output and errors are piped.\nA line for a shell: wharf run -- sh -c 'ls | wc -l'\n\n\
                      Exit status: the command's own, 128 and the signal's number where a signal ended it;\n\
                      1, 4, 5 or 6, and a message, where it could not be run. Who ran what is recorded, what \
                      it printed is not."
    )]
    Run {
        /// The program and its arguments, as they stand
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND",
              value_hint = ValueHint::CommandWithArguments)]
        command: Vec<String>,
    },
    /// Begin a shell in what serves
    ///
    /// At a terminal it has one; else it reads what it is to do from its input.
    Shell,
    /// Look into a database of the environment's, write it out
    #[command(subcommand)]
    Db(Database),
    /// Let an earlier release serve again; data is not touched
    Rollback {
        /// Such as r41 [default: the last good one before the serving one]
        #[arg(value_parser = release_number)]
        release: Option<u32>,
    },
    /// Let a commit go live that is in the repository: for a forge's pipeline
    Deploy {
        /// Its whole id, such as a pipeline knows it
        #[arg(long, value_name = "ID")]
        commit: String,
    },
    /// Deploy the branch's tip again, with today's variables
    Redeploy {
        /// Build anew, even if nothing changed
        #[arg(long)]
        rebuild: bool,
        /// Wait for no deploy window
        #[arg(long)]
        now: bool,
    },
    /// Let a deployment go live that waits for approval
    Approve {
        /// The activity, such as 4f2a
        id: String,
        /// Wait for no deploy window either
        #[arg(long)]
        now: bool,
    },
    /// Let an inactive environment live: its branch's tip is deployed
    Activate,
    /// Stop an environment and put its data aside; its branch stays
    Deactivate,
    /// Stop an environment's processes; its data stays
    Pause,
    /// Start a paused environment again
    Resume,
    /// Keep visitors away from an environment, or let them in again
    Maintenance {
        /// Which of the two
        to: Switch,
    },
    /// Bring the application's sample data to what serves, once more
    #[command(
        after_help = "What [seed] in wharf.toml says, for environments of the types that it names. A new one gets it by \
                      itself,\nin its first deployment.\n\nWho may: contributors, as with wharf run."
    )]
    Seed,
    /// Begin with nothing again
    #[command(subcommand)]
    Data(Data),
    /// Stop an activity and all of its processes
    Cancel {
        /// The activity, such as 4f2a
        id: String,
    },

    /// Begin a branch at its parent's tip and deploy it
    Branch(Branch),
    /// Bring the environment's code to its parent
    Merge,
    /// Bring what the environment serves to its parent, as it was built
    Promote,
    /// Bring the parent's code to the environment
    Sync {
        /// What is brought
        what: What,
    },
    /// Delete the environment with its branch; its data is kept for a while
    Delete {
        /// Delete those that have it as parent, too
        #[arg(long)]
        with_children: bool,
    },
    /// Show variables, set them, take them away
    #[command(subcommand)]
    Variable(variable::Variable),
    /// Variables as a file to be committed; two environments compared
    #[command(subcommand)]
    Config(variable::Config),

    /// Show what the environment is, or change its title or its parent
    Info {
        /// What people say of it
        #[arg(long)]
        title: Option<String>,
        /// The parent, by its id or branch
        #[arg(long, value_name = "NAME")]
        parent: Option<String>,
    },

    /// Start the daemon in the background, as yourself
    Start {
        /// Leave the session and become the daemon
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Make the daemon read its configuration again
    Reload,
    /// Look for trouble and say what mends it
    ///
    /// Looks at the daemon and at what it runs on; where no daemon answers, at all that can be seen
    /// without one. Root sees most. Exits with 0 where nothing is worse than a warning, with 1 where
    /// something does not work. With --json: a list of findings, each with its severity (good, warning,
    /// error), a code of docs/troubleshooting.md, what is so and where, and a hint, whose lines are commands
    /// mostly.
    Doctor,
    /// Remove what is past retention on this host; what serves stays
    Cleanup {
        /// Only show what would go
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
    /// Take all of Wharf to another host, or bring it back
    #[command(subcommand)]
    Admin(Admin),
    /// Try who is told of what happens
    #[command(subcommand)]
    Notify(Notify),
    /// Print the JSON Schema of what a command prints with --json
    Schema {
        /// Of which command
        answer: Answer,
    },
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write manual pages
    #[command(hide = true)]
    Man {
        /// Where to
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// How many activities are shown where nobody says.
const LIMIT: u32 = 20;
/// The longest that somebody may wait.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

fn time(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|time| Duration::try_from(time).ok())
        .filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time))
        .ok_or_else(|| "a time is written like 90s or 10m, from 1s to 7d".to_owned())
}

fn release_number(text: &str) -> Result<u32, String> {
    text.strip_prefix('r')
        .unwrap_or(text)
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "a release is written like r41".to_owned())
}

/// The help's sections: every visible command stands in one of them.
const SECTIONS: [(&str, &[&str]); 5] = [
    ("Set up", &["init", "project", "check", "hook", "key"]),
    (
        "Look",
        &[
            "status",
            "environments",
            "activities",
            "activity",
            "log",
            "url",
            "releases",
            "crons",
            "slugs",
            "slug",
        ],
    ),
    (
        "Act",
        &[
            "run",
            "shell",
            "db",
            "rollback",
            "deploy",
            "redeploy",
            "approve",
            "snapshot",
            "activate",
            "deactivate",
            "pause",
            "resume",
            "maintenance",
            "seed",
            "data",
            "cancel",
            "mount",
            "variable",
            "config",
        ],
    ),
    (
        "Tree",
        &["branch", "merge", "promote", "sync", "info", "delete"],
    ),
    (
        "Host",
        &[
            "start",
            "reload",
            "doctor",
            "cleanup",
            "notify",
            "admin",
            "schema",
            "completions",
        ],
    ),
];

/// The sections of what makes sense over ssh, too.
const FROM_ELSEWHERE: [&str; 3] = ["Look", "Act", "Tree"];

/// The names of the commands that make sense from another machine, a section each.
pub fn from_elsewhere() -> impl Iterator<Item = &'static [&'static str]> {
    let sections = SECTIONS.iter();
    let sections = sections.filter(|(heading, _)| FROM_ELSEWHERE.contains(heading));
    sections.map(|(_, names)| *names)
}

/// The command line with its sectioned help.
pub fn command() -> clap::Command {
    let command = Wharf::command();
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (heading, names) in SECTIONS {
        template.push_str(&format!("\n{heading}:\n"));
        for name in names {
            let about = command
                .find_subcommand(name)
                .and_then(|sub| sub.get_about());
            let about = about.map(ToString::to_string).unwrap_or_default();
            template.push_str(&format!("  {name:<13} {about}\n"));
        }
    }
    template.push_str("\nOptions:\n{options}{after-help}");
    command.help_template(template)
}

/// Names of other platforms, each with our words for the same.
pub fn other_names() -> impl Iterator<Item = (&'static str, String)> {
    names::NAMES
        .iter()
        .map(|(name, words)| (*name, words.join(" ")))
}

/// Reads a command line.
///
/// # Errors
/// clap's own: wrong usage, or `--help` and `--version`.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Wharf, clap::Error> {
    use clap::FromArgMatches as _;
    let mut command = command();
    let matches = command.try_get_matches_from_mut(names::plain(words));
    let matches = matches.map_err(names::meant)?;
    let mut wharf =
        Wharf::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    wharf.command = wharf.command.short();
    if wharf.global.json && wharf.command.answer().is_none() {
        return Err(command.error(
            clap::error::ErrorKind::ArgumentConflict,
            "this command prints no JSON",
        ));
    }
    Ok(wharf)
}

/// Whether a command line, good or not, wants JSON.
pub fn wants_json<'w>(words: impl IntoIterator<Item = &'w OsString>) -> bool {
    let mut words = words.into_iter().take_while(|word| *word != "--");
    words.any(|word| word == "--json")
}

impl Command {
    /// The same command by its shorter name, where it has one.
    fn short(self) -> Command {
        match self {
            Command::Activity(Activity::List { limit }) => Command::Activities { limit },
            Command::Activity(Activity::Cancel { id }) => Command::Cancel { id },
            Command::Activity(Activity::Approve { id, now }) => Command::Approve { id, now },
            Command::Activity(Activity::Log(log)) => Command::Log(Log {
                id: Some(log.id),
                follow: log.follow,
                raw: log.raw,
                app: false,
            }),
            other => other,
        }
    }
}

mod admin;
mod answer;
mod database;
pub mod mount;
mod names;
mod parts;
mod remote;
mod slug;
mod snapshot;
pub mod variable;

#[cfg(test)]
mod tests;
